/**
 * The disk of a simulated PC. It outlives the program: a clean stop keeps all, a killed program loses what had not been
 * answered, a power cut loses what had not been synced. What is lost is lost from the end, batch by batch, never in part,
 * as in a write-ahead log.
 */
import { MeshError } from '../protocols/errors.ts'
import type { Random, Store, StoreOp } from '../protocols/ports.ts'
import type { SimProcess } from './clock.ts'

type Pair = readonly [key: string, value: Uint8Array]
type Pairs = Map<string, Uint8Array | undefined>

interface Batch {
  ops: readonly StoreOp[]
  /** As the program handed them over: for those who watch. */
  given: readonly StoreOp[]
  answered: boolean
}

/** Sees what is about to be written and what has just reached the disk. */
export interface DiskTap {
  writes(ops: readonly StoreOp[], sync: boolean): void
  /** Before the program hears of it. */
  synced(ops: readonly StoreOp[]): void
}

export interface DiskTimes {
  loadMs: number
  /** Into the page cache. */
  writeMs: number
  /** Bounds of one flush; drawn for each. */
  syncMinMs: number
  syncMaxMs: number
}
/** An ordinary SSD. */
const TIMES: DiskTimes = { loadMs: 0.2, writeMs: 0.05, syncMinMs: 0.3, syncMaxMs: 4 }

export class SimDisk {
  /** While set, every batch that puts something is refused. */
  full = false
  /** While set, every batch is refused. */
  readOnly = false
  /** While set, nothing can be read. */
  unreadable = false
  tap: DiskTap | undefined
  readonly times: DiskTimes
  readonly #random: Random
  /** What was on it before the story begins, in key order; one list for all PCs of a large mesh. */
  #before: readonly Pair[] = []
  /** Changes since; undefined: deleted. */
  #durable: Pairs = new Map()
  /** As a program sees it: durable plus `#unsynced`. */
  #view: Pairs = new Map()
  #unsynced: Batch[] = []
  /** Draws where the next value goes that does not go where it should. */
  #astray: { random: Random; lost: (key: string) => void } | undefined

  constructor(random: Random, times: Partial<DiskTimes> = {}) {
    this.#random = random
    this.times = { ...TIMES, ...times }
  }

