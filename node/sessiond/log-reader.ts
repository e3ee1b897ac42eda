/**
 * Reads a session log, also while sessiond writes it: whole frames from the first one at or after an offset, in order.
 * Segments that were dropped meanwhile are skipped; the offsets tell.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER, segmentName, segmentsIn } from './log-format.ts'
import type { LogFrame } from './log-format.ts'

const BLOCK_BYTES = 256 << 10

/** How far the log may be read now, and how to wait for more. */
export interface LogSource {
  /** Offset after the last byte that is surely on disk. */
  end(): number
  /** Resolves true when `end` has grown, false when it never will (or nobody wants to wait). */
  more(): Promise<boolean>
}

/** Ends when `source.more` says so. Rejects with STORE_FAILED when the log is damaged. */
export async function* readLog(folder: string, from: number, source: LogSource): AsyncGenerator<LogFrame> {
  const cursor = new Cursor(folder)
  try {
    for (let wanted = from; ;) {
      const frames = await cursor.read(wanted, source.end())
      for (const frame of frames) {
        wanted = frame.offset
        yield frame
      }
      if (frames.length === 0 && !(await source.more())) return
    }
  } finally {
    await cursor.close()
  }
}

/** A place in the log: an open segment, and what was read of it and not yet handed out. */
class Cursor {
  readonly #folder: string
  #file: FileHandle | undefined
  /** Log offset of the first byte in `#bytes`; always the beginning of a frame. */
  #at = -1
  #bytes: Buffer = Buffer.alloc(0)
  #segmentStart = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The next frames that begin at or after `wanted` and end at or before `end`; none when there are no more now. */
  async read(wanted: number, end: number): Promise<LogFrame[]> {
    for (;;) {
      if (this.#file === undefined && !(await this.#enter(Math.max(wanted, this.#at), end))) return []
      const frames = this.#cut(wanted, end)
      if (frames.length > 0) return frames
      const next = this.#at + this.#bytes.length
      if (next >= end) return []
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, end - next))
      const { bytesRead } = await this.#file!.read(block, 0, block.length, next - this.#segmentStart)
      if (bytesRead > 0) this.#bytes = join2(this.#bytes, block.subarray(0, bytesRead))
      else if (this.#bytes.length > 0) throw damaged(this.#folder, next, 'a frame ends with its segment')
      else await this.close()
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  /** Opens the segment that holds `offset`, or the oldest one after it. */
  async #enter(offset: number, end: number): Promise<boolean> {
    if (offset >= end) return false
    const segments = await segmentsIn(this.#folder)
    const index = segments.findLastIndex((segment) => segment.start <= offset)
    // Left at the end of its last segment: only a later one can hold more.
    const candidates =
      index !== -1 && segments[index]!.start >= this.#at ? segments.slice(index) : segments.slice(index + 1)
    for (const segment of candidates) {
      try {
        this.#file = await open(join(this.#folder, segmentName(segment.start)), 'r')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
        throw new MeshError('STORE_FAILED', `cannot read the output in ${this.#folder}: ${(error as Error).message}`)
      }
      this.#segmentStart = segment.start
      this.#at = segment.start
      this.#bytes = Buffer.alloc(0)
      return true
    }
    return false
  }

  #cut(wanted: number, end: number): LogFrame[] {
    const frames: LogFrame[] = []
    let at = 0
    while (this.#bytes.length - at >= FRAME_HEADER) {
      const stream = this.#bytes[at]
      const length = this.#bytes.readUInt32BE(at + 1)
      if ((stream !== 1 && stream !== 2 && stream !== 3) || length > FRAME_BYTES_MAX)
        throw damaged(this.#folder, this.#at + at, `stream ${stream}, length ${length}`)
      const next = at + FRAME_HEADER + length
      if (next > this.#bytes.length || this.#at + next > end) break
      const offset = this.#at + next
      if (this.#at + at >= wanted) frames.push({ stream, bytes: this.#bytes.subarray(at + FRAME_HEADER, next), offset })
      at = next
    }
    this.#bytes = this.#bytes.subarray(at)
    this.#at += at
    return frames
  }
}

function join2(left: Buffer, right: Buffer): Buffer {
  return left.length === 0 ? right : Buffer.concat([left, right])
}

function damaged(folder: string, offset: number, what: string): MeshError {
  return new MeshError('STORE_FAILED', `the output log in ${folder} is damaged at offset ${offset}: ${what}`)
}
