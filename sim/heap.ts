/**
 * What is due, first by time, then by order. Four children a node, times and orders in columns of numbers: with a thousand
 * peers tens of thousands of entries wait, and looking at each as an object would be a miss in the cache.
 */
import type { Entry } from './clock.ts'

const ROOM = 1024

export class Heap {
  size = 0
  #times = new Float64Array(ROOM)
  #orders = new Float64Array(ROOM)
  readonly #entries: (Entry | undefined)[] = []

  /** Infinity when nothing waits. */
  get firstAt(): number {
    return this.size === 0 ? Infinity : this.#times[0]!
  }

  push(time: number, order: number, entry: Entry): void {
    if (this.size === this.#times.length) this.#grow()
    let i = this.size++
    while (i > 0) {
      const parent = (i - 1) >> 2
      if (!this.#isBefore(time, order, parent)) break
      this.#move(parent, i)
      i = parent
    }
    this.#set(i, time, order, entry)
  }

  pop(): Entry | undefined {
    if (this.size === 0) return undefined
    const first = this.#entries[0]
    const last = --this.size
    const entry = this.#entries[last]!
    this.#entries[last] = undefined
    if (last > 0) this.#sink(0, this.#times[last]!, this.#orders[last]!, entry)
    return first
  }

  /** Drops the others. */
  keep(wanted: (entry: Entry) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.size; i++) if (wanted(this.#entries[i]!)) this.#move(i, kept++)
    this.#entries.length = kept
    this.size = kept
    for (let i = (kept - 2) >> 2; i >= 0; i--) this.#sink(i, this.#times[i]!, this.#orders[i]!, this.#entries[i]!)
  }

  #sink(at: number, time: number, order: number, entry: Entry): void {
    const { size } = this
    let i = at
    for (;;) {
      const first = 4 * i + 1
      if (first >= size) break
      const end = Math.min(first + 4, size)
      let least = first
      for (let child = first + 1; child < end; child++)
        if (this.#isBefore(this.#times[child]!, this.#orders[child]!, least)) least = child
      if (this.#isBefore(time, order, least)) break
      this.#move(least, i)
      i = least
    }
    this.#set(i, time, order, entry)
  }

  #isBefore(time: number, order: number, than: number): boolean {
    const other = this.#times[than]!
    return time < other || (time === other && order < this.#orders[than]!)
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#times[from]!, this.#orders[from]!, this.#entries[from]!)
  }

  #set(i: number, time: number, order: number, entry: Entry): void {
    this.#times[i] = time
    this.#orders[i] = order
    this.#entries[i] = entry
  }

  #grow(): void {
    this.#times = larger(this.#times)
    this.#orders = larger(this.#orders)
  }
}

function larger(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const next = new Float64Array(2 * column.length)
  next.set(column)
  return next
}
