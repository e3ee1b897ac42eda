/**
 * Small numbers for entries, the same for all peers of one process: what a peer knows of each entry stands in columns, and
 * the entries of the last seconds next to each other in them. A number is free again once nobody holds its entry.
 */
import type { Crypto } from '../ports.ts'
import type { Entry } from './entry.ts'

export const NONE = -1

export class Numbers {
  /** Numbers are below this. */
  room = 256
  /** Entries held by anybody. */
  #size = 0
  #last = 0
  #ids = new Float64Array(this.room)
  #holders = new Int32Array(this.room)
  #entries: (Entry | undefined)[] = []
  /** Open addressing by the low bits of the id: a number and one, or zero. */
  #table = new Int32Array(4 * this.room)

  /** NONE: nobody holds it. */
  of(id: number): number {
    const mask = this.#table.length - 1
    for (let at = id & mask; ; at = (at + 1) & mask) {
      const number = this.#table[at]! - 1
      if (number === NONE || this.#ids[number] === id) return number
    }
  }

  entry(number: number): Entry | undefined {
    return this.#entries[number]
  }

  /** One more holds it. */
  take(entry: Entry): number {
    let number = this.of(entry.id)
    if (number === NONE) {
      if (2 * ++this.#size > this.room) this.#grow()
      // onwards from the last one, so that what comes together stands together
      do this.#last = (this.#last + 1) & (this.room - 1)
      while (this.#holders[this.#last]! > 0)
      number = this.#last
      this.#ids[number] = entry.id
      this.#entries[number] = entry
      this.#list(number)
    }
    this.#holders[number]!++
    return number
  }

  /** One less. */
  release(number: number): void {
    if (--this.#holders[number]! > 0) return
    this.#size--
    this.#unlist(this.#ids[number]!)
    this.#entries[number] = undefined
  }

  #list(number: number): void {
    const mask = this.#table.length - 1
    let at = this.#ids[number]! & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = number + 1
  }

  /** What stands behind it moves up, where it was pushed there. */
  #unlist(id: number): void {
    const table = this.#table
    const mask = table.length - 1
    let hole = id & mask
    while (this.#ids[table[hole]! - 1] !== id) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#ids[table[at]! - 1]! & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      table[hole] = table[at]!
      hole = at
    }
    table[hole] = 0
  }

  #grow(): void {
    this.room *= 2
    const ids = new Float64Array(this.room)
    ids.set(this.#ids)
    this.#ids = ids
    const holders = new Int32Array(this.room)
    holders.set(this.#holders)
    this.#holders = holders
    this.#table = new Int32Array(4 * this.room)
    for (let number = 0; number < this.room; number++) if (holders[number]! > 0) this.#list(number)
  }
}

/** Whether an entry is genuine does not depend on who asks: who verifies alike shares the numbers. */
const shared = new WeakMap<Crypto['verify'], Numbers>()

export function numbersFor(crypto: Crypto): Numbers {
  let numbers = shared.get(crypto.verify)
  if (numbers === undefined) shared.set(crypto.verify, (numbers = new Numbers()))
  return numbers
}
