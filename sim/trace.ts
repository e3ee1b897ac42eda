/**
 * A running hash of everything that was delivered, in order: two runs with the same hash did the same things at the same
 * virtual times. Two 32-bit multiply-xor lanes; it tells runs apart, it is no cryptography.
 */
import { toHex } from '../protocols/codec.ts'

const ENDS_BYTES = 128

export class Trace {
  #a = 0x811c9dc5
  #b = 0x2545f491
  readonly #float = new Float64Array(1)
  readonly #words = new Uint32Array(this.#float.buffer)

  number(n: number): void {
    this.#float[0] = n
    this.#fold(this.#words[0]!)
    this.#fold(this.#words[1]!)
  }

  /** A whole number from 0 to 2^32 - 1. */
  whole(n: number): void {
    this.#fold(n)
  }

  text(text: string): void {
    this.#fold(text.length)
    for (let i = 0; i < text.length; i++) this.#fold(text.charCodeAt(i))
  }

  /** Long frames by their length and both ends: what differs in the middle shows in what follows from it. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes
    this.#fold(length)
    const head = Math.min(length, ENDS_BYTES)
    for (let i = 0; i < head; i++) this.#fold(bytes[i]!)
    for (let i = Math.max(head, length - ENDS_BYTES); i < length; i++) this.#fold(bytes[i]!)
  }

  /** 16 hex digits of all so far. */
  digest(): string {
    const out = new Uint8Array(8)
    const view = new DataView(out.buffer)
    view.setUint32(0, this.#a)
    view.setUint32(4, this.#b)
    return toHex(out)
  }

  #fold(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193) ^ (this.#a >>> 15)
    this.#b = Math.imul(this.#b + word, 0x9e3779b1) ^ (this.#b >>> 13)
  }
}
