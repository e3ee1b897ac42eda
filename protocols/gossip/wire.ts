/**
 * Gossip (plane `gossip`): signed entries pushed to neighbours as they come, and compared now and then so that nothing
 * stays missing. PROTOCOLS.md 2.1 (dissemination) and 2.2.
 */
import { z } from 'zod'
import { RANGES_MAX, RangeSumsWire, RangeWire } from '../ranges.ts'

/** Timers and limits. Times are milliseconds. */
export const GOSSIP = {
  tickMs: 200,
  /** After a quiet time the first push waits this long for company. */
  soonMs: 10,
  fanout: 3,
  /** Sends an entry and peer: this times ceil(log10(N + 1)). */
  repeat: 4,
  /** Compared with one random neighbour each 10 s, times 1 + up to `repairSpread` so that peers do not march in step. */
  repairMs: 10_000,
  repairSpread: 0.5,
  /** The higher peer id waits this long for the lower one to begin comparing on a new link. */
  repairWaitMs: 300,
  /** On a new link of a peer with many: a random wait, this much a link at most, so that a newcomer is not told all by all. */
  repairStaggerMs: 100,
  repairStaggerMaxMs: 5000,
  /** Peers with so few links compare at once. */
  repairPromptLinks: 4,
  /** Of many links that come up together about so many are compared, the rest in the usual rounds. */
  repairManyLinks: 8,
  /** An entry asked for is not asked of another neighbour for this long. */
  wantAgainMs: 3000,
  /** Up to so many members lazy topics are pushed like the others. */
  eagerPeers: 48,
  /** An entry asked for by its number is not asked of another neighbour for this long. */
  pullAgainMs: 1000,
  /** Sent to all neighbours together, on average and at once. */
  totalBytesPerSecond: 48 * 1024,
  totalBurstBytes: 512 * 1024,
  /** Sent to one neighbour, on average and at once. The burst is below QUEUE_MAX.gossip (256 KiB). */
  bytesPerSecond: 48 * 1024,
  burstBytes: 192 * 1024,
  /** Entries in one frame together; FRAME_MAX is 64 KiB. */
  frameBytes: 48 * 1024,
  keyChars: 200,
  bodyBytes: 16 * 1024,
  /** Body, key, author and signature. */
  entryBytes: 17 * 1024,
  /** Entries or versions in one message. */
  itemsMax: 512,
  /** Versions of one range told rather than compared in finer ranges. */
  tellMax: 8,
  numbersMax: 4096,
  /** Entries whose author is not known as a member yet wait this long for the news of it. */
  parkMs: 5000,
  parkCheckMs: 500,
  parkMax: 256,
  parkBytes: 512 * 1024,
  /** Versions remembered of entries that were dropped here, so that neighbours do not bring them back. */
  ghostsMax: 4096,
  /** Expired entries are looked for this often. */
  sweepMs: 30_000
} as const

const U48 = z
  .int()
  .min(0)
  .max(2 ** 48)
const EntryBytes = z.custom<Uint8Array>(
  (v) => v instanceof Uint8Array && v.length <= GOSSIP.entryBytes,
  'is no gossip entry'
)
const Key = z.string().max(GOSSIP.keyChars)

/** Entries, as their authors signed them. */
const Push = z.object({ t: z.literal('push'), g: z.array(EntryBytes).max(GOSSIP.itemsMax) })
/** Numbers of entries, six bytes each: the sender has them (`ids`), or wants them (`pull`). */
const Numbers = z.custom<Uint8Array>(
  (v) => v instanceof Uint8Array && v.length % 6 === 0 && v.length <= 6 * GOSSIP.numbersMax,
  'is no list of numbers'
)
const Ids = z.object({ t: z.literal('ids'), i: Numbers })
const Pull = z.object({ t: z.literal('pull'), i: Numbers })
/** Sums over ranges of what the sender holds, renewed topics too or not (`a`); answered with finer ones or with `have`. */
const Sum = z.object({ t: z.literal('sum'), a: z.boolean(), r: z.array(RangeSumsWire).max(RANGES_MAX) })
/** Versions as [key, epoch, seq, author]: all the sender holds in the ranges `q` (`m`: or more), or with no `q` what it has newer. */
const Have = z.object({
  t: z.literal('have'),
  a: z.boolean(),
  q: z.array(RangeWire).max(16 * RANGES_MAX),
  v: z.array(z.tuple([Key, U48, U48, z.string().max(64)])).max(GOSSIP.itemsMax),
  m: z.boolean()
})
/** "Send me these." */
const Want = z.object({ t: z.literal('want'), k: z.array(Key).max(GOSSIP.itemsMax) })

/** What the host checks a frame of plane `gossip` with before it reaches `step`. */
export const GossipFrame = z.discriminatedUnion('t', [Push, Ids, Pull, Sum, Have, Want])
export type GossipMessage = z.infer<typeof GossipFrame>
