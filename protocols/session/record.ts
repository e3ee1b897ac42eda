/**
 * The record of a session: what its keepers store and what everyone is told of it. Last writer wins on
 * (epoch, seq, owner); `desired: stop` beats `run` at any version (PROTOCOLS.md 2.4.4).
 */
import { z } from 'zod'
import { DISPLAY_MAX, TERMINAL_MAX } from '../ports.ts'
import type { BlobRef, DisplaySpec, PeerId, SessionId, TerminalSpec } from '../ports.ts'
import type { ForceTakeover } from './force.ts'
import { TASKS_MAX } from './task-set.ts'

/** A record stays under one frame with room for the envelope. */
export const RECORD_MAX_BYTES = 48 * 1024
/** Of that, what a person asks for; the rest is room for the story of the session. */
export const SUBMITTED_MAX_BYTES = 32 * 1024

export const STATES = [
  'submitted',
  'placing',
  'pending',
  'starting',
  'running',
  'finishing',
  'finished',
  'stopping',
  'stopped',
  'lost',
  'frozen',
  'failed'
] as const
export type SessionState = (typeof STATES)[number]
export const FINAL_STATES: ReadonlySet<SessionState> = new Set(['finished', 'stopped', 'failed'])

export const RESTARTS = ['no', 'on-failure', 'on-node-loss', 'always'] as const
export type Restart = (typeof RESTARTS)[number]

/** What a person asks for. Immutable once accepted. */
export interface SessionSpec {
  /** `exec:` program and args, `shell:` one line, or `app:` an installed application. */
  appUri: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
  /** Login name of the person, or `local` for the PC's own user. */
  user: string
  cpuMilli: number
  memoryBytes: number
  labels: Readonly<Record<string, string>>
  on?: string
  notOn?: string
  restart: Restart
  /** Never two runs, not for a moment; without the word of its keepers none. Absent: available. */
  mode?: 'strict'
  /** Which waits where there is no room: 0 goes first, 4 last. Absent: 2. */
  class?: number
  /** An array: so many tasks of this one command, told apart by OMEGA_TASK, from 0 on. */
  array?: number
  /** Somebody is attached and will send input. */
  stdin: boolean
  /** It runs in a terminal. */
  terminal?: TerminalSpec
  /** It has windows, and runs where they can be shown. */
  display?: DisplaySpec
  input?: BlobRef
}

