/**
 * Membership (plane `mem`): who is here, told and probed. PROTOCOLS.md 2.1: SWIM's vocabulary,
 * Lifeguard's timers, probes on standing links, member lists compared by ranges.
 */
import { z } from 'zod'
import { tryPeerKey } from '../codec.ts'
import { RANGES_MAX, RangeSumsWire, RangeWire } from '../ranges.ts'

/** Timers and limits. Every one can be overridden through `createMembership`. Times are milliseconds. */
export const MEMBERSHIP = {
  /** Live members up to which all are linked to all, and below which they are so again. */
  meshMax: 48,
  meshMin: 40,
  /** Above: links to the next peer on so many rings, each watched by the previous ones. */
  rings: 8,
  /** How often each peer is asked by each of those who watch it on a ring. */
  ringProbeMs: 2000,
  /** And to so many random ones, drawn again this often. */
  randomLinks: 2,
  redrawMs: 30_000,
  /** Who comes or goes together moves the rings once. */
  overlaySettleMs: 50,
  /** Links made on demand: so many, and closed when idle for so long. */
  onDemandMax: 48,
  /** Above that many, too, a link stays for so long after its last use: an answer may be under way. */
  onDemandKeepMs: 5000,
  idleMs: 60_000,
  /** One probe a period, times 1 + local health. */
  probePeriodMs: 1000,
  /** A LAN round trip is under 5 ms, the rest is scheduling slack. */
  probeDirectMs: 300,
  /** What helpers get on top. */
  probeHelpersMs: 400,
  helpers: 3,
  suspectMaxMs: 8000,
  suspectMinMs: 2000,
  /** Two peers: nobody can confirm. */
  suspectPairMs: 3000,
  /** Three peers: one can confirm. */
  suspectTrioMs: 6000,
  /** Shortest suspicion after a refused re-dial: the host answers, the process does not. */
  suspectFastMs: 1000,
  /** A suspect is asked again this often, by those who accuse it. */
  suspectRepeatMs: 500,
  /** Confirmations beyond the first accuser that shorten a suspicion. */
  confirmations: 3,
  /** About so many of those who hear of a suspicion look for themselves at once. */
  witnesses: 6,
  healthMax: 8,
  /** An event loop that lags more than this accuses nobody for one period. */
  lagMs: 250,
  /** After more than this it counts nobody's silence from before. */
  stallMs: 2000,
  gossipTickMs: 200,
  /** News waits this long for company when the last tick is long past. */
  gossipSoonMs: 10,
  gossipFanout: 3,
  /** Sends an item: this times ceil(log10(N + 1)). */
  gossipRepeat: 4,
  syncPeriodMs: 30_000,
  /** Lists are compared at once on the links of a peer with so few; else after a random wait, this much a link. */
  syncPromptLinks: 4,
  syncStaggerMs: 100,
  syncStaggerMaxMs: 5000,
  deadRedialMs: 30_000,
  deadKeepMs: 72 * 3_600_000,
  leftKeepMs: 24 * 3_600_000,
  /** A member that left for good is shown this long, then dropped. */
  leftSpreadMs: 60_000,
  /** The higher peer id waits this long for the lower one to dial. */
  dialWaitMs: 1000,
  dialRetryMinMs: 1000,
  dialRetryMaxMs: 30_000,
  /** A link on which so many probes in a row stay without an answer, though others reach the peer, is ended and dialled anew. */
  linkMisses: 3,
  /** Pause between the two re-dials after a link broke. */
  redialMs: 250,
  /** A member heard of but not linked yet is not probed for this long. */
  linkGraceMs: 5000,
  isolatedMs: 10_000,
  /** Members of one range told rather than compared in finer ranges. */
  tellMax: 4,
  /** Rows of the member list, some 300 bytes each. */
  membersMax: 10_240,
  /** Addresses kept for one peer, from all sources. */
  addressesMax: 16,
  /** Peers that discovery showed and that are no members. */
  strangersMax: 256,
  strangerKeepMs: 300_000,
  /** Bytes of news that ride on a probe. */
  piggybackBytes: 1024,
  /** Bytes of items in one frame: under FRAME_MAX (64 KiB) with room for the envelope. */
  frameBytes: 48 * 1024,
  /** Probes under way for others. */
  relaysMax: 256
} as const
export type MembershipSettings = { readonly [K in keyof typeof MEMBERSHIP]: number }

