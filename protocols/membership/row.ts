/**
 * One member as this peer knows it. A thousand simulated peers hold a million of these: what the member says of itself is
 * one object for all of them, and what is said against it is there only while somebody says it.
 */
import type { PeerId } from '../ports.ts'
import type { MemberRecord, SignedMember } from './record.ts'
import type { Member, MemberState } from './state.ts'
import type { Why } from './wire.ts'

interface Doubt {
  accusers: readonly PeerId[]
  why: Why
  missedAt: number
  suspectedAt: number
  deadline: number
  wakeAt: number
}
const NO_DOUBT: Readonly<Doubt> = {
  accusers: [],
  why: 'other',
  missedAt: 0,
  suspectedAt: 0,
  deadline: Infinity,
  wakeAt: Infinity
}

export class Row implements Member {
  record: MemberRecord
  bytes: SignedMember
  state: MemberState
  heardAt: number
  since: number
  linked = false
  rttMs: number | undefined = undefined
  reason: string
  /** From disk, not heard of since this start: shown as dead, but nobody's verdict. */
  remembered = false
  /** Without a link it is not probed before this. */
  graceUntil: number
  #doubt: Readonly<Doubt> = NO_DOUBT

  constructor(
    record: MemberRecord,
    bytes: SignedMember,
    known: Pick<Row, 'state' | 'heardAt' | 'since' | 'linked' | 'reason' | 'graceUntil'>
  ) {
    this.record = record
    this.bytes = bytes
    this.state = known.state
    this.heardAt = known.heardAt
    this.since = known.since
    this.linked = known.linked
    this.reason = known.reason
    this.graceUntil = known.graceUntil
  }

  get peer(): PeerId {
    return this.record.peer
  }
  get name(): string {
    return this.record.name
  }
  get inc(): number {
    return this.record.inc
  }
  get boot(): string {
    return this.record.boot
  }
  get addresses(): readonly string[] {
    return this.record.addrs
  }
  get version(): string {
    return this.record.ver
  }
  /** Left for good, not only shut down. */
  get forever(): boolean {
    return this.record.left === 'forever'
  }

  /** While suspect or dead: who says so, first accuser first. */
  get accusers(): readonly PeerId[] {
    return this.#doubt.accusers
  }
  get why(): Why {
    return this.#doubt.why
  }
  get missedAt(): number {
    return this.#doubt.missedAt
  }
  /** Since when it is suspect. */
  get suspectedAt(): number {
    return this.#doubt.suspectedAt
  }
  /** While suspect: when it is declared dead, and when its timer fires. */
  get deadline(): number {
    return this.#doubt.deadline
  }
  get wakeAt(): number {
    return this.#doubt.wakeAt
  }

  doubt(change: Partial<Doubt>): void {
    this.#doubt = { ...this.#doubt, ...change }
  }
  /** Nobody says anything against it any more. */
  clear(): void {
    this.#doubt = NO_DOUBT
  }
}