/** `scheme:rest`, where `scheme://rest` says the same. */
export function partsOfUri(appUri: string): { scheme: string; rest: string } {
  const colon = appUri.indexOf(':')
  return { scheme: appUri.slice(0, colon), rest: appUri.slice(colon + 1).replace(/^\/\//, '') }
}

export interface Why {
  /** One sentence: why this peer. */
  sentence: string
  /** Every peer that was looked at, chosen first. */
  candidates: ReadonlyArray<{ peer: PeerId; name: string; score: number | null; reason: string }>
}

/** How far an array has come. Counts are for people; what is over is what a next owner goes on from. */
export interface Progress {
  done: number
  /** Tried as often as the restart policy allows. */
  failed: number
  running: number
  /** Done or failed: pairs of from and to. What has no room here is done once more after a takeover. */
  over: readonly number[]
  /** The first of those that failed, as pairs of from and to. */
  failing: readonly number[]
}

/** What of an array a worker is given at a time. It is bound like a session, and stays its owner's. */
export interface Chunk {
  of: SessionId
  /** Grows with each that is bound in the epoch: of two that come to one task, the later has the higher. */
  n: number
  /** Pairs of from and to. */
  tasks: readonly number[]
}

export interface SessionRecord {
  id: SessionId
  spec: SessionSpec
  submitter: PeerId
  keepers: readonly PeerId[]
  /** Of a strict session: who votes on the right to run it, as its owner read last. The register has the last word. */
  voters?: readonly PeerId[]
  /** A strict session that a person took over: whose word it was. */
  takeover?: ForceTakeover
  desired: 'run' | 'stop'
  state: SessionState
  /** (epoch, seq, owner) is the version. The epoch is the number of the right to run; it grows with each new owner. */
  epoch: number
  seq: number
  owner: PeerId
  /** Where the process is or was last. */
  runner?: PeerId
  why?: Why
  /** In words: why it is in this state. */
  reason?: string
  /** Peers that could not start it, with the reason; they are not asked again. */
  tried: ReadonlyArray<{ peer: PeerId; why: string }>
  /** Restarts after an exit, with the time of each within the last ten minutes. */
  restarts: readonly number[]
  exit?: { code: number | null; signal: string | null }
  output?: BlobRef & { files: number }
  outputError?: string
  logBytes?: number
  /** Of an array. */
  progress?: Progress
  /** This is no session but a part of one, on its way to a worker. */
  chunk?: Chunk
  /** Milliseconds since 1970, of the peer that wrote each; for people only. */
  createdAt: number
  startedAt?: number
  endedAt?: number
  /** Last 16 transitions. */
  history: ReadonlyArray<{ at: number; state: SessionState; by: PeerId; cause: string }>
}

/** Greater than 0 when a is the newer version. */
export function compareVersion(
  a: Pick<SessionRecord, 'epoch' | 'seq' | 'owner'>,
  b: Pick<SessionRecord, 'epoch' | 'seq' | 'owner'>
): number {
  return a.epoch - b.epoch || a.seq - b.seq || (a.owner < b.owner ? -1 : a.owner > b.owner ? 1 : 0)
}

/** Of a display until somebody looks at it. */
export const DISPLAY_USUAL: DisplaySpec = { width: 1024, height: 640 }

export const SpecInput = z.object({
  app_uri: z.string().min(1).max(4096),
  args: z.array(z.string().max(16384)).max(1024).default([]),
  env: z.record(z.string().max(256), z.string().max(16384)).default({}),
  cwd: z.string().max(4096).default(''),
  user_id: z.string().max(64).optional(),
  cpu_cores: z.number().min(0.01).max(4096).default(1),
  gpu_units: z.number().int().min(0).max(64).default(0),
  ram_bytes: z
    .number()
    .int()
    .min(0)
    .max(2 ** 50)
    .default(256 * 2 ** 20),
  kind: z.enum(['task', 'array']).default('task'),
  /** How many tasks of this command; each sees its number, from 0 on, in OMEGA_TASK. */
  array: z
    .number()
    .int()
    .min(1)
    .max(TASKS_MAX, `an array has at most ${TASKS_MAX} tasks: let each task do more, or start several arrays`)
    .optional(),
  mode: z.enum(['available', 'strict']).default('available'),
  /** Class: where there is no room, 0 goes first and 4 last. */
  priority: z.number().int().min(0).max(4).default(2),
  constraints: z
    .object({
      on: z.string().max(128).optional(),
      not_on: z.string().max(128).optional(),
      labels: z.record(z.string().max(64), z.string().max(256)).default({})
    })
    .prefault({}),
  /** Content already uploaded with PUT /blobs/{hash}. */
  inputs: z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.number().int().min(0) }).optional(),
  restart: z.enum(RESTARTS).default('no'),
  stdin: z.boolean().default(false),
  /** In a terminal of this size until somebody who watches has another; input is taken in any case. */
  terminal: z
    .object({
      columns: z.number().int().min(1).max(TERMINAL_MAX),
      rows: z.number().int().min(1).max(TERMINAL_MAX),
      required: z.boolean().default(true)
    })
    .optional(),
  /** A display of its own, of this size until somebody who looks at it has another. An `app:` has one in any case. */
  display: z
    .object({
      width: z.number().int().min(1).max(DISPLAY_MAX).default(DISPLAY_USUAL.width),
      height: z.number().int().min(1).max(DISPLAY_MAX).default(DISPLAY_USUAL.height)
    })
    .optional(),
  /** Same nonce from the same peer: same session, whatever is repeated. */
  nonce: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional()
})
export type SpecInput = z.infer<typeof SpecInput>
