/** Channels: ordered byte streams between two peers, many on one plane, that survive a lost link for LIMITS.resumeMs. */
import { z } from 'zod'

export const LIMITS = {
  /** Bytes on their way or unread, a direction: four 64 KiB pages, the pace PROTOCOLS.md 2.0 sets for bulk on a shared link. */
  windowBytes: 256 * 1024,
  /** Data in one frame; half a frame keeps a probe behind it under 0.5 ms on 1 GbE. */
  chunkBytes: 32 * 1024,
  /** Channels that one peer may have open towards another, each side. */
  openMax: 256,
  /** How long a channel waits for its link to come back. */
  resumeMs: 30_000
} as const

const id = z.int().min(0).max(0xffffffff)
const offset = z.int().min(0)
/** `s` is 1 when the sender of the message is the one that opened the channel. */
const side = z.union([z.literal(0), z.literal(1)])

export const ChannelFrame = z.discriminatedUnion('t', [
  z.object({ t: z.literal('o'), c: id, s: side, k: z.string().max(32), m: z.record(z.string().max(32), z.unknown()) }),
  z.object({ t: z.literal('d'), c: id, s: side, o: offset, b: z.instanceof(Uint8Array) }),
  z.object({ t: z.literal('e'), c: id, s: side, o: offset }),
  z.object({ t: z.literal('c'), c: id, s: side, o: offset }),
  z.object({ t: z.literal('r'), c: id, s: side, o: offset }),
  z.object({ t: z.literal('x'), c: id, s: side, w: z.string().max(512) })
])
export type ChannelFrame = z.infer<typeof ChannelFrame>
