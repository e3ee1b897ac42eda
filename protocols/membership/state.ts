/** What one peer knows of the others: a row a member, the probes under way, the news to pass on, whom to dial. */
import type { Env, KernelEffect, KernelEvent } from '../kernel.ts'
import type { Crypto, PeerId } from '../ports.ts'
import type { MemberRecord, SignedMember } from './record.ts'
import type { Row, Standing } from './row.ts'
import { MEMBER_LIMITS, MEMBERSHIP } from './wire.ts'
import type { Item, MembershipSettings, MemMessage } from './wire.ts'

export interface SelfInput {
  peer: PeerId
  name: string
  addresses: readonly string[]
  version: string
}

export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

/** A live view: read it, do not keep or change it. The peer itself is a member too: alive, `linked` false, no round trip. */
export interface Member {
  readonly peer: PeerId
  readonly name: string
  readonly state: MemberState
  readonly inc: number
  /** 16 hex digits, another at each start. */
  readonly boot: string
  readonly addresses: readonly string[]
  readonly version: string
  /** env.now of the last word from the peer itself over a link, any plane; -Infinity if never, Infinity of itself. */
  readonly heardAt: number
  /** env.now at which the state began. */
  readonly since: number
  /** env.now at which a question was put to it that stayed without an answer, here or elsewhere; 0: never. Kept while it is dead. */
  readonly missedAt: number
  readonly linked: boolean
  /** Round trip of the last ping it answered on this link. */
  readonly rttMs: number | undefined
  /** Why it is in this state, in words. */
  readonly reason: string
}

export type MembershipEvent =
  | KernelEvent<MemMessage>
  /** Once, after the `load`s. */
  | { k: 'start' }
  /** The host saw any frame from the peer, on any plane. */
  | { k: 'heard'; peer: PeerId }
  /** Hello is done; the peer's own signed record. */
  | { k: 'hello'; from: PeerId; record: SignedMember }
  | { k: 'seen'; peer: PeerId; addresses: readonly string[] }
  | { k: 'dialFailed'; peer: PeerId; why: string; detail: string }
  /** Work needs a link to the peer, or goes over it: it is made, and kept for a while. */
  | { k: 'want'; peer: PeerId }
  | { k: 'lag'; ms: number }
  | { k: 'self'; addresses?: readonly string[]; name?: string }
  | { k: 'leave'; forever: boolean }
  /**
   * What `keep` asked to keep, from disk, before `start`. `here`: the members are taken to be here and the own word stays as
   * it is, for a simulation that begins in the middle.
   */
  | { k: 'load'; members: readonly SignedMember[]; here?: boolean }
  /** Revoked: dropped, refused from now on, also after a restart. */
  | { k: 'expel'; peer: PeerId }

export type MembershipEffect =
  | KernelEffect
  /** The member's state changed, or (was === now) what it says of itself did. */
  | { e: 'member'; peer: PeerId; was: MemberState | undefined; now: MemberState | 'forgotten' }
  | { e: 'keep'; peer: PeerId; bytes: Uint8Array }
  | { e: 'unkeep'; peer: PeerId }
  /** No other member has said a word for 10 s though some are expected; or one has again. */
  | { e: 'isolated'; is: boolean }

/** How to reach a peer that has no link. */
export interface Contact {
  /** From discovery, newest first. */
  seen: readonly string[]
  seenAt: number
  failures: number
  dialedAt: number
  /** Re-dials done since the link broke; 0 when none is under way. */
  redials: number
  /** A link to this address went dumb: tried last. */
  avoid?: string | undefined
  /** Remembered from the last time, dialled, and not reached. */
  tried?: boolean
}

export interface Link {
  /** When lists are to be compared on it, and whether they were. */
  syncAt: number
  synced: boolean
  /** Probes in a row that only helpers could answer. */
  misses: number
  address: string | undefined
  since: number
  /** Of the peer at its other end, once that is listed. */
  row: Row | undefined
}

export interface Overlay {
  /** False: everyone is linked to everyone. */
  rings: boolean
  /** On the rings: whom this peer links to and watches, and who does so with it. */
  next: Set<PeerId>
  previous: Set<PeerId>
  random: Set<PeerId>
  /** Needed for work: when last, the longest ago first. */
  demands: Map<PeerId, number>
  reviewArmed: boolean
}

/** A ping that waits for its answer. `probe`: this period's; `witness`: after somebody's suspicion; `relay`: for somebody else. */
export interface Asked {
  target: PeerId
  kind: 'probe' | 'witness' | 'relay'
  phase: 'direct' | 'helpers'
  at: number
  dueAt: number
  helpers: readonly PeerId[]
  nacks: Set<PeerId>
  requester?: { peer: PeerId; n: number }
  /** The ping waits for its link. */
  held?: boolean
}

export interface News {
  item: Item
  bytes: number
  sends: number
  from: PeerId | undefined
}

