/**
 * Who votes on the strict sessions that this peer looks after: the keepers of the record, or with two of them whom the rule
 * of the mesh names. Changed while all who are to vote are there; a change that a death left half done is brought to its end.
 */
import type { PeerId, SessionId } from '../ports.ts'
import { sameVoters, votersFor } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Registers } from './registers.ts'

/** After a change that did not come about, though all seemed to be there. */
const AGAIN_MS = 10_000

export class Voters {
  readonly #ctx: PeerContext
  readonly #registers: Registers
  /** The record is to say who votes. */
  readonly #note: (record: SessionRecord, voters: readonly PeerId[]) => void
  readonly #notBefore = new Map<SessionId, number>()

  constructor(
    ctx: PeerContext,
    registers: Registers,
    note: (record: SessionRecord, voters: readonly PeerId[]) => void
  ) {
    this.#ctx = ctx
    this.#registers = registers
    this.#note = note
  }

  /** As the rule has it now, for a session with these keepers at that runner. */
  wanted(keepers: readonly PeerId[], runner: PeerId): PeerId[] {
    return votersFor(this.#ctx.tie(), keepers, runner)
  }

  /** As far as this peer knows. */
  of(record: SessionRecord): readonly PeerId[] {
    const read = record.owner === this.#ctx.self ? this.#registers.configOf(record.id)?.voters : undefined
    return read ?? record.voters ?? this.wanted(record.keepers, record.runner ?? record.owner)
  }

  /** Of a session whose right this peer has just held or renewed. */
  tend(record: SessionRecord): void {
    const { id } = record
    const cfg = this.#registers.configOf(id)
    if (cfg === undefined) return
    if (cfg.joint === undefined && (record.voters === undefined || !sameVoters(cfg.voters, record.voters)))
      this.#note(record, cfg.voters)
    const wanted = this.wanted(record.keepers, this.#ctx.self)
    if (cfg.joint === undefined && sameVoters(cfg.voters, wanted)) return void this.#notBefore.delete(id)
    const { clock } = this.#ctx.ports
    if (this.#registers.isMoving(id) || clock.mono() < (this.#notBefore.get(id) ?? 0)) return
    // Who cannot be asked cannot become a voter; and what was begun needs all of its own.
    const goal = wanted.every((peer) => this.#isHere(peer)) ? wanted : cfg.joint
    if (goal === undefined) return
    this.#registers.move(id, goal, (ok) => {
      if (!ok) this.#notBefore.set(id, clock.mono() + AGAIN_MS)
    })
  }

  forget(id: SessionId): void {
    this.#notBefore.delete(id)
  }

  /** Voters that are gone, when those that are left decide nothing without them. */
  missing(record: SessionRecord): PeerId[] {
    const voters = this.of(record)
    const gone = voters.filter((peer) => this.#ctx.goneMs(peer) !== undefined)
    return gone.length * 2 >= voters.length ? gone : []
  }

  #isHere(peer: PeerId): boolean {
    return peer === this.#ctx.self || (this.#ctx.isAlive(peer) && this.#ctx.reachable(peer))
  }
}