/** Bounds on what a member says of itself and on what others say of it. */
export const MEMBER_LIMITS = {
  nameChars: 64,
  addressChars: 200,
  addresses: 16,
  versionChars: 32,
  /** Signed record: 16 addresses of 200 characters and the rest. */
  recordBytes: 4096,
  /** Items in one message; a frame of the smallest items holds fewer. */
  items: 1024,
  /** Peers named behind one verdict. */
  accusers: 4,
  /** The longest suspicion, with the question before it. */
  missedMs: 10_000
} as const

const U32 = z.int().min(0).max(0xffffffff)
const Peer = z.string().refine((text) => tryPeerKey(text) !== undefined, 'is not a peer id')
const RecordBytes = z.custom<Uint8Array>(
  (v) => v instanceof Uint8Array && v.length <= MEMBER_LIMITS.recordBytes,
  'is no signed member record'
)
/** Seconds since the state began, so that everyone forgets at about the same time. */
const AgeS = z.int().min(0).max(100_000_000)
/** So long ago it was first missed: what is counted from there must not depend on how fast word travels. */
const MissedMs = z.int().min(0).max(MEMBER_LIMITS.missedMs)

export const WHY = ['timeout', 'refused', 'reset', 'other'] as const
export type Why = (typeof WHY)[number]

const Accusers = z.array(Peer).max(MEMBER_LIMITS.accusers)
const Verdict = z.enum(['suspect', 'dead'])
const Because = z.enum(WHY).catch('other')

/**
 * `a`: a member as it signed itself, here or gone, and with `v` what observers say of it at that incarnation.
 * `v`: the observers' word alone.
 */
export const Item = z.discriminatedUnion('k', [
  z.object({
    k: z.literal('a'),
    r: RecordBytes,
    v: z.object({ s: Verdict, b: Accusers, w: Because }).optional(),
    o: AgeS.optional()
  }),
  z.object({
    k: z.literal('v'),
    p: Peer,
    i: U32,
    s: Verdict,
    b: Accusers,
    w: Because,
    o: AgeS.optional(),
    m: MissedMs.optional()
  })
])
export type Item = z.infer<typeof Item>
const Items = z.array(Item).max(MEMBER_LIMITS.items)

const Ping = z.object({ t: z.literal('ping'), n: U32, g: Items })
const Ack = z.object({ t: z.literal('ack'), n: U32, g: Items })
/** "Ask that peer for me, you have w milliseconds." */
const PingReq = z.object({ t: z.literal('preq'), n: U32, p: Peer, w: z.int().min(10).max(60_000), g: Items })
const IndirectAck = z.object({ t: z.literal('iack'), n: U32 })
/** "I could not reach it, but I am fine." */
const Nack = z.object({ t: z.literal('nack'), n: U32 })
const News = z.object({ t: z.literal('news'), g: Items })
/** Sums over ranges of the sender's list; where they differ answered with finer ones or with `list`. */
const Sync = z.object({ t: z.literal('sync'), r: z.array(RangeSumsWire).max(RANGES_MAX) })
/** Members as the sender knows them: all there are in the ranges `q`, to be answered with what is newer there. */
const List = z.object({ t: z.literal('list'), q: z.array(RangeWire).max(16 * RANGES_MAX), g: Items })

/** What the host checks a frame of plane `mem` with before it reaches `step`. */
export const MemFrame = z.discriminatedUnion('t', [Ping, Ack, PingReq, IndirectAck, Nack, News, Sync, List])
export type MemMessage = z.infer<typeof MemFrame>
