/**
 * The output of one run as the peer process reads it: straight from the log on disk, woken by sessiond when it grows,
 * telling sessiond how far it was taken. Breaking off a loop over it ends a wait at once.
 */
import { MeshError } from '../../protocols/errors.ts'
import type { LogFrame } from './log-format.ts'
import { readLog } from './log-reader.ts'

/** What was taken is told after so many bytes, and whenever the reader has caught up. */
const ACK_BYTES = 256 << 10

export interface OutputSource {
  folder: string
  /** From now on `reader.wake` is called for what happens to the run. */
  join(reader: OutputReader): void
  /** How far the log is known to reach, and whether it will grow no more; undefined: the run is not kept here. */
  look(): { end: number; final: boolean } | undefined
  /** Asks sessiond to tell how the log grows, and to keep what is after `offset`. */
  ask(offset: number): void
  took(offset: number): void
  leave(): void
}

/** `again`: sessiond has forgotten who reads. `grew`: it answered `ask`. */
export type Wake = 'changed' | 'grew' | 'again'

export class OutputReader implements AsyncIterable<LogFrame> {
  readonly #source: OutputSource
  readonly #follow: boolean
  readonly #signal: AbortSignal | undefined
  #offset: number
  #told: number
  #seenEnd = -1
  #asked = false
  #answered = false
  #stopped = false
  #wake: (() => void) | undefined

  constructor(source: OutputSource, from: number, options: { follow: boolean; signal?: AbortSignal }) {
    this.#source = source
    this.#offset = from
    this.#told = from
    this.#follow = options.follow
    this.#signal = options.signal
  }

  wake(event: Wake): void {
    if (event === 'again' && this.#asked) this.#source.ask(this.#offset)
    if (event === 'grew') this.#answered = true
    this.#wake?.()
  }

  /** Ends the loop over it, also one that waits. */
  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<LogFrame> {
    const frames = this.#frames()
    return {
      next: () => frames.next(),
      return: async () => {
        this.stop()
        await frames.return(undefined)
        return { done: true, value: undefined }
      }
    }
  }

  async *#frames(): AsyncGenerator<LogFrame, void> {
    if (this.#source.look() === undefined)
      throw new MeshError('UNKNOWN_SESSION', 'the output of this run is not kept on this PC (any more)')
    const stop = () => this.stop()
    this.#signal?.addEventListener('abort', stop, { once: true })
    this.#source.join(this)
    try {
      const log = readLog(this.#source.folder, this.#offset, { end: () => this.#end(), more: () => this.#more() })
      for await (const frame of log) {
        if (this.#stopped) return
        yield frame
        this.#offset = frame.offset
        if (this.#offset - this.#told >= ACK_BYTES) this.#tell()
      }
    } finally {
      this.#signal?.removeEventListener('abort', stop)
      this.#source.leave()
    }
  }

  #end(): number {
    this.#seenEnd = Math.max(this.#seenEnd, this.#source.look()?.end ?? 0)
    return this.#seenEnd
  }

  /** All that was known to be there is given. */
  async #more(): Promise<boolean> {
    for (;;) {
      if (this.#stopped || this.#signal?.aborted === true) return false
      this.#tell()
      const now = this.#source.look()
      if (now === undefined) return false
      if (now.end > this.#seenEnd) return true
      if (now.final || (!this.#follow && this.#answered)) return false
      if (!this.#asked) {
        this.#asked = true
        this.#source.ask(this.#offset)
      }
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#wake = undefined
    }
  }

  #tell(): void {
    if (!this.#asked || this.#offset === this.#told) return
    this.#told = this.#offset
    this.#source.took(this.#offset)
  }
}
