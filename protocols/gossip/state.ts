/** What one peer holds of the gossip: entries by topic, what is still to be sent to whom, what was dropped. */
import type { Env, KernelEffect, KernelEvent } from '../kernel.ts'
import type { Crypto, PeerId } from '../ports.ts'
import type { Ranged } from '../ranges.ts'
import type { Entry, Version } from './entry.ts'
import { Known } from './known.ts'
import { numbersFor } from './numbers.ts'
import { Outbox } from './outbox.ts'
import { TOPICS, topicOf } from './topics.ts'
import type { TopicName } from './topics.ts'
import { GOSSIP } from './wire.ts'
import type { GossipMessage } from './wire.ts'

export type GossipSettings = { readonly [K in keyof typeof GOSSIP]: number }

export interface GossipOptions {
  self: PeerId
  crypto: Crypto
  /** Entries of authors that are no members wait a moment, then they are dropped. */
  isMember: (peer: PeerId) => boolean
  /** Asked for topics with writer `granted`; without it nobody may. */
  mayWrite?: (topic: TopicName, key: string, author: PeerId) => boolean
  /** Live members, itself included. Without it: the neighbours and itself. */
  population?: () => number
  /** Overrides of GOSSIP, for tests. */
  settings?: Partial<GossipSettings>
}

export type GossipEvent =
  | KernelEvent<GossipMessage>
  /** Arms the timers. Any first event does so too. */
  | { k: 'start' }
  /** This peer is the author. Throws for a key or body that breaks the topic's rules: a bug of the caller. */
  | { k: 'put'; key: string; epoch: number; seq: number; body: Uint8Array }
  /** From disk. Each good one comes back as an `entry` effect. */
  | { k: 'load'; entries: readonly Uint8Array[] }
  /** Dropped here; this version is not taken again from neighbours, a newer one is. */
  | { k: 'forget'; key: string }

export type GossipEffect =
  | KernelEffect
  /** A newer version is here. `from` is undefined for own puts and for what was loaded. */
  | { e: 'entry'; entry: Entry; was: Entry | undefined; from: PeerId | undefined }
  /** Durable topics only. */
  | { e: 'keep'; key: string; bytes: Uint8Array }
  | { e: 'unkeep'; key: string }
  /** Dropped because nobody renewed it for its topic's time. */
  | { e: 'expired'; entry: Entry }

/** Bytes that may be sent now. */
export interface Budget {
  tokens: number
  tokensAt: number
}

export interface Link extends Budget {
  /** Its number among the links, the lowest that is free. */
  readonly slot: number
  /** The lists were compared, or the neighbour has begun to. */
  compared: boolean
}

/** A version that was dropped here and is not wanted back. */
export interface Ghost extends Version, Ranged {}

export interface Parked {
  readonly signed: Entry
  readonly from: PeerId
  readonly until: number
}

export interface GossipState {
  readonly options: GossipOptions
  readonly cfg: GossipSettings
  readonly topics: Map<TopicName, Map<string, Entry>>
  /** env.now of arrival, in whole ms, by topic and key, where it counts. */
  readonly arrivals: Map<TopicName, Map<string, number>>
  /** What is held, and ghosts. */
  readonly known: Known
  readonly ghosts: Map<string, Ghost>
  readonly links: Map<PeerId, Link>
  readonly outbox: Outbox
  /** What neighbours asked for, by key. */
  readonly backlog: Map<PeerId, Map<string, Entry>>
  /** Keys asked for: version and when. */
  readonly wanted: Map<string, Version & { at: number }>
  /** Entries asked for by number, and when, by shortId. */
  readonly pulled: Map<number, number>
  /** What may be sent now to all neighbours together. */
  readonly total: Budget
  readonly parked: Map<number, Parked>
  parkedBytes: number
  started: boolean
  tickAt: number
  tickArmed: boolean
}

/** One step under way: state, environment, and the effects so far. */
export interface Turn {
  readonly s: GossipState
  readonly env: Env
  readonly out: GossipEffect[]
}

export function createGossip(options: GossipOptions): GossipState {
  const known = new Known(numbersFor(options.crypto))
  return {
    options,
    cfg: { ...GOSSIP, ...options.settings },
    topics: new Map((Object.keys(TOPICS) as TopicName[]).map((name) => [name, new Map()])),
    arrivals: new Map(),
    known,
    ghosts: new Map(),
    links: new Map(),
    outbox: new Outbox(known),
    backlog: new Map(),
    wanted: new Map(),
    pulled: new Map(),
    total: { tokens: options.settings?.totalBurstBytes ?? GOSSIP.totalBurstBytes, tokensAt: 0 },
    parked: new Map(),
    parkedBytes: 0,
    started: false,
    tickAt: -Infinity,
    tickArmed: false
  }
}

export function entry(state: GossipState, key: string): Entry | undefined {
  const topic = topicOf(key)
  return topic === undefined ? undefined : state.topics.get(topic)!.get(key)
}

/** All entries whose key starts with `prefix`, which names a topic: `sess/`, `ad.d/`. */
export function entries(state: GossipState, prefix: string): Entry[] {
  const topic = topicOf(`${prefix}*`)
  if (topic === undefined) return []
  const held = state.topics.get(topic)!
  if (prefix.length === topic.length + 1) return [...held.values()]
  return [...held.values()].filter((one) => one.key.startsWith(prefix))
}

export function send(t: Turn, to: PeerId, msg: GossipMessage): void {
  t.out.push({ e: 'send', to, plane: 'gossip', msg })
}

/** In whole milliseconds, rounded up: a timer never fires a hair before its deadline, to be armed again for nothing. */
export function arm(t: Turn, tag: string, inMs: number): void {
  t.out.push({ e: 'timer', tag, inMs: Math.max(0, Math.ceil(inMs)) })
}

export function count(t: Turn, name: string): void {
  t.out.push({ e: 'count', name })
}
