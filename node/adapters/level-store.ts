/**
 * The store of a peer: LevelDB in its data folder, whose lock also keeps a second peer out. All operations go through
 * one queue: writes that wait together become one batch with at most one flush, a load sees every write before it. Each
 * value carries a checksum over its key and bytes, so that a flipped bit is noticed; such a value is dropped, said and counted.
 */
import { mkdirSync } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Level } from 'level'
import { MeshError } from '../../protocols/errors.ts'
import type { Log, Store, StoreOp } from '../../protocols/ports.ts'

export interface LevelStore extends Store {
  /** Values that failed their checksum in loads since start. */
  readonly damagedValues: number
  /** True when the folder was damaged at start and had to be repaired; what was written last may be missing. */
  readonly repaired: boolean
  /** Why the last write failed, in the system's words; undefined once one was taken again. It is tried every few seconds. */
  readonly trouble: string | undefined
  /** Writes what waits, then closes. Operations after it fail with STORE_FAILED. */
  close(): Promise<void>
}

/** Bytes that may wait to be written; a disk that falls further behind refuses instead of eating the memory. */
export const STORE_QUEUE_MAX = 64 << 20
/** One batch is held twice in memory while it is written. */
const BATCH_MAX_BYTES = 4 << 20
const CHECKSUM_BYTES = 4
/** More than LevelDB writes when it opens an almost empty folder. */
const ROOM_BYTES = 256 << 10
/** A store that refused a write is tried again by itself this often. */
const TRY_AGAIN_MS = 5_000
/** Never stored; deleting it makes an empty batch flush what unsynced writes before it left behind. */
const NO_KEY = '\0'

type Batch = ({ type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string })[]
type Pairs = (readonly [string, Uint8Array])[]
interface Write {
  batch: Batch
  bytes: number
  sync: boolean
  done: (error?: MeshError) => void
}
interface Load {
  prefix: string
  done: (error: MeshError | undefined, pairs: Pairs) => void
}

/** Rejects with STORE_LOCKED or STORE_FAILED, each with the folder and the way out. */
export async function openLevelStore(dir: string, log?: Log): Promise<LevelStore> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw failed(`the data folder ${dir} cannot be made`, error, 'choose another with OMEGA_DATA_DIR')
  }
  const db = new Level<string, Uint8Array>(dir, { valueEncoding: 'view' })
  let repaired = false
  try {
    await db.open()
  } catch (error) {
    const cause = causeOf(error)
    if (cause.code === 'LEVEL_LOCKED') throw locked(dir, error)
    // A file of its own that is gone is damage too.
    if (cause.code !== 'LEVEL_CORRUPTION' && !cause.message.includes('No such file')) {
      throw failed(
        `the store in ${dir} cannot be opened`,
        error,
        'check that the disk has room and the folder is yours'
      )
    }
    log?.warn('store damaged, repairing', { dir, error: cause.message })
    await repair(db, dir)
    repaired = true
  }
  if (await hasDroppedRecords(dir)) {
    log?.warn('store damaged, what could not be read was left out', { dir })
    repaired = true
  }
  return new QueuedLevel(db, dir, repaired, log)
}

/** LevelDB leaves out what it cannot read of its write-ahead log, and says so only in a file of its own. */
async function hasDroppedRecords(dir: string): Promise<boolean> {
  const text = await readFile(join(dir, 'LOG'), 'latin1').catch(() => '')
  return /: dropping \d+ bytes; Corruption/.test(text)
}

async function repair(db: Level<string, Uint8Array>, dir: string): Promise<void> {
  try {
    // The types of `level` cover the browser too and leave this one out.
    await (Level as unknown as { repair(location: string): Promise<void> }).repair(dir)
    await db.open()
  } catch (error) {
    throw failed(
      `the store in ${dir} is damaged and could not be repaired`,
      error,
      'move this folder away and start again; the PC then joins as a new one, since its key is in that folder'
    )
  }
}

class QueuedLevel implements LevelStore {
  damagedValues = 0
  readonly repaired: boolean
  trouble: string | undefined
  #tryAgain: NodeJS.Timeout | undefined
  readonly #db: Level<string, Uint8Array>
  readonly #dir: string
  readonly #log: Log | undefined
  #queue: (Write | Load)[] = []
  #queuedBytes = 0
  #working = false
  #closed = false
  /** LevelDB refuses every write after a failed one until it is opened again. */
  #broken = false
  #idle: (() => void)[] = []

  constructor(db: Level<string, Uint8Array>, dir: string, repaired: boolean, log: Log | undefined) {
    this.#db = db
    this.#dir = dir
    this.repaired = repaired
    this.#log = log
  }

  write(ops: readonly StoreOp[], options: { sync: boolean }, done: (error?: MeshError) => void): void {
    const batch: Batch = ops.map((op) =>
      'del' in op ? { type: 'del', key: op.del } : { type: 'put', key: op.put, value: seal(op.put, op.value) }
    )
    const bytes = batch.reduce((sum, op) => sum + op.key.length + (op.type === 'put' ? op.value.length : 0), 0)
    if (this.#closed) return void later(() => done(this.#afterClose()))
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > STORE_QUEUE_MAX) {
      const text = `the disk of ${this.#dir} is too slow: ${this.#queuedBytes} bytes wait already, at most ${STORE_QUEUE_MAX} may`
      return void later(() => done(new MeshError('STORE_FAILED', text)))
    }
    this.#queuedBytes += bytes
    this.#enqueue({ batch, bytes, sync: options.sync, done })
  }

