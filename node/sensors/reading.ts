/**
 * A reading is a value or, in words, the reason why there is none. Sensors never answer zero for what they could not
 * read, and never throw: a file that is missing or odd costs one reading, not the sample.
 */
import type { Reading } from '../http/views.ts'

export type { Reading }

export const value = <T>(v: T): Reading<T> => ({ value: v })
export const missing = <T>(reason: string): Reading<T> => ({ missing: reason })

/** The value, or undefined. */
export function valueOf<T>(reading: Reading<T>): T | undefined {
  return 'value' in reading ? reading.value : undefined
}

export function mapReading<T, U>(reading: Reading<T>, fn: (v: T) => U): Reading<U> {
  return 'value' in reading ? value(fn(reading.value)) : reading
}

/** Runs `read`; what it throws becomes the reason. */
export function attempt<T>(read: () => T): Reading<T> {
  try {
    return value(read())
  } catch (error) {
    return missing(inWords(error))
  }
}

/** A short reason for a person: which file, and what was wrong with it. */
export function inWords(error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException
  const file = path ?? 'the file'
  if (code === 'ENOENT') return `${file} does not exist on this PC`
  if (code === 'EACCES' || code === 'EPERM') return `${file} may not be read by this user`
  return message
}
