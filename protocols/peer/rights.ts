/**
 * Who has the right to run a strict session, and until when: as this peer knows it, or as the PCs that know say when they
 * are asked. For people to see; who acts on a right asks the register.
 */
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { LEASE } from '../register/index.ts'
import { SessionIdWire } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Registers } from './registers.ts'
import type { Rpc } from './rpc.ts'

const ANSWER_MS = 1_000

const RightWire = z.object({
  holder: z.string().max(64).nullable(),
  epoch: z.int().min(0),
  seq: z.int().min(0),
  endsInMs: z.number().min(0),
  ageMs: z.number().min(0)
})

export interface Right extends z.infer<typeof RightWire> {
  /** Who said so. Its holder knows when it ends, a voter only by when it ends at the latest. */
  from: PeerId
}

export class Rights {
  readonly #ctx: PeerContext
  readonly #registers: Registers
  readonly #rpc: Rpc

  constructor(ctx: PeerContext, registers: Registers, rpc: Rpc) {
    this.#ctx = ctx
    this.#registers = registers
    this.#rpc = rpc
    rpc.serve('right', (_from, arg, answer) => {
      const id = SessionIdWire.safeParse(arg)
      if (!id.success) return answer(new MeshError('BAD_REQUEST', 'the question needs the id of a session'))
      const own = this.#own(id.data)
      if (own === undefined) return answer(new MeshError('UNKNOWN_SESSION', 'nothing is known here of that right'))
      const { from: _, ...told } = own
      answer(undefined, told)
    })
  }

  /** Undefined when nobody who could be asked knows. */
  of({ id, owner, voters = [], keepers }: SessionRecord, done: (right: Right | undefined) => void): void {
    let best = this.#own(id)
    const { self } = this.#ctx
    if (best?.holder === self) return done(best)
    const others = [...new Set([owner, ...voters, ...keepers])].filter((peer) => peer !== self)
    const asked = others.filter((peer) => this.#ctx.reachable(peer))
    let waiting = asked.length
    if (waiting === 0) return done(best)
    for (const peer of asked)
      this.#rpc.ask(peer, 'right', id, ANSWER_MS, (_error, value) => {
        const told = RightWire.safeParse(value)
        if (told.success && isNewer(told.data, best)) best = { ...told.data, from: peer }
        if (--waiting === 0) done(best)
      })
  }

  #own(id: SessionId): Right | undefined {
    const { self } = this.#ctx
    const now = this.#ctx.ports.clock.mono()
    const seen = this.#registers.seen(id)
    if (seen === undefined) return undefined
    const { epoch, seq, peer, over } = seen.own
    const until = this.#registers.until(id)
    const since = until === undefined ? seen.since : until - LEASE.leaseMs
    return {
      holder: over ? null : peer,
      epoch,
      seq,
      endsInMs: over || peer === null ? 0 : Math.max(0, Math.round(since + LEASE.leaseMs - now)),
      ageMs: Math.max(0, Math.round(now - since)),
      from: self
    }
  }
}

/** The holder's own word says most. */
function isNewer(told: z.infer<typeof RightWire>, than: Right | undefined): boolean {
  if (than === undefined) return true
  return told.epoch - than.epoch > 0 || (told.epoch === than.epoch && (told.seq > than.seq || told.ageMs < than.ageMs))
}
