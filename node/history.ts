/** The last minute of every PC as this peer saw it: a value each 2 s, null where no reading was fresh. */
import type { PeerId } from '../protocols/ports.ts'

export const STEP_MS = 2_000
const STEPS = 30
/** A reading older than this is a gap, not a flat line. */
export const FRESH_MS = 10_000

interface Series {
  cpu: (number | null)[]
  memory: (number | null)[]
}

export class MinuteHistory {
  readonly #series = new Map<PeerId, Series>()

  /** Called each STEP_MS with what is known of each peer; peers not named are forgotten. */
  step(readings: ReadonlyMap<PeerId, { cpu: number | undefined; memory: number | undefined; ageMs: number }>): void {
    for (const peer of this.#series.keys()) if (!readings.has(peer)) this.#series.delete(peer)
    for (const [peer, { cpu, memory, ageMs }] of readings) {
      let series = this.#series.get(peer)
      if (series === undefined) this.#series.set(peer, (series = { cpu: [], memory: [] }))
      const fresh = ageMs <= FRESH_MS
      push(series.cpu, fresh ? cpu : undefined)
      push(series.memory, fresh ? memory : undefined)
    }
  }

  /** Oldest first. */
  of(peer: PeerId): Series {
    const series = this.#series.get(peer)
    return { cpu: [...(series?.cpu ?? [])], memory: [...(series?.memory ?? [])] }
  }
}

function push(list: (number | null)[], value: number | undefined): void {
  list.push(value ?? null)
  if (list.length > STEPS) list.shift()
}
