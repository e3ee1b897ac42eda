/**
 * Content by its SHA-256 on this PC's disk: folders that travel, results that come back. What `put` and `create`
 * acknowledge is on disk and is what its name says. Bounded: what was not used for longest goes first, pinned content stays.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { mkdir, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { BlobRef, Log } from '../../protocols/ports.ts'

export const BLOB_CACHE_BYTES = 4 * 2 ** 30

export interface BlobCache {
  /** True when the content is whole on this disk. */
  has(hash: string): boolean
  /** Rejects WIRE_INVALID when the content is not of that hash, TOO_LARGE above `maxBytes`, STORE_FAILED when the disk refuses. */
  put(hash: string, content: Readable, maxBytes?: number): Promise<{ bytes: number }>
  create(content: Readable, maxBytes?: number): Promise<BlobRef>
  /** Rejects BAD_REQUEST when it is not here. */
  open(hash: string): Promise<{ bytes: number; content: Readable }>
  /** Counts content that sessiond put into the same folder. Undefined when it is not there. */
  adopt(hash: string): BlobRef | undefined
  /** Kept until the returned function is called, as often as it was pinned. */
  pin(hash: string): () => void
  /** Bytes in the cache. */
  readonly bytes: number
}

export interface BlobCacheOptions {
  dataDir: string
  log: Log
  /** Default 4 GiB. */
  maxBytes?: number
}

export function blobPath(dataDir: string, hash: string): string {
  if (!/^[0-9a-f]{64}$/.test(hash))
    throw new MeshError('BAD_REQUEST', `"${hash.slice(0, 80)}" is not a SHA-256 (64 hex digits)`)
  return join(dataDir, 'blobs', hash.slice(0, 2), hash)
}

/** Lists what is there and removes what a crash left half written. */
export async function openBlobCache(options: BlobCacheOptions): Promise<BlobCache> {
  await removeLeftovers(options.dataDir, 'peer')
  const cache = new DiskCache(options)
  await cache.load()
  return cache
}

/** Temporary files of one writer (the peer or sessiond), left by a life of it that ended early. */
export async function removeLeftovers(dataDir: string, writer: 'peer' | 'sessiond'): Promise<void> {
  const folder = join(dataDir, 'blobs', 'tmp')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const name of await readdir(folder)) if (name.startsWith(`${writer}-`)) await unlink(join(folder, name))
}

export interface StoreBlobOptions {
  writer: 'peer' | 'sessiond'
  /** Undefined: whatever comes. */
  hash?: string
  maxBytes?: number
}

/** Writes, checks, flushes, then gives it its name: a crash leaves a temporary file, never a wrong blob. */
export async function storeBlob(dataDir: string, content: Readable, options: StoreBlobOptions): Promise<BlobRef> {
  const temporary = join(dataDir, 'blobs', 'tmp', `${options.writer}-${randomBytes(8).toString('hex')}`)
  const maxBytes = options.maxBytes ?? Infinity
  content.on('error', () => {}) // may come before the loop below listens, and comes out of it all the same
  const digest = createHash('sha256')
  let bytes = 0
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      for await (const chunk of content as AsyncIterable<Buffer>) {
        bytes += chunk.length
        if (bytes > maxBytes)
          throw new MeshError('TOO_LARGE', `the content has more than the ${maxBytes} bytes allowed`)
        digest.update(chunk)
        await file.writeFile(chunk)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    const hash = digest.digest('hex')
    if (options.hash !== undefined && options.hash !== hash)
      throw new MeshError(
        'WIRE_INVALID',
        `the content is not what its name says: expected ${options.hash}, got ${hash}`
      )
    const path = blobPath(dataDir, hash)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return { hash, bytes }
  } catch (error) {
    content.destroy()
    await unlink(temporary).catch(() => {})
    throw storeError(error as Error, bytes)
  }
}

