/**
 * The shapes of views.ts as schemas, for the OpenAPI document and the tests; the compiler holds each to its interface.
 * Answers are the program's own values: they are described by these, and checked by the tests, not at run time.
 */
import { z } from 'zod'
import { STATES } from '../../protocols/session/index.ts'
import type {
  ApiError,
  EventView,
  NodeDetail,
  NodeView,
  SessionView,
  SimulationView,
  StatusView,
  UserView,
  TieView
} from './views.ts'

const count = z.number().int().min(0)
const reading = <T extends z.ZodType>(value: T) => z.union([z.object({ value }), z.object({ missing: z.string() })])

export const ErrorBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

export const SimulationBody = z.object({
  seed: count,
  peers: count,
  nowMs: z.number(),
  wallMs: z.number(),
  speed: z.number(),
  achieved: z.number().nullable(),
  eventsPerS: z.number(),
  off: z.array(z.string()),
  cut: z.array(z.string())
})

export const StatusBody = z.object({
  peerId: z.string(),
  name: z.string(),
  mesh: z.object({ id: z.string(), name: z.string() }).nullable(),
  phase: z.enum(['starting', 'looking', 'active', 'draining']),
  version: z.string(),
  urls: z.array(z.string()),
  dataDir: z.string(),
  uptimeS: z.number(),
  members: z.object({ alive: count, total: count }),
  sessions: z.object({ running: count, total: count }),
  notices: z.array(z.object({ code: z.string(), text: z.string(), fix: z.string() })),
  doors: z.array(
    z.object({
      peerId: z.string(),
      name: z.string(),
      untilMs: z.number(),
      knocks: z.array(
        z.object({
          name: z.string(),
          words: z.string(),
          platform: z.string(),
          state: z.enum(['waiting', 'joined', 'refused'])
        })
      )
    })
  ),
  offers: z.array(z.object({ id: z.string(), meshName: z.string(), memberName: z.string(), words: z.string() })),
  paused: z.boolean(),
  leash: z.object({ connected: z.boolean(), children: count }),
  simulation: SimulationBody.nullable()
})

export const NodeBody = z.object({
  peerId: z.string(),
  name: z.string(),
  state: z.enum(['alive', 'suspect', 'dead', 'left']),
  reason: z.string(),
  self: z.boolean(),
  addresses: z.array(z.string()),
  lastSeenMs: z.number().nullable(),
  ageMs: z.number().nullable(),
  version: z.string(),
  os: reading(z.string()),
  cpuModel: reading(z.string()),
  cores: reading(z.number()),
  cpu: reading(z.number()),
  perCore: reading(z.array(z.number())),
  load1: reading(z.number()),
  memoryBytes: reading(z.number()),
  memoryUsedBytes: reading(z.number()),
  diskBytes: reading(z.number()),
  diskFreeBytes: reading(z.number()),
  netRxBytesPerS: reading(z.number()),
  netTxBytesPerS: reading(z.number()),
  gpus: reading(z.array(z.string())),
  displays: reading(z.boolean()),
  temperatureC: reading(z.number()),
  battery: reading(z.string()),
  bootedAtMs: reading(z.number()),
  rttMs: reading(z.number()),
  witness: z.boolean(),
  offer: z
    .object({
      cpuMilli: z.number(),
      memoryBytes: z.number(),
      grantedCpuMilli: z.number(),
      grantedMemoryBytes: z.number(),
      paused: z.boolean()
    })
    .nullable(),
  usedBy: z.string(),
  labels: z.record(z.string(), z.string()),
  history: z.object({ cpu: z.array(z.number().nullable()), memory: z.array(z.number().nullable()) })
})

const rate = z.number().nullable()
export const NodeDetailBody = NodeBody.extend({
  disks: reading(
    z.array(
      z.object({
        mount: z.string(),
        device: z.string(),
        bytes: z.number(),
        freeBytes: z.number(),
        readBytesPerS: rate,
        writeBytesPerS: rate
      })
    )
  ),
  interfaces: reading(
    z.array(
      z.object({
        name: z.string(),
        addresses: z.array(z.string()),
        rxBytesPerS: rate,
        txBytesPerS: rate,
        rxBytes: z.number(),
        txBytes: z.number(),
        speedMbps: rate
      })
    )
  ),
  hardware: z.record(
    z.string(),
    z.array(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])))
  ),
  hardwareAgeMs: z.number().nullable(),
  hardwareMissing: z.string().nullable()
})

