/**
 * Entries on their way out, in the order in which they came, in columns: which neighbours have which of them is asked more
 * often than all else. Neighbours are bits, by the number of their link.
 */
import type { Entry } from './entry.ts'
import type { Known } from './known.ts'
import { NONE } from './numbers.ts'

const ROOM = 32
const WORD_BITS = 32

export class Outbox {
  /** Entries in it. */
  size = 0
  readonly #known: Known
  /** By place; undefined: not in it any more. */
  #entries: (Entry | undefined)[] = []
  #numbers = new Int32Array(ROOM)
  #sends = new Uint16Array(ROOM)
  /** How many have it, and who. */
  #had = new Uint16Array(ROOM)
  #words = 1
  #told = new Uint32Array(ROOM)

  constructor(known: Known) {
    this.#known = known
  }

  /** Places of what is in it; they hold until the next `add`. */
  places(): number[] {
    const places: number[] = []
    for (let at = 0; at < this.#entries.length; at++) if (this.#entries[at] !== undefined) places.push(at)
    return places
  }

  entry(at: number): Entry {
    return this.#entries[at]!
  }
  sends(at: number): number {
    return this.#sends[at]!
  }
  had(at: number): number {
    return this.#had[at]!
  }

  /** An entry that is held, `sends` times sent. */
  add(entry: Entry, sends: number): number {
    if (this.#entries.length === this.#numbers.length) this.#tidy()
    const at = this.#entries.push(entry) - 1
    const number = this.#known.numberOf(entry.id)
    this.#numbers[at] = number
    this.#sends[at] = sends
    this.#had[at] = 0
    this.#told.fill(0, at * this.#words, (at + 1) * this.#words)
    this.#known.put(number, at)
    this.size++
    return at
  }

  /** NONE: it is not in it. */
  find(id: number): number {
    const number = this.#known.numberOf(id)
    return number === NONE ? NONE : this.#known.placeOf(number)
  }

  remove(at: number): void {
    if (this.#entries[at] === undefined) return
    this.#known.put(this.#numbers[at]!, NONE)
    this.#entries[at] = undefined
    if (--this.size === 0) this.#entries.length = 0
  }

  clear(): void {
    for (const at of this.places()) this.remove(at)
  }

  isTold(at: number, slot: number): boolean {
    const word = slot >>> 5
    return word < this.#words && (this.#told[at * this.#words + word]! & (1 << (slot % WORD_BITS))) !== 0
  }

  tell(at: number, slot: number): void {
    if (this.isTold(at, slot)) return
    if (slot >>> 5 >= this.#words) this.#widen((slot >>> 5) + 1)
    this.#told[at * this.#words + (slot >>> 5)]! |= 1 << (slot % WORD_BITS)
    this.#had[at]!++
  }

  sent(at: number, slot: number): void {
    this.#sends[at]!++
    this.tell(at, slot)
  }

  /** That number will be another link's. */
  dropSlot(slot: number): void {
    for (let at = 0; at < this.#entries.length; at++) {
      if (!this.isTold(at, slot)) continue
      this.#told[at * this.#words + (slot >>> 5)]! &= ~(1 << (slot % WORD_BITS))
      this.#had[at]!--
    }
  }

  /** The gaps go, and where more than half is in use, there is twice the room. */
  #tidy(): void {
    const words = this.#words
    let kept = 0
    for (const at of this.places()) {
      this.#entries[kept] = this.#entries[at]
      this.#numbers[kept] = this.#numbers[at]!
      this.#sends[kept] = this.#sends[at]!
      this.#had[kept] = this.#had[at]!
      this.#told.copyWithin(kept * words, at * words, (at + 1) * words)
      this.#known.put(this.#numbers[kept]!, kept)
      kept++
    }
    this.#entries.length = kept
    if (2 * kept <= this.#numbers.length) return
    const room = 2 * this.#numbers.length
    this.#numbers = copied(this.#numbers, new Int32Array(room))
    this.#sends = copied(this.#sends, new Uint16Array(room))
    this.#had = copied(this.#had, new Uint16Array(room))
    this.#told = copied(this.#told, new Uint32Array(room * words))
  }

  #widen(words: number): void {
    const told = new Uint32Array(this.#numbers.length * words)
    for (let at = 0; at < this.#entries.length; at++)
      told.set(this.#told.subarray(at * this.#words, (at + 1) * this.#words), at * words)
    this.#told = told
    this.#words = words
  }
}

function copied<T extends Int32Array | Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