  /** The store as that program uses it. */
  open(process: SimProcess): Store {
    let freeAtMs = 0
    let flush: { batches: Batch[]; atMs: number } | undefined
    /** Answers come in call order. */
    const answerIn = (ms: number, fn: () => void): void => {
      freeAtMs = Math.max(freeAtMs, process.mono() + ms)
      process.setTimeout(fn, freeAtMs - process.mono())
    }
    return {
      load: (prefix, done) => {
        if (this.unreadable) {
          const error = new MeshError('STORE_FAILED', `the disk gave a read error for "${prefix}"; check the disk`)
          return void process.setTimeout(() => done(error, []), this.times.loadMs)
        }
        const pairs = this.#read(prefix)
        process.setTimeout(() => done(undefined, pairs), this.times.loadMs)
      },
      write: (ops, { sync }, done) => {
        if (!process.alive) return
        if (this.full && ops.some((op) => 'put' in op)) {
          const error = new MeshError('STORE_FAILED', 'the disk is full: nothing was written; make room on it')
          return answerIn(this.times.writeMs, () => done(error))
        }
        if (this.readOnly) {
          const error = new MeshError('STORE_FAILED', 'the disk is read-only: nothing was written; check the disk')
          return answerIn(this.times.writeMs, () => done(error))
        }
        this.tap?.writes(ops, sync)
        // what watches may have cut the power
        if (!process.alive) return
        const batch = this.#take(ops)
        if (!sync) return answerIn(this.times.writeMs, () => ((batch.answered = true), done()))
        // Sync batches of one moment share one flush.
        if (flush === undefined || process.mono() !== flush.atMs) {
          flush = { batches: [], atMs: process.mono() }
          const { batches } = flush
          answerIn(this.#flushMs(), () => this.#sync(batches))
        }
        flush.batches.push(batch)
        answerIn(0, () => ((batch.answered = true), done()))
      }
    }
  }

  /** What was on it before the story begins, in key order. */
  imprint(pairs: readonly Pair[]): void {
    this.#before = pairs
  }

  /** The program ended by itself, and closed its store. */
  stopped(): void {
    this.#keepFirst(this.#unsynced.length)
  }

  /** The program was killed: what it was told is written stays, synced or not; of the rest, any beginning. */
  programKilled(): void {
    const answered = this.#unsynced.findLastIndex((batch) => batch.answered) + 1
    const kept = answered + this.#draw(this.#unsynced.length - answered)
    this.#unsynced = this.#unsynced.slice(0, kept)
    this.#view = new Map(this.#durable)
    for (const batch of this.#unsynced) apply(this.#view, batch.ops)
  }

  /** The PC lost power: what was synced is there; of the rest, any beginning. */
  powerCut(): void {
    this.#keepFirst(this.#draw(this.#unsynced.length))
  }

  /** A new disk in the same PC. */
  wipe(): void {
    this.#before = []
    this.#durable = new Map()
    this.#view = new Map()
    this.#unsynced = []
  }

  #take(ops: readonly StoreOp[]): Batch {
    const given = ops.map((op) => ('put' in op ? { put: op.put, value: op.value.slice() } : { del: op.del }))
    const own = this.#astray === undefined ? given : this.#misdirected(given, this.#astray)
    const batch = { ops: own, given: ops, answered: false }
    apply(this.#view, own)
    this.#unsynced.push(batch)
    return batch
  }

  #sync(batches: readonly Batch[]): void {
    const last = batches.at(-1)
    const end = last === undefined ? -1 : this.#unsynced.indexOf(last)
    const reached = this.#unsynced.splice(0, end + 1)
    for (const batch of reached) apply(this.#durable, batch.ops)
    if (this.tap !== undefined) for (const { given } of reached) this.tap.synced(given)
  }

  /** What a program reads there now. */
  keys(prefix: string): string[] {
    return this.#read(prefix).map(([key]) => key)
  }

  get size(): number {
    return this.#before.length + this.#view.size
  }

  /** A bit of one value flips. The checksum of the store shows it, and the value is dropped at the next load. */
  rot(prefix: string, random: Random): string | undefined {
    const keys = [...merged(this.#before, this.#durable, prefix)].map(([key]) => key)
    const key = keys[Math.floor(random.float() * keys.length)]
    if (key !== undefined) this.#durable.set(key, undefined)
    return key
  }

  /**
   * The next value that is written lands under another key, and the disk says that all is well. Where it should be is what was
   * there before; where it is the checksum of the store, which is over the key too, does not match, and the value is dropped.
   * `lost` hears of both keys.
   */
  misdirect(random: Random, lost: (key: string) => void): void {
    this.#astray = { random, lost }
  }

  #misdirected(ops: readonly StoreOp[], { random, lost }: { random: Random; lost: (key: string) => void }): StoreOp[] {
    const at = ops.findIndex((op) => 'put' in op)
    const own = ops[at]
    const keys = own === undefined || !('put' in own) ? [] : this.keys('').filter((key) => key !== own.put)
    const hit = keys[Math.floor(random.float() * keys.length)]
    if (own === undefined || !('put' in own) || hit === undefined) return [...ops]
    this.#astray = undefined
    lost(own.put)
    lost(hit)
    return ops.with(at, { del: hit })
  }

  #keepFirst(count: number): void {
    for (const batch of this.#unsynced.slice(0, count)) apply(this.#durable, batch.ops)
    this.#unsynced = []
    this.#view = new Map(this.#durable)
  }

  #read(prefix: string): Pair[] {
    return merged(this.#before, this.#view, prefix)
  }

  #flushMs(): number {
    const { syncMinMs, syncMaxMs } = this.times
    return syncMinMs + this.#random.float() * (syncMaxMs - syncMinMs)
  }

  #draw(count: number): number {
    return Math.floor(this.#random.float() * (count + 1))
  }
}

function apply(pairs: Pairs, ops: readonly StoreOp[]): void {
  for (const op of ops) {
    if ('put' in op) pairs.set(op.put, op.value)
    else pairs.set(op.del, undefined)
  }
}

/** In key order. What was there before is never changed by anyone; the rest is copied. */
function merged(before: readonly Pair[], changes: Pairs, prefix: string): Pair[] {
  const changed: Pair[] = []
  for (const [key, value] of changes)
    if (value !== undefined && key.startsWith(prefix)) changed.push([key, value.slice()])
  const kept = before.slice(firstFrom(before, prefix), firstFrom(before, `${prefix}\uffff`))
  const all = kept.filter(([key]) => !changes.has(key))
  if (changed.length === 0) return all
  return [...all, ...changed].sort(([a], [b]) => (a < b ? -1 : 1))
}

function firstFrom(pairs: readonly Pair[], key: string): number {
  let low = 0
  for (let high = pairs.length; low < high;) {
    const middle = (low + high) >> 1
    if (pairs[middle]![0] < key) low = middle + 1
    else high = middle
  }
  return low
}