  load(prefix: string, done: (error: MeshError | undefined, pairs: Pairs) => void): void {
    if (this.#closed) return void later(() => done(this.#afterClose(), []))
    this.#enqueue({ prefix, done })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#tryAgain)
    if (this.#working || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#db.close()
  }

  #enqueue(job: Write | Load): void {
    this.#queue.push(job)
    if (this.#working) return
    this.#working = true
    // The end of this turn of the loop: whatever else is written in it shares the flush.
    setImmediate(() => void this.#work())
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!
      if ('prefix' in first) {
        this.#queue.shift()
        await this.#carryOutLoad(first)
      } else {
        await this.#carryOutWrites(this.#takeWrites())
      }
    }
    this.#working = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #takeWrites(): Write[] {
    let count = 0
    let bytes = 0
    for (const job of this.#queue) {
      if ('prefix' in job || (count > 0 && bytes + job.bytes > BATCH_MAX_BYTES)) break
      bytes += job.bytes
      count += 1
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count) as Write[]
  }

  async #carryOutWrites(writes: Write[]): Promise<void> {
    let error: MeshError | undefined
    try {
      if (this.#broken) await this.#openAgain()
      const batch = writes.flatMap((write) => write.batch)
      const sync = writes.some((write) => write.sync)
      await this.#db.batch(batch.length > 0 ? batch : [{ type: 'del', key: NO_KEY }], { sync })
      this.trouble = undefined
    } catch (cause) {
      this.#broken = true
      error = failed(`writing to ${this.#dir} failed`, cause, 'make room on the disk; later writes are tried again')
      this.trouble = causeOf(cause).message
      this.#log?.error('store write failed', { dir: this.#dir, error: this.trouble })
      this.#armTryAgain()
    }
    for (const write of writes) later(() => write.done(error))
  }

  #armTryAgain(): void {
    clearTimeout(this.#tryAgain)
    if (this.#closed) return
    this.#tryAgain = setTimeout(() => this.write([], { sync: true }, () => {}), TRY_AGAIN_MS)
    this.#tryAgain.unref()
  }

  async #carryOutLoad({ prefix, done }: Load): Promise<void> {
    const pairs: Pairs = []
    try {
      if (this.#db.status !== 'open') await this.#openAgain()
      // Keys are ASCII, so the prefix with its last character raised is the first key after the range.
      const range =
        prefix === ''
          ? {}
          : { gte: prefix, lt: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1) }
      for await (const [key, sealed] of this.#db.iterator(range)) {
        const value = unseal(key, sealed)
        if (value === undefined) this.#damaged(key)
        else pairs.push([key, value])
      }
      later(() => done(undefined, pairs))
    } catch (cause) {
      const text = `reading "${prefix}" from ${this.#dir} failed`
      later(() => done(failed(text, cause, 'start the peer again; it repairs a damaged store once'), []))
    }
  }

  async #openAgain(): Promise<void> {
    // Opening writes too. As long as the disk is full, the open store still serves loads, so it is not closed yet.
    if (this.#db.status === 'open') await checkRoom(this.#dir)
    await this.#db.close()
    await this.#db.open()
    this.#broken = false
    this.#log?.info('store opened again after a failed write', { dir: this.#dir })
  }

  #damaged(key: string): void {
    this.damagedValues += 1
    this.#log?.error('stored value damaged, dropped', { dir: this.#dir, key: key.slice(0, 200) })
  }

  #afterClose(): MeshError {
    return new MeshError('STORE_FAILED', `the store in ${this.#dir} is closed`)
  }
}

async function checkRoom(dir: string): Promise<void> {
  const path = join(dir, 'room.tmp')
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(new Uint8Array(ROOM_BYTES))
    await file.sync()
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}

/** A callback that throws is its owner's bug and must not stop the queue. */
function later(fn: () => void): void {
  queueMicrotask(fn)
}

function seal(key: string, value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(CHECKSUM_BYTES + value.length)
  sealed.set(value, CHECKSUM_BYTES)
  new DataView(sealed.buffer).setUint32(0, crc32(value, crc32(key)))
  return sealed
}

function unseal(key: string, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < CHECKSUM_BYTES) return undefined
  const value = new Uint8Array(sealed.subarray(CHECKSUM_BYTES))
  const checksum = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
  return crc32(value, crc32(key)) === checksum ? value : undefined
}

function locked(dir: string, cause: unknown): MeshError {
  const text = `another Omega peer is using the data folder ${dir}; stop it with "omega down", or choose another folder with OMEGA_DATA_DIR`
  return new MeshError('STORE_LOCKED', text, { cause })
}

function failed(what: string, cause: unknown, wayOut: string): MeshError {
  return new MeshError('STORE_FAILED', `${what}: ${causeOf(cause).message}; ${wayOut}`, { cause })
}

/** LevelDB's own error sits inside "Database failed to open". */
function causeOf(error: unknown): { code: string | undefined; message: string } {
  const outer = error as { code?: string; message?: string; cause?: { code?: string; message?: string } }
  const inner = outer.cause ?? outer
  return { code: inner.code, message: inner.message ?? String(error) }
}
