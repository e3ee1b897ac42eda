/**
 * What the peer process knows of the runs that sessiond holds, and of its own orders that wait for an answer. Keeps in the
 * blob cache what they need: the input of an order, the result of a run for as long as sessiond holds it.
 */
import type { BlobRef, ChildReport } from '../../protocols/ports.ts'
import type { BlobCache } from '../adapters/blob-cache.ts'
import { readNoteNow } from './run-store.ts'
import type { RunKey } from './wire.ts'

interface Known {
  report: ChildReport
  /** Its end was acknowledged: not reported again. */
  taken: boolean
  /** How far the log is known to be on disk. */
  end: number
  unpin: (() => void) | undefined
}

export class KnownRuns {
  readonly #dataDir: string
  readonly #blobs: BlobCache
  readonly #known = new Map<string, Known>()
  readonly #ordered = new Map<string, { key: RunKey; unpin: () => void }>()

  constructor(dataDir: string, blobs: BlobCache) {
    this.#dataDir = dataDir
    this.#blobs = blobs
  }

  order(key: RunKey, input: BlobRef | undefined): void {
    const name = nameOf(key)
    if (this.#ordered.has(name)) return
    this.#ordered.set(name, { key, unpin: input === undefined ? () => {} : this.#blobs.pin(input.hash) })
  }

  /** False when nobody waits for this answer (any more). */
  answered(key: RunKey): boolean {
    const name = nameOf(key)
    this.#ordered.get(name)?.unpin()
    return this.#ordered.delete(name)
  }

  /** Orders without an answer. */
  get waiting(): RunKey[] {
    return [...this.#ordered.values()].map(({ key }) => key)
  }

  has(key: RunKey): boolean {
    return this.#known.has(nameOf(key))
  }

  pidOf(key: RunKey): number {
    return this.#known.get(nameOf(key))?.report.pid ?? 0
  }

  set(report: ChildReport, taken = false): void {
    const name = nameOf(report)
    const before = this.#known.get(name)
    let unpin = before?.unpin
    const result = report.exit?.output
    if (result !== undefined && unpin === undefined) {
      unpin = this.#blobs.pin(result.hash)
      this.#blobs.adopt(result.hash)
    }
    this.#known.set(name, { report, taken, end: Math.max(before?.end ?? 0, report.exit?.logBytes ?? 0), unpin })
  }

  /** A living run is frozen or thawed by order. */
  turn(key: RunKey, state: 'running' | 'frozen'): void {
    const known = this.#known.get(nameOf(key))
    if (known !== undefined && known.report.state !== 'exited') known.report = { ...known.report, state }
  }

  forget(key: RunKey): void {
    this.#known.get(nameOf(key))?.unpin?.()
    this.#known.delete(nameOf(key))
  }

  /** Takes the whole list for the truth. */
  replace(list: readonly (ChildReport & { taken: boolean })[]): void {
    const names = new Set(list.map(nameOf))
    for (const [name, { report }] of this.#known) if (!names.has(name)) this.forget(report)
    for (const { taken, ...report } of list) this.set(report, taken)
  }

  grew(key: RunKey, end: number): void {
    const known = this.#known.get(nameOf(key))
    if (known !== undefined) known.end = Math.max(known.end, end)
  }

  get reports(): ChildReport[] {
    return [...this.#known.values()].filter(({ taken }) => !taken).map(({ report }) => report)
  }

  get living(): number {
    let living = 0
    for (const { report } of this.#known.values()) if (report.state !== 'exited') living++
    return living
  }

  /** How far the log reaches and whether it will grow no more; undefined: the run is not kept on this PC. */
  lookAt(key: RunKey): { end: number; final: boolean } | undefined {
    const known = this.#known.get(nameOf(key))
    if (known !== undefined) return { end: known.end, final: known.report.state === 'exited' }
    if (this.#ordered.has(nameOf(key))) return { end: 0, final: false }
    const exit = readNoteNow(this.#dataDir, key)?.exit
    return exit === undefined ? undefined : { end: exit.logBytes, final: true }
  }
}

export function nameOf({ session, epoch }: RunKey): string {
  return `${session}/${epoch}`
}

export function keyOf({ session, epoch }: RunKey): RunKey {
  return { session, epoch }
}
