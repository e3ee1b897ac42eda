/**
 * Frames on a stream of bytes: a u32 big-endian length, then that many bytes. The reader holds at most one frame that is
 * not whole yet, in a buffer of exactly its size, so that a slow sender of single bytes costs no copying.
 */
import { FRAME_MAX } from '../../protocols/ports.ts'

export const HEADER_BYTES = 4

export class FrameReader {
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerFilled = 0
  #body: Uint8Array | undefined
  #bodyFilled = 0

  /** Calls `onFrame` for each frame that is now whole, with bytes of its own; false from it stops. False: the stream is garbage. */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => boolean): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#header[this.#headerFilled++] = chunk[at++]!
        if (this.#headerFilled < HEADER_BYTES) continue
        this.#headerFilled = 0
        const length = new DataView(this.#header.buffer).getUint32(0)
        if (length > FRAME_MAX) return false
        this.#body = new Uint8Array(length)
        this.#bodyFilled = 0
      }
      const body = this.#body
      const part = chunk.subarray(at, at + body.length - this.#bodyFilled)
      body.set(part, this.#bodyFilled)
      at += part.length
      this.#bodyFilled += part.length
      if (this.#bodyFilled < body.length) break
      this.#body = undefined
      if (!onFrame(body)) return true
    }
    return true
  }
}

/** Frames that wait to be sent, already with their length. Bounded by the bytes in them. */
export class FrameQueue {
  readonly #maxBytes: number
  readonly #frames: Uint8Array[] = []
  #bytes = 0
  #refused = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** False: it would go beyond the bound; a single frame is always taken. The bytes are copied. */
  push(frame: Uint8Array): boolean {
    const bytes = HEADER_BYTES + frame.length
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      this.#refused = true
      return false
    }
    const framed = new Uint8Array(bytes)
    new DataView(framed.buffer).setUint32(0, frame.length)
    framed.set(frame, HEADER_BYTES)
    this.#frames.push(framed)
    this.#bytes += bytes
    return true
  }

  /** The next frames, at least one, as long as they fit into `maxBytes` together. */
  take(maxBytes: number): Uint8Array {
    let count = 0
    let bytes = 0
    for (const { length } of this.#frames) {
      if (count > 0 && bytes + length > maxBytes) break
      bytes += length
      count += 1
    }
    this.#bytes -= bytes
    const batch = this.#frames.splice(0, count)
    return batch.length === 1 ? batch[0]! : Buffer.concat(batch, bytes)
  }

  /** True once after a refusal, when less than half of the bound is waiting. */
  takeDrain(): boolean {
    if (!this.#refused || this.#bytes * 2 >= this.#maxBytes) return false
    this.#refused = false
    return true
  }
}
