/**
 * The session log on disk: frames [u8 stream 1|2|3][u32 length, big endian][bytes] in segment files named after the
 * offset of their first byte. Stream 3 says how large the terminal is from here on, so that the log alone draws its screen. Offsets count all bytes ever written, headers too; the oldest segments may be gone.
 */
import { readdir } from 'node:fs/promises'

export const FRAME_HEADER = 5
/** What one read of a pipe gives at most. */
export const FRAME_BYTES_MAX = 64 << 10

/** 1 stdout (and all of a terminal), 2 stderr, 3 the size of the terminal. */
export type LogStream = 1 | 2 | 3

export interface LogFrame {
  stream: LogStream
  bytes: Uint8Array
  /** Offset after this frame. */
  offset: number
}

export interface Segment {
  start: number
  name: string
}

export function segmentName(start: number): string {
  return `${String(start).padStart(16, '0')}.log`
}

/** Oldest first; empty when there is no log. */
export async function segmentsIn(folder: string): Promise<Segment[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => /^\d{16}\.log$/.test(name))
    .sort()
    .map((name) => ({ name, start: Number(name.slice(0, 16)) }))
}

export function frameHeader(stream: LogStream, length: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER)
  header[0] = stream
  header.writeUInt32BE(length, 1)
  return header
}
