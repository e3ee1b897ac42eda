/**
 * One member as this peer knows it. A thousand simulated peers hold a million of these: what the member says of itself is
 * one object for all of them, and what is said against it is there only while somebody says it.
 */
import type { PeerId } from '../ports.ts'
import type { MemberRecord, SignedMember } from './record.ts'
import type { Member, MemberState } from './state.ts'
import type { Why } from './wire.ts'

/** How it stands; rows that came together share one. */
export interface Standing {
  state: MemberState
  reason: string
  since: number
  /** Without a link it is not probed before this. */
  graceUntil: number
}

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
  linked: boolean
  rttMs: number | undefined = undefined
  /** From disk, not heard of since this start: shown as dead, but nobody's verdict. */
  remembered = false
  #standing: Readonly<Standing>
  /** Undefined: never; most members have no link here. */
  #heardAt: number | undefined = undefined
  #doubt: Readonly<Doubt> = NO_DOUBT

  constructor(record: MemberRecord, bytes: SignedMember, standing: Readonly<Standing>, linked: boolean) {
    this.record = record
    this.bytes = bytes
    this.#standing = standing
    this.linked = linked
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

  get state(): MemberState {
    return this.#standing.state
  }
  get reason(): string {
    return this.#standing.reason
  }
  get since(): number {
    return this.#standing.since
  }
  get graceUntil(): number {
    return this.#standing.graceUntil
  }
  stand(change: Partial<Standing>): void {
    this.#standing = { ...this.#standing, ...change }
  }

  get heardAt(): number {
    return this.#heardAt ?? -Infinity
  }
  set heardAt(at: number) {
    this.#heardAt = at
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