const state = z.enum(STATES)
export const SessionBody = z.object({
  id: z.string(),
  state,
  appUri: z.string(),
  args: z.array(z.string()),
  command: z.string(),
  user: z.string(),
  submitter: z.string(),
  owner: z.string(),
  runner: z.string().nullable(),
  keepers: z.array(z.string()),
  epoch: z.number(),
  frozenOn: z.array(z.string()),
  placement: z
    .object({
      sentence: z.string(),
      candidates: z
        .array(z.object({ peer: z.string(), name: z.string(), score: z.number().nullable(), reason: z.string() }))
        .readonly()
    })
    .nullable(),
  reason: z.string(),
  cpuMilli: z.number(),
  memoryBytes: z.number(),
  restart: z.string(),
  mode: z.enum(['available', 'strict']),
  terminal: z.boolean(),
  display: z.boolean(),
  priority: z.number(),
  tasks: z
    .object({ total: count, done: count, failed: count, running: count, failing: z.array(z.number()) })
    .nullable(),
  strict: z
    .object({
      voters: z.array(z.string()),
      lease: z
        .object({ holder: z.string().nullable(), endsInMs: z.number(), ageMs: z.number(), from: z.string() })
        .nullable(),
      awaits: z.array(z.string()),
      takenOver: z.object({ by: z.string(), at: z.string(), when: z.number() }).nullable()
    })
    .nullable(),
  exit: z.object({ code: z.number().nullable(), signal: z.string().nullable() }).nullable(),
  output: z.object({ hash: z.string(), bytes: z.number(), files: z.number() }).nullable(),
  createdAt: z.number(),
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  history: z.array(z.object({ at: z.number(), state, by: z.string(), cause: z.string() }))
})

export const AppsBody = z.object({
  apps: z.array(z.object({ id: z.string(), name: z.string(), nodes: z.array(z.string()) })),
  without: z.array(z.object({ peerId: z.string(), name: z.string(), why: z.string() }))
})

export const TieBody = z.object({
  rule: z.enum(['runner', 'anchor', 'both']),
  anchor: z.string().nullable(),
  witnesses: z.array(z.string())
})

export const SessionPage = z.object({
  sessions: z.array(SessionBody),
  /** How many fit the filter, on all pages. */
  total: count,
  /** Give as `cursor` for the next page; null on the last. */
  next: z.string().nullable()
})

export const CreatedBody = z.object({ session: SessionBody, durability: count })

export const EventBody = z.object({
  seq: z.number(),
  at: z.number(),
  kind: z.enum(['node', 'session', 'security', 'peer']),
  level: z.enum(['info', 'warn']),
  text: z.string(),
  subject: z.string().nullable()
})

export const Role = z.enum(['admin', 'user', 'viewer'])
export const UserBody = z.object({ name: z.string(), role: Role })
export const MeBody = UserBody.extend({ via: z.enum(['local', 'browser', 'token']) })

/** What a person may be called. `local` and `first-run` are the program's own words for a principal. */
export const UserName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, 'a name has 1 to 32 of a-z 0-9 . _ - and begins with a letter or digit')
  .refine((name) => name !== 'local' && name !== 'first-run', 'this name is taken by the program itself')
export const Password = z.string().min(10, 'a password has at least 10 characters').max(256)
/** One-time tokens, cookie values: 32 bytes as base64url. */
export const Secret = z.string().min(16).max(128)
export const NodeId = z.object({ id: z.string().min(1).max(128) })
export const SessionIdParam = z.object({
  id: z.string().regex(/^[0-9a-f]{6,32}$/, 'a session id has 6 to 32 hex digits')
})
export const BlobParam = z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/, 'a blob is named by 64 hex digits') })
export const LogOffset = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0)
/** A query flag: `?follow`, `?follow=1`, `?follow=true`. */
export const Flag = z
  .enum(['', '1', 'true', '0', 'false'])
  .default('0')
  .transform((text) => text !== '0' && text !== 'false')

/** Each shape is the interface, field by field: one that is missing or of another type fails the type check. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
true satisfies Same<SimulationView, z.infer<typeof SimulationBody>>
true satisfies Same<StatusView, z.infer<typeof StatusBody>>
true satisfies Same<NodeView, z.infer<typeof NodeBody>>
true satisfies Same<NodeDetail, z.infer<typeof NodeDetailBody>>
true satisfies Same<SessionView, z.infer<typeof SessionBody>>
true satisfies Same<TieView, z.infer<typeof TieBody>>
true satisfies Same<EventView, z.infer<typeof EventBody>>
true satisfies Same<UserView, z.infer<typeof UserBody>>
true satisfies Same<ApiError, z.infer<typeof ErrorBody>>
