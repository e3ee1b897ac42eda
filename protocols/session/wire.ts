/** Plane `reg`: the records of sessions between owners and keepers. A record is at most RECORD_MAX_BYTES. */
import { z } from 'zod'
import { DISPLAY_MAX, TERMINAL_MAX } from '../ports.ts'
import { CHUNK_RANGES_MAX, OVER_RANGES_MAX } from './array.ts'
import { RESTARTS, STATES } from './record.ts'
import type { SessionRecord } from './record.ts'
import { TASKS_MAX } from './task-set.ts'

export const SessionIdWire = z.string().regex(/^[0-9a-f]{32}$/)
const peer = z.string().min(1).max(64)
const when = z.number().min(0)
const text = z.string().max(600)
const blob = { hash: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().min(0) }

const Spec = z.looseObject({
  appUri: z.string().max(4096),
  args: z.array(z.string().max(16384)).max(1024),
  env: z.record(z.string().max(256), z.string().max(16384)),
  cwd: z.string().max(4096),
  user: z.string().max(64),
  cpuMilli: z.int().min(0),
  memoryBytes: z.int().min(0),
  labels: z.record(z.string().max(64), z.string().max(256)),
  on: z.string().max(128).optional(),
  notOn: z.string().max(128).optional(),
  restart: z.enum(RESTARTS),
  mode: z.literal('strict').optional(),
  class: z.int().min(0).max(4).optional(),
  array: z.int().min(1).max(TASKS_MAX).optional(),
  stdin: z.boolean(),
  terminal: z
    .looseObject({
      columns: z.int().min(1).max(TERMINAL_MAX),
      rows: z.int().min(1).max(TERMINAL_MAX),
      required: z.boolean()
    })
    .optional(),
  display: z
    .looseObject({ width: z.int().min(1).max(DISPLAY_MAX), height: z.int().min(1).max(DISPLAY_MAX) })
    .optional(),
  input: z.looseObject(blob).optional()
})

const count = z.int().min(0).max(TASKS_MAX)
const Progress = z.looseObject({
  done: count,
  failed: count,
  running: count,
  over: z.array(count).max(2 * OVER_RANGES_MAX),
  failing: z.array(count).max(2 * OVER_RANGES_MAX)
})
const Chunk = z.looseObject({
  of: SessionIdWire,
  n: z.int().min(0),
  tasks: z.array(count).max(2 * CHUNK_RANGES_MAX)
})

const Candidate = z.looseObject({
  peer,
  name: z.string().max(128),
  score: z.number().nullable(),
  reason: z.string().max(300)
})

/** Checked on the way in. Unknown keys are kept at every level: a keeper of an older minor must not lose what it does not know. */
export const RecordWire = z.looseObject({
  id: SessionIdWire,
  spec: Spec,
  submitter: peer,
  keepers: z.array(peer).max(8),
  voters: z.array(peer).max(8).optional(),
  takeover: z
    .object({
      by: z.string().max(64),
      peer,
      epoch: z.int().min(0),
      at: when,
      signature: z.instanceof(Uint8Array).refine((bytes) => bytes.length === 64)
    })
    .optional(),
  desired: z.enum(['run', 'stop']),
  state: z.enum(STATES),
  epoch: z.int().min(0),
  seq: z.int().min(0),
  owner: peer,
  runner: peer.optional(),
  why: z.looseObject({ sentence: z.string().max(2000), candidates: z.array(Candidate).max(64) }).optional(),
  reason: text.optional(),
  tried: z.array(z.looseObject({ peer, why: z.string().max(300) })).max(16),
  restarts: z.array(when).max(16),
  exit: z.looseObject({ code: z.int().nullable(), signal: z.string().max(16).nullable() }).optional(),
  output: z.looseObject({ ...blob, files: z.int().min(0) }).optional(),
  outputError: text.optional(),
  logBytes: z.int().min(0).optional(),
  progress: Progress.optional(),
  chunk: Chunk.optional(),
  createdAt: when,
  startedAt: when.optional(),
  endedAt: when.optional(),
  history: z.array(z.looseObject({ at: when, state: z.enum(STATES), by: peer, cause: z.string().max(300) })).max(16)
}) as unknown as z.ZodType<SessionRecord>

const n = z.int().min(0).max(0xffffffff)

export const RegFrame = z.discriminatedUnion('t', [
  z.object({ t: z.literal('put'), n, record: RecordWire }),
  z.object({ t: z.literal('ack'), n }),
  z.object({ t: z.literal('newer'), n, record: RecordWire }),
  z.object({ t: z.literal('nak'), n, why: text }),
  z.object({ t: z.literal('get'), n, id: SessionIdWire }),
  z.object({ t: z.literal('got'), n, record: RecordWire.nullable() }),
  z.object({ t: z.literal('have'), list: z.array(z.tuple([SessionIdWire, z.int(), z.int(), peer])).max(400) }),
  /** An older run of it that is kept frozen is wanted no more; the session itself goes on. */
  z.object({ t: z.literal('discard'), n, id: SessionIdWire }),
  z.object({ t: z.literal('stop'), n, id: SessionIdWire, by: z.string().max(64) })
])
export type RegFrame = z.infer<typeof RegFrame>
