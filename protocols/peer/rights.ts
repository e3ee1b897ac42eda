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
    if (best !== undefined && isHolders(best)) return done(best)
    const others = [...new Set([owner, ...voters, ...keepers])].filter((peer) => peer !== self)
    const asked = others.filter((peer) => this.#ctx.reachable(peer))
    let waiting = asked.length
    if (waiting === 0) return done(best)
    for (const peer of asked)
      this.#rpc.ask(peer, 'right', id, ANSWER_MS, (_error, value) => {
        const told = RightWire.safeParse(value)
        const right = told.success ? { ...told.data, from: peer } : undefined
        if (right !== undefined && isBetter(right, best)) best = right
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

/** Of the newest epoch the holder's own word, else who has heard of the latest renewal. */
function isBetter(told: Right, than: Right | undefined): boolean {
  if (than === undefined || told.epoch !== than.epoch) return than === undefined || told.epoch > than.epoch
  if (isHolders(told) !== isHolders(than)) return isHolders(told)
  return told.seq > than.seq || (told.seq === than.seq && told.ageMs < than.ageMs)
}

/** One that had it and has heard nothing since is no holder. */
const isHolders = ({ from, holder, endsInMs }: Right): boolean => from === holder && endsInMs > 0
