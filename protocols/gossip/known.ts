/**
 * Which entries this peer holds, which it held and dropped, and where those under way stand in the outbox: a small number
 * for each, found by the id that neighbours tell.
 */
import type { Entry } from './entry.ts'
import { NONE } from './numbers.ts'
import type { Numbers } from './numbers.ts'

const [ABSENT, HELD, DROPPED, QUEUED] = [0, 1, 2, 3]

export class Known {
  readonly #numbers: Numbers
  /** From QUEUED on: the place in the outbox, which has fewer than 2 ** 16 of them. */
  #states = new Uint16Array(0)

  constructor(numbers: Numbers) {
    this.#numbers = numbers
  }

  /** NONE: neither held nor dropped here. */
  numberOf(id: number): number {
    const number = this.#numbers.of(id)
    return number !== NONE && number < this.#states.length && this.#states[number] !== ABSENT ? number : NONE
  }

  has(id: number): boolean {
    return this.numberOf(id) !== NONE
  }

  /** Undefined for what was dropped. */
  entry(id: number): Entry | undefined {
    const number = this.numberOf(id)
    return number === NONE || this.#states[number] === DROPPED ? undefined : this.#numbers.entry(number)
  }

  hold(entry: Entry): void {
    if (this.has(entry.id)) return
    const number = this.#numbers.take(entry)
    if (number >= this.#states.length) {
      const states = new Uint16Array(this.#numbers.room)
      states.set(this.#states)
      this.#states = states
    }
    this.#states[number] = HELD
  }

  /** It is not taken again. */
  drop(id: number): void {
    const number = this.numberOf(id)
    if (number !== NONE) this.#states[number] = DROPPED
  }

  forget(id: number): void {
    const number = this.numberOf(id)
    if (number === NONE) return
    this.#states[number] = ABSENT
    this.#numbers.release(number)
  }

  /** Its place in the outbox, or NONE. */
  placeOf(number: number): number {
    const state = this.#states[number]!
    return state < QUEUED ? NONE : state - QUEUED
  }

  put(number: number, place: number): void {
    this.#states[number] = place === NONE ? HELD : QUEUED + place
  }
}
