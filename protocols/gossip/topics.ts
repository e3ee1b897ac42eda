/** What may be gossiped, by whom, how much of it, and for how long. */
export type Writer = 'self' | 'member' | 'granted'

export interface Topic {
  /** `self`: only the peer in the key. `member`: any member. `granted`: members for whom `mayWrite` says yes. */
  writer: Writer
  /** Kept on disk by the host, through `keep`. */
  durable: boolean
  /** Keys at most; a new key above that is refused and counted. */
  max: number
  /** Dropped when no newer version came for this long. */
  expireMs: number
  /** Written anew every few seconds: what was missed mends itself, so only a new link compares it. */
  renewed: boolean
  /** What goes first when not all may be sent; lowest first. */
  rank: number
  /** Told in a large mesh by its number first and sent to those who ask, so that each gets it once. */
  lazy: boolean
}

export const TOPICS = {
  /** Static half of a peer's advertisement: on change only, so it does not age. */
  'ad.s': {
    writer: 'self',
    durable: false,
    max: 2000,
    expireMs: Infinity,

    renewed: false,
    rank: 3,
    lazy: true
  },
  /** A door that this peer holds open; doors live ten minutes by default and are renewed. */
  door: {
    writer: 'self',
    durable: false,
    max: 2000,
    expireMs: 1_800_000,

    renewed: false,
    rank: 2,
    lazy: false
  },
  /** Summary of a session. The host drops the oldest final ones first. */
  sess: {
    writer: 'member',
    durable: false,
    max: 2000,
    expireMs: Infinity,

    renewed: false,
    rank: 1,
    lazy: false
  },
  /** Users, roles, settings, certificates. */
  ledger: {
    writer: 'granted',
    durable: true,
    max: 2000,
    expireMs: Infinity,

    renewed: false,
    rank: 0,
    lazy: false
  },
  /** Dynamic half: every heartbeat; one that is ten minutes old helps nobody. */
  'ad.d': {
    writer: 'self',
    durable: false,
    max: 2000,
    expireMs: 600_000,

    renewed: true,
    rank: 4,
    lazy: true
  }
} as const satisfies Record<string, Topic>
export type TopicName = keyof typeof TOPICS

/** `ad.d/12D3…` -> `ad.d`; undefined when the key is of no topic. */
export function topicOf(key: string): TopicName | undefined {
  const slash = key.indexOf('/')
  if (slash < 1 || slash === key.length - 1) return undefined
  const name = key.slice(0, slash)
  return Object.hasOwn(TOPICS, name) ? (name as TopicName) : undefined
}