function storeError(error: Error, bytes: number): Error {
  if (error instanceof MeshError) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new MeshError('STORE_FAILED', `the disk is full after ${bytes} bytes; free some space and try again`, {
      cause: error
    })
  return new MeshError('STORE_FAILED', `the content could not be stored: ${error.message}`, { cause: error })
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

interface Held {
  bytes: number
  /** Milliseconds since 1970; also the file's mtime, so that the order outlives the process. */
  usedAt: number
}

class DiskCache implements BlobCache {
  readonly #dataDir: string
  readonly #maxBytes: number
  readonly #log: Log
  /** Least recently used first. */
  readonly #held = new Map<string, Held>()
  readonly #pins = new Map<string, number>()
  #bytes = 0

  constructor({ dataDir, maxBytes, log }: BlobCacheOptions) {
    this.#dataDir = dataDir
    this.#maxBytes = maxBytes ?? BLOB_CACHE_BYTES
    this.#log = log
  }

  get bytes(): number {
    return this.#bytes
  }

  async load(): Promise<void> {
    const root = join(this.#dataDir, 'blobs')
    const found: [string, Held][] = []
    for (const prefix of await readdir(root)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue
      for (const hash of await readdir(join(root, prefix))) {
        if (!/^[0-9a-f]{64}$/.test(hash)) continue
        const { size, mtimeMs } = await stat(join(root, prefix, hash))
        found.push([hash, { bytes: size, usedAt: mtimeMs }])
      }
    }
    for (const [hash, held] of found.sort((a, b) => a[1].usedAt - b[1].usedAt)) this.#remember(hash, held)
  }

  has(hash: string): boolean {
    return this.#held.has(hash)
  }

  async put(hash: string, content: Readable, maxBytes = this.#maxBytes): Promise<{ bytes: number }> {
    try {
      blobPath(this.#dataDir, hash)
    } catch (error) {
      content.destroy()
      throw error
    }
    return await this.#store(content, { writer: 'peer', hash, maxBytes })
  }

  async create(content: Readable, maxBytes = this.#maxBytes): Promise<BlobRef> {
    return await this.#store(content, { writer: 'peer', maxBytes })
  }

  async open(hash: string): Promise<{ bytes: number; content: Readable }> {
    const held = this.#held.get(hash)
    const path = blobPath(this.#dataDir, hash)
    if (held === undefined) throw new MeshError('BAD_REQUEST', `content ${hash} is not on this PC`)
    const file = await open(path, 'r').catch((error: Error) => {
      this.#forget(hash)
      throw new MeshError('STORE_FAILED', `content ${hash} is gone from the disk: ${error.message}`, { cause: error })
    })
    this.#remember(hash, { bytes: held.bytes, usedAt: Date.now() })
    await utimes(path, Date.now() / 1000, Date.now() / 1000).catch(() => {})
    return { bytes: held.bytes, content: createReadStream('', { fd: file, highWaterMark: 256 << 10 }) }
  }

  adopt(hash: string): BlobRef | undefined {
    const found = statSync(blobPath(this.#dataDir, hash), { throwIfNoEntry: false })
    if (found === undefined) return undefined
    this.#remember(hash, { bytes: found.size, usedAt: Date.now() })
    void this.#makeRoom(hash)
    return { hash, bytes: found.size }
  }

  pin(hash: string): () => void {
    this.#pins.set(hash, (this.#pins.get(hash) ?? 0) + 1)
    let pinned = true
    return () => {
      if (!pinned) return
      pinned = false
      const left = (this.#pins.get(hash) ?? 1) - 1
      if (left > 0) this.#pins.set(hash, left)
      else this.#pins.delete(hash)
    }
  }

  async #store(content: Readable, options: StoreBlobOptions & { maxBytes: number }): Promise<BlobRef> {
    const bound = Math.min(options.maxBytes, this.#maxBytes)
    const blob = await storeBlob(this.#dataDir, content, { ...options, maxBytes: bound })
    this.#remember(blob.hash, { bytes: blob.bytes, usedAt: Date.now() })
    if (await this.#makeRoom(blob.hash)) return blob
    await unlink(blobPath(this.#dataDir, blob.hash)).catch(() => {})
    this.#forget(blob.hash)
    throw new MeshError(
      'STORE_FAILED',
      `no room for ${blob.bytes} bytes: all else in the cache of ${this.#maxBytes} bytes belongs to sessions that live or whose results wait`
    )
  }

  /** False when the bound cannot be kept because everything else is pinned. */
  async #makeRoom(newest: string): Promise<boolean> {
    for (const hash of [...this.#held.keys()]) {
      if (this.#bytes <= this.#maxBytes) return true
      if (hash === newest || this.#pins.has(hash)) continue
      this.#forget(hash)
      await unlink(blobPath(this.#dataDir, hash)).catch((error: Error) => {
        this.#log.warn('old content could not be removed', { hash, error: error.message })
      })
    }
    return this.#bytes <= this.#maxBytes
  }

  /** Last in the map: most recently used. */
  #remember(hash: string, held: Held): void {
    this.#forget(hash)
    this.#held.set(hash, held)
    this.#bytes += held.bytes
  }

  #forget(hash: string): void {
    this.#bytes -= this.#held.get(hash)?.bytes ?? 0
    this.#held.delete(hash)
  }
}
