/**
 * How a measured value becomes text. A reading is a value or the reason why there is none; both carry whose it is and how
 * old. Every figure on the page goes through here, so none can appear without its source.
 */
import type { Reading } from '../../node/http/views.ts'
import { ago } from './units.ts'

/** Whose reading it is, and how old it is now. */
export interface Source {
  name: string
  /** null: that PC never sent readings. */
  ageMs: number | null
}

export interface Shown {
  text: string
  /** Source and age, or the reason; for the title and for screen readers. */
  title: string
  missing: boolean
}

export const MISSING_SIGN = '–'

export function isKnown<T>(reading: Reading<T>): reading is { value: T } {
  return 'value' in reading
}

export function show<T>(reading: Reading<T>, format: (value: T) => string, source: Source): Shown {
  if (!isKnown(reading)) {
    return { text: MISSING_SIGN, title: `not available: ${reading.missing} (${sourceLine(source)})`, missing: true }
  }
  return { text: format(reading.value), title: sourceLine(source), missing: false }
}

/** "atlas, 2 s ago" */
export function sourceLine(source: Source): string {
  return source.ageMs === null ? `${source.name}, no readings yet` : `${source.name}, ${ago(source.ageMs)}`
}

/** Two readings as one; missing with the first reason when either is. */
export function both<A, B>(a: Reading<A>, b: Reading<B>): Reading<[A, B]> {
  if (!isKnown(a)) return a
  if (!isKnown(b)) return b
  return { value: [a.value, b.value] }
}

export function map<A, B>(reading: Reading<A>, convert: (value: A) => B): Reading<B> {
  return isKnown(reading) ? { value: convert(reading.value) } : reading
}

export function valueOf<T>(reading: Reading<T>): T | null {
  return isKnown(reading) ? reading.value : null
}