export interface MembershipState {
  readonly crypto: Crypto
  readonly cfg: MembershipSettings
  readonly self: PeerId
  /** What this peer says of itself. */
  readonly own: {
    inc: number
    boot: string
    name: string
    addrs: readonly string[]
    ver: string
    left?: MemberRecord['left']
  }
  readonly rows: Map<PeerId, Row>
  /** Of the row that came last. */
  lastStanding: Readonly<Standing> | undefined
  /** Of the whole list, until a row comes, goes or changes: mostly nothing does between two comparisons. */
  sums: Uint8Array | undefined
  /** Rows alive or suspect, the peer itself included. */
  live: number
  /** Admitted links. */
  readonly links: Map<PeerId, Link>
  readonly overlay: Overlay
  /** Something of the host's goes on with that peer, so the link stays. */
  readonly isBusy: (peer: PeerId) => boolean
  readonly contacts: Map<PeerId, Contact>
  readonly asked: Map<number, Asked>
  relays: number
  readonly news: Map<PeerId, News>
  newsAt: number
  newsArmed: boolean
  /** Left for good and not shown any more: older words about them are answered with their farewell. */
  readonly tombstones: Map<PeerId, { inc: number; bytes: SignedMember; until: number }>
  readonly expelled: Set<PeerId>
  started: boolean
  leaving: boolean
  /** Lifeguard's local health: 0 is well, 8 the worst. */
  health: number
  laggedUntil: number
  /** When this peer ran again after it had stood still for long. */
  stalledAt: number
  nextN: number
  /** Whom to probe next in this round, last first. */
  round: PeerId[]
  probeDueAt: number
  lastHeardAt: number
  isolated: boolean
}

/** One step under way: state, environment, and the effects so far. */
export interface Turn {
  readonly s: MembershipState
  readonly env: Env
  readonly out: MembershipEffect[]
}

/** `timers`: overrides of MEMBERSHIP, for tests and slow networks. */
export function createMembership(
  self: SelfInput,
  crypto: Crypto,
  timers: Partial<MembershipSettings> = {},
  isBusy: (peer: PeerId) => boolean = () => false
): MembershipState {
  return {
    crypto,
    cfg: { ...MEMBERSHIP, ...timers },
    self: self.peer,
    own: {
      inc: 0,
      boot: '',
      name: self.name.slice(0, MEMBER_LIMITS.nameChars),
      addrs: usableAddresses(self.addresses),
      ver: self.version.slice(0, MEMBER_LIMITS.versionChars)
    },
    rows: new Map(),
    lastStanding: undefined,
    sums: undefined,
    live: 0,
    links: new Map(),
    overlay: {
      rings: false,
      next: new Set(),
      previous: new Set(),
      random: new Set(),
      demands: new Map(),
      reviewArmed: false
    },
    isBusy,
    contacts: new Map(),
    asked: new Map(),
    relays: 0,
    news: new Map(),
    newsAt: -Infinity,
    newsArmed: false,
    tombstones: new Map(),
    expelled: new Set(),
    started: false,
    leaving: false,
    health: 0,
    laggedUntil: -Infinity,
    stalledAt: -Infinity,
    nextN: 0,
    round: [],
    probeDueAt: Infinity,
    lastHeardAt: -Infinity,
    isolated: false
  }
}

/** Every member known, the peer itself included. */
export function members(state: MembershipState): Iterable<Member> {
  return state.rows.values()
}

/** Live members, itself included. */
export function population(state: MembershipState): number {
  return state.live
}

/** The mesh is too large for links from all to all. */
export function usesRings(state: MembershipState): boolean {
  return state.overlay.rings
}

/** There is no link, and `want` makes one: the mesh is large, and the member is alive. */
export function canDial(state: MembershipState, peer: PeerId): boolean {
  const { overlay, rows, links, self, started, leaving } = state
  return overlay.rings && started && !leaving && peer !== self && !links.has(peer) && rows.get(peer)?.state === 'alive'
}

export function member(state: MembershipState, peer: PeerId): Member | undefined {
  return state.rows.get(peer)
}

/** The peer's own signed record for its hello. Empty before `start`. */
export function selfRecord(state: MembershipState): SignedMember {
  return state.rows.get(state.self)?.bytes ?? new Uint8Array()
}

export function usableAddresses(addresses: readonly string[]): readonly string[] {
  const usable = addresses.filter((address) => address.length > 0 && address.length <= MEMBER_LIMITS.addressChars)
  return [...new Set(usable)].slice(0, MEMBER_LIMITS.addresses)
}

export function send(t: Turn, to: PeerId, msg: MemMessage): void {
  t.out.push({ e: 'send', to, plane: 'mem', msg })
}

/** In whole milliseconds, rounded up: a timer never fires a hair before its deadline, to be armed again for nothing. */
export function arm(t: Turn, tag: string, inMs: number): void {
  t.out.push({ e: 'timer', tag, inMs: Math.max(0, Math.ceil(inMs)) })
}

export function disarm(t: Turn, tag: string): void {
  t.out.push({ e: 'clear', tag })
}

export function count(t: Turn, name: string): void {
  t.out.push({ e: 'count', name })
}

/** `items` in random order. */
export function shuffled<T>(t: Turn, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(t.env.random.float() * (i + 1))
    const item = items[i]!
    items[i] = items[j]!
    items[j] = item
  }
  return items
}

export function isLive(row: Row): boolean {
  return row.state === 'alive' || row.state === 'suspect'
}
