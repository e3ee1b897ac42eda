/** Waiting on something observable, never on a time: polls until it holds, or fails with what was seen last. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** What is waited for, as the end of "still no …". */
  what: string
  /** Generous: it only bounds a failure, on a busy machine too. Default 60 s. */
  withinMs?: number
  everyMs?: number
  /** More to print on failure. */
  more?: () => string
}

/** Resolves with the first truthy value of the probe. A probe that throws counts as "not yet". */
export async function until<T>(
  probe: (note: (observation: unknown) => void) => T | Promise<T>,
  { what, withinMs = 60_000, everyMs = 100, more }: UntilOptions
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs
  let last: unknown = 'nothing yet'
  const note = (observation: unknown) => {
    last = observation
  }
  for (;;) {
    try {
      const value = await probe(note)
      if (value) return value
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(
        `still no ${what} after ${withinMs / 1000} s; last seen: ${show(last)}${more ? `\n${more()}` : ''}`
      )
    }
    await sleep(everyMs)
  }
}

function show(value: unknown): string {
  if (value instanceof Error) return value.message
  return typeof value === 'string' ? value : JSON.stringify(value)
}
