/**
 * The frames of registers, within plane `reg` beside those of the records: both are for members only, both are between
 * keepers and those who want the session, and both are small. Kinds of frames have names of their own.
 */
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { Config, Value } from './value.ts'

export const REGISTER_LIMITS = {
  /** Three are usual, five the most that is asked for; with room for a change of all of them. */
  votersMax: 8,
  /** Registers that a peer votes on. A slot takes about 600 bytes. */
  slotsMax: 10_000,
  /** Of these, kept for those that are made here: whatever others ask for, this peer can go on. */
  slotsOwn: 2000,
  /** For which one other member has asked. Sessions that have ended count for as long as their records are kept. */
  slotsOfOne: 4000,
  /** A frame of a register takes some 700 bytes; what later versions add has to fit, too. */
  frameBytes: 4096,
  /** Changes of one register that wait at one proposer. */
  jobsMax: 16,
  /** An attempt unanswered for this long is made again with a higher ballot; the pause grows up to four times this. */
  tryMs: 350,
  /** How long a new voter is asked to make room, before the change of keepers is given up. */
  joinMs: 4_000
} as const

const id = z.string().regex(/^[0-9a-f]{32}$/)
const peer = z.string().min(1).max(64)
const count = z.int().min(0)
const attempt = z.string().max(40)
const peers = z.array(peer).min(1).max(REGISTER_LIMITS.votersMax).readonly()

export const BallotWire = z.object({
  reign: count.optional(),
  n: count,
  peer: z.string().max(64),
  boot: z.string().regex(/^([0-9a-f]{16})?$/)
})
/** A voter of an older minor keeps what it does not know: unknown keys of the value stay in it. */
export const ConfigWire = z.looseObject({ ver: count, voters: peers, joint: peers.optional() }) as z.ZodType<Config>
export const ValueWire = z.looseObject({
  ver: count,
  attempt,
  cfg: ConfigWire,
  own: z.looseObject({ peer: peer.nullable(), epoch: count, seq: count, attempt, over: z.boolean() })
}) as z.ZodType<Value>
export const SlotWire = z.looseObject({
  promised: BallotWire,
  accepted: BallotWire,
  value: ValueWire.nullable(),
  by: peer.optional()
})

export const RegisterFrame = z.discriminatedUnion('t', [
  /** Promise nothing below `b`, and what have you accepted? `cv`: the version of the keepers that the asker knows. */
  z.object({ t: z.literal('prepare'), id, b: BallotWire, cv: count }),
  z.object({ t: z.literal('promise'), id, b: BallotWire, a: BallotWire, v: ValueWire.nullable() }),
  z.object({ t: z.literal('accept'), id, b: BallotWire, v: ValueWire }),
  z.object({ t: z.literal('accepted'), id, b: BallotWire }),
  /** Promised higher already, or the keepers have changed. */
  z.object({ t: z.literal('refuse'), id, b: BallotWire, p: BallotWire, cfg: ConfigWire.optional() }),
  /** No record here; never a vote. */
  z.object({ t: z.literal('unknown'), id, b: BallotWire }),
  /** Make room for this record: you are about to become a voter. */
  z.object({ t: z.literal('join'), id, cv: count.optional() }),
  z.object({ t: z.literal('joined'), id, ok: z.boolean() })
])
export type RegisterFrame = z.infer<typeof RegisterFrame>

const KINDS: ReadonlySet<string> = new Set(RegisterFrame.options.map((option) => option.shape.t.value))

/** Plane `reg` carries other frames, too. */
export function isRegisterFrame(frame: { t: string }): frame is RegisterFrame {
  return KINDS.has(frame.t)
}

/** A voter keeps all that a value holds, also what it does not know. Throws WIRE_INVALID where that is too much. */
export function boundFrame(frame: { t: string }, bytes: number): void {
  if (!isRegisterFrame(frame) || bytes <= REGISTER_LIMITS.frameBytes) return
  throw new MeshError(
    'WIRE_INVALID',
    `the frame "${frame.t}" of a register takes ${bytes} bytes; at most ${REGISTER_LIMITS.frameBytes} are taken`
  )
}
