/** Which finished runs make room: the too old ones, then the oldest, those whose report was taken before the others. */
import type { RunNote } from './run-store.ts'

export interface Retention {
  finishedKeepBytes: number
  finishedKeepMs: number
  finishedKeepRuns: number
}

export function toForget(finished: readonly RunNote[], now: number, limits: Retention): RunNote[] {
  const forget = new Set<RunNote>()
  const old = (note: RunNote) => now - (note.endedAt ?? now) > limits.finishedKeepMs
  for (const note of finished) if (old(note)) forget.add(note)
  const rest = finished
    .filter((note) => !forget.has(note))
    .sort(
      (a, b) => Number(b.acknowledged ?? false) - Number(a.acknowledged ?? false) || (a.endedAt ?? 0) - (b.endedAt ?? 0)
    )
  let bytes = rest.reduce((sum, note) => sum + (note.keptBytes ?? 0), 0)
  let runs = rest.length
  for (const note of rest) {
    if (bytes <= limits.finishedKeepBytes && runs <= limits.finishedKeepRuns) break
    forget.add(note)
    bytes -= note.keptBytes ?? 0
    runs--
  }
  return [...forget]
}
