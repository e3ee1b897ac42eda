/**
 * Writes the log of one session. Bytes are in order and on disk (not yet flushed) before readers hear of them. Bounded:
 * the oldest segment goes when the log is too long and no reader still needs it; when a reader is far behind, or the disk
 * does not take more, `blocked` says so and the child's pipes are left unread, so that nothing is lost.
 */
import { close, fdatasync, open, unlink, writev } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FRAME_HEADER, frameHeader, segmentName } from './log-format.ts'
import type { LogStream } from './log-format.ts'

const openFile = promisify(open)
const closeFile = promisify(close)
const flushFile = promisify(fdatasync)
const removeFile = promisify(unlink)
/** Bytes in memory on their way to the disk before the pipes are left unread. */
const QUEUE_MAX = 1 << 20
const RETRY_MS = 1000
/** After the program has ended, a disk that takes nothing is given this long. */
const LAST_TRIES = 10

export interface LogLimits {
  segmentBytes: number
  keepBytes: number
  /** How far behind a reader may be. */
  lagBytes: number
}

export interface LogEvents {
  grew(end: number): void
  blocked(blocked: boolean): void
  /** In words; once for each time the disk begins to refuse. */
  trouble(text: string): void
}

export class LogWriter {
  readonly #folder: string
  readonly #limits: LogLimits
  readonly #events: LogEvents
  readonly #readers = new Map<number, number>()
  #segments: { start: number; path: string }[] = []
  #fd: number | undefined
  #queue: Buffer[] = []
  #queuedBytes = 0
  #end = 0
  #writing: Promise<void> | undefined
  #blocked = false
  #failures = 0
  #closing = false
  #lost: string | undefined

  /** Into a folder that is there. */
  constructor(folder: string, limits: LogLimits, events: LogEvents) {
    this.#folder = folder
    this.#limits = limits
    this.#events = events
  }

  /** Offset after the last byte on disk. */
  get end(): number {
    return this.#end
  }

  /** Bytes that the log takes on disk. */
  get keptBytes(): number {
    return this.#end - (this.#segments[0]?.start ?? this.#end)
  }

  append(stream: LogStream, bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#queue.push(frameHeader(stream, bytes.length), bytes)
    this.#queuedBytes += FRAME_HEADER + bytes.length
    this.#writing ??= this.#drain()
    this.#judge()
  }

  /** `offset`: everything before it has been read. */
  setReader(reader: number, offset: number): void {
    if (!Number.isFinite(offset)) return
    this.#readers.set(reader, Math.max(offset, this.#readers.get(reader) ?? 0))
    this.#trim()
    this.#judge()
  }

  removeReader(reader: number): void {
    if (!this.#readers.delete(reader)) return
    this.#trim()
    this.#judge()
  }

  /** Writes what is left and flushes it. Answers in words what could not be written, else nothing. */
  async finish(): Promise<string | undefined> {
    this.#closing = true
    await this.#writing
    if (this.#fd !== undefined) {
      await flushFile(this.#fd).catch((error: Error) => (this.#lost ??= error.message))
      await closeFile(this.#fd)
      this.#fd = undefined
    }
    return this.#lost
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        await this.#writeSome()
        this.#failures = 0
      } catch (error) {
        if (this.#failures++ === 0) this.#events.trouble(`cannot write ${this.#folder}: ${(error as Error).message}`)
        if (this.#closing && this.#failures > LAST_TRIES) {
          this.#lost = `the last ${this.#queuedBytes} bytes of output could not be kept: ${(error as Error).message}`
          this.#queue = []
          this.#queuedBytes = 0
        } else await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
      this.#judge()
    }
    this.#writing = undefined
  }

  /** Whole frames up to the end of the segment. A write that the disk cut short is continued where it stopped. */
  async #writeSome(): Promise<void> {
    const fd = await this.#segment()
    const room = this.#segments.at(-1)!.start + this.#limits.segmentBytes - this.#end
    let count = 0
    let bytes = 0
    do {
      bytes += this.#queue[count]!.length + this.#queue[count + 1]!.length
      count += 2
    } while (count < this.#queue.length && count < 512 && bytes < room)
    let rest = this.#queue.splice(0, count)
    while (rest.length > 0) {
      let written: number
      try {
        written = await new Promise<number>((resolve, reject) =>
          writev(fd, rest, (error, n) => (error === null ? resolve(n) : reject(error)))
        )
      } catch (error) {
        // What is on disk of a frame stays; the rest of it comes next, whenever that is.
        this.#queue.unshift(...this.#asPair(rest))
        throw error
      }
      this.#end += written
      this.#queuedBytes -= written
      rest = dropBytes(rest, written)
    }
    this.#events.grew(this.#end)
  }

  /** The queue holds header and body in turn; a torn frame goes back as an empty header and what is left of it. */
  #asPair(rest: Buffer[]): Buffer[] {
    return rest.length % 2 === 0 ? rest : [Buffer.alloc(0), ...rest]
  }

  async #segment(): Promise<number> {
    const last = this.#segments.at(-1)
    const torn = this.#queue[0]?.length !== FRAME_HEADER
    if (this.#fd !== undefined && last !== undefined) {
      if (torn || this.#end - last.start < this.#limits.segmentBytes) return this.#fd
      await flushFile(this.#fd)
      await closeFile(this.#fd)
      this.#fd = undefined
    }
    const path = join(this.#folder, segmentName(this.#end))
    this.#fd = await openFile(path, 'a', 0o600)
    this.#segments.push({ start: this.#end, path })
    this.#trim()
    return this.#fd
  }

  #trim(): void {
    const needed = Math.min(...this.#readers.values())
    while (this.#segments.length > 1 && this.keptBytes > this.#limits.keepBytes) {
      const next = this.#segments[1]!
      if (next.start > needed) return
      const { path } = this.#segments.shift()!
      removeFile(path).catch((error: Error) => this.#events.trouble(`cannot remove ${path}: ${error.message}`))
    }
  }

  #judge(): void {
    const lag = this.#readers.size === 0 ? 0 : this.#end + this.#queuedBytes - Math.min(...this.#readers.values())
    const factor = this.#blocked ? 0.75 : 1
    const blocked = this.#queuedBytes > QUEUE_MAX * factor || lag > this.#limits.lagBytes * factor
    if (blocked === this.#blocked) return
    this.#blocked = blocked
    this.#events.blocked(blocked)
  }
}

function dropBytes(buffers: Buffer[], count: number): Buffer[] {
  let index = 0
  while (index < buffers.length && count >= buffers[index]!.length) count -= buffers[index++]!.length
  const rest = buffers.slice(index)
  if (count > 0) rest[0] = rest[0]!.subarray(count)
  return rest
}
