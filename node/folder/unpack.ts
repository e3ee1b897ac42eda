/**
 * Unpacks a folder that came from another PC into an empty one of ours. Nothing is written outside, whatever the archive
 * says: names are checked, links are made last so that nothing is written through one, devices are refused.
 */
import { createHash } from 'node:crypto'
import { chmod, lstat, lutimes, mkdir, open, readdir, symlink, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import { FOLDER_LIMITS, sizeText } from './limits.ts'
import type { FolderLimits } from './limits.ts'
import { CLOCK_GRAIN_MS, markOf } from './manifest.ts'
import type { Manifest, Mark } from './manifest.ts'
import { foldedName, foldersAbove, ignoresCase, pathTrouble } from './paths.ts'
import { readTar } from './tar.ts'
import type { TarEntry } from './tar.ts'

/** Files being written at once: enough to keep the disk busy, few enough to stay small. */
const WRITERS = 8
/** Larger files are written as they come. */
const SMALL_BYTES = 64 << 10

/**
 * Into `dir`, which is made, or is empty. Resolves with the state that `changes` compares with later. Rejects TOO_LARGE,
 * WIRE_INVALID (damaged or hostile) or BAD_REQUEST (this PC cannot store such names); what was written stays for the
 * caller to remove.
 */
export async function unpackFolder(
  archive: Readable,
  dir: string,
  limits: Partial<FolderLimits> = {}
): Promise<Manifest> {
  const bounds = { ...FOLDER_LIMITS, ...limits }
  archive.on('error', () => {}) // may come before it is read, and comes out of the reading all the same
  await mkdir(dir, { recursive: true, mode: 0o700 })
  if ((await readdir(dir)).length > 0) throw new MeshError('BAD_REQUEST', `${dir} is not empty`)
  const unpacking = new Unpacking(dir, bounds)
  for await (const entry of readTar(archive, bounds)) await unpacking.take(entry)
  return await unpacking.finish()
}

class Unpacking {
  readonly #dir: string
  readonly #limits: FolderLimits
  readonly #entries = new Map<string, Mark>()
  readonly #folded = new Map<string, string>()
  #bytes = 0
  #foldsCase: boolean | undefined
  #writers = new Set<Promise<void>>()
  #failure: Error | undefined

  constructor(dir: string, limits: FolderLimits) {
    this.#dir = dir
    this.#limits = limits
  }

  async take(entry: TarEntry): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const kind = kindOf(entry)
    const trouble = pathTrouble(entry.path)
    if (trouble !== undefined) throw refused(entry.path, trouble)
    await this.#makeFoldersAbove(entry.path)
    if (this.#entries.get(entry.path)?.kind === 'dir' && kind === 'dir') return this.#remember(entry, kind)
    if (this.#entries.has(entry.path)) throw refused(entry.path, 'it is there twice')
    this.#bytes += kind === 'file' ? entry.size : 0
    if (this.#bytes > this.#limits.bytes)
      throw new MeshError('TOO_LARGE', `the archive unfolds to more than ${sizeText(this.#limits.bytes)}`)
    await this.#checkCase(entry.path)
    this.#remember(entry, kind)
    if (kind === 'dir') await mkdir(join(this.#dir, entry.path), { mode: 0o700 })
    else if (kind === 'file') await this.#writeFile(entry)
  }

  /** Waits for the files, then makes the links, then sets what folders look like, deepest first. */
  async finish(): Promise<Manifest> {
    await Promise.all(this.#writers)
    if (this.#failure !== undefined) throw this.#failure
    for (const [path, mark] of this.#entries)
      if (mark.kind === 'link') {
        const link = join(this.#dir, path)
        if (await exists(link)) throw refused(path, 'this PC takes it for a file that is there already')
        await symlink(mark.target!, link)
        await lutimes(link, mark.mtimeMs / 1000, mark.mtimeMs / 1000)
      }
    for (const [path, mark] of [...this.#entries].reverse())
      if (mark.kind === 'dir') {
        await chmod(join(this.#dir, path), mark.mode)
        await utimes(join(this.#dir, path), mark.mtimeMs / 1000, mark.mtimeMs / 1000)
      }
    return await this.#asWritten()
  }

  /** What the disk says of the files now, with the hashes taken on the way. */
  async #asWritten(): Promise<Manifest> {
    const entries = new Map<string, Mark>()
    for (const [path, { sha256 }] of this.#entries) {
      const full = join(this.#dir, path)
      const mark = await markOf(full, await lstat(full))
      if (mark !== undefined) entries.set(path, sha256 === undefined ? mark : { ...mark, sha256 })
    }
    return { at: Date.now() - CLOCK_GRAIN_MS, entries, skipped: [] }
  }

  /** A path through something that is no folder here, above all through a link, is refused. */
  async #makeFoldersAbove(path: string): Promise<void> {
    for (const folder of foldersAbove(path)) {
      const known = this.#entries.get(folder)
      if (known?.kind === 'dir') continue
      if (known !== undefined) throw refused(path, `"${folder}" is no folder`)
      if (this.#entries.size >= this.#limits.entries)
        throw new MeshError('TOO_LARGE', `the archive holds more than ${this.#limits.entries} files`)
      await this.#checkCase(folder)
      this.#entries.set(folder, { kind: 'dir', size: 0, mtimeMs: Date.now(), ctimeMs: 0, mode: 0o755 })
      await mkdir(join(this.#dir, folder), { mode: 0o700 })
    }
  }

  #remember(entry: TarEntry, kind: Mark['kind']): void {
    const mark: Mark = { kind, size: entry.size, mtimeMs: entry.mtimeMs, ctimeMs: 0, mode: entry.mode }
    // What is inside must stay within reach of whoever unpacked it.
    if (kind === 'dir') mark.mode |= 0o700
    if (kind === 'link') mark.target = entry.target
    this.#entries.set(entry.path, mark)
  }

  /** Two names that this PC's file system takes for one would overwrite each other without a word. */
  async #checkCase(path: string): Promise<void> {
    const folded = foldedName(path)
    const other = this.#folded.get(folded)
    this.#folded.set(folded, path)
    if (other === undefined || other === path) return
    await Promise.all(this.#writers)
    const there = join(this.#dir, other)
    if (!(await exists(there))) return
    this.#foldsCase ??= await ignoresCase(dirname(there), basename(there))
    if (this.#foldsCase)
      throw new MeshError(
        'BAD_REQUEST',
        `"${other}" and "${path}" are one file on this PC, which does not tell A from a`
      )
  }

  async #writeFile(entry: TarEntry): Promise<void> {
    const mark = this.#entries.get(entry.path)!
    if (entry.size > SMALL_BYTES) return await this.#store(entry.path, mark, entry.content)
    const chunks: Buffer[] = []
    for await (const chunk of entry.content) chunks.push(chunk)
    if (this.#writers.size >= WRITERS) await Promise.race(this.#writers)
    const job = this.#store(entry.path, mark, chunks)
      .catch((error: Error) => void (this.#failure ??= error))
      .finally(() => this.#writers.delete(job))
    this.#writers.add(job)
  }

  async #store(path: string, mark: Mark, content: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
    const hash = createHash('sha256')
    // 'x': nothing may be there yet, so neither a link nor another file can be written to.
    const file = await open(join(this.#dir, path), 'wx', 0o600)
    try {
      for await (const bytes of content) {
        hash.update(bytes)
        await file.writeFile(bytes)
      }
      await file.chmod(mark.mode)
      await file.utimes(mark.mtimeMs / 1000, mark.mtimeMs / 1000)
    } finally {
      await file.close()
    }
    mark.sha256 = hash.digest('hex')
  }
}

export function kindOf(entry: TarEntry): Mark['kind'] {
  if (entry.type === 'file' || entry.type === 'contiguous-file') return 'file'
  if (entry.type === 'directory') return 'dir'
  if (entry.type === 'symlink') {
    if (entry.target === '' || entry.target.includes('\0')) throw refused(entry.path, 'it is a link to nowhere')
    return 'link'
  }
  throw refused(entry.path, `it is a ${entry.type ?? 'thing of unknown kind'}, not a file, folder or link`)
}

export function refused(path: string, why: string): MeshError {
  return new MeshError('WIRE_INVALID', `the archive names "${path.slice(0, 200)}", which is refused: ${why}`)
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false
  )
}
