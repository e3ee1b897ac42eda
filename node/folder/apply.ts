/**
 * Brings the result of a session into the folder it came from. A file that is here as it was at submission is replaced;
 * one that changed here meanwhile is never touched: the result is kept beside it and named. The whole archive is unpacked
 * and checked first, in a folder of its own, so that a damaged one changes nothing.
 */
import { lstat, mkdir, mkdtemp, opendir, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { FolderLimits } from './limits.ts'
import { STAGING_PREFIX, hashFile, isSame, markOf } from './manifest.ts'
import type { Manifest, Mark } from './manifest.ts'
import { RESULT_FILES, RESULT_HEAD } from './pack.ts'
import type { ResultHead } from './pack.ts'
import { foldedName, foldersAbove, pathTrouble, repositoryPart } from './paths.ts'
import { unpackFolder } from './unpack.ts'

/** A staging folder of this age was left by a program that died. */
const STALE_MS = 60 * 60 * 1000

export interface ApplyOptions {
  /** Name of the PC that ran it, part of the name of what is kept beside. */
  runner: string
  session: string
  limits?: Partial<FolderLimits>
}

export interface Applied {
  written: string[]
  deleted: string[]
  /** `keptAs`: where the result is; null: it was deleted there and changed here, so it stays. */
  conflicts: { path: string; keptAs: string | null }[]
  /** What may not be written here, with the reason. */
  refused: { path: string; reason: string }[]
}

/** Rejects (WIRE_INVALID, TOO_LARGE, BAD_REQUEST) before anything is changed. */
export async function applyResult(
  archive: Readable,
  dir: string,
  base: Manifest,
  options: ApplyOptions
): Promise<Applied> {
  archive.on('error', () => {}) // may come before it is read, and comes out of the reading all the same
  await removeStale(dir)
  const staging = await mkdtemp(join(dir, STAGING_PREFIX))
  try {
    const staged = await unpackFolder(archive, staging, options.limits)
    const head = await readHead(join(staging, RESULT_HEAD))
    const applying = new Applying(dir, join(staging, RESULT_FILES), base, options)
    for (const { path } of head.deleted) await applying.remove(path)
    for (const [path, mark] of staged.entries)
      if (path.startsWith(`${RESULT_FILES}/`)) await applying.bring(path.slice(RESULT_FILES.length + 1), mark)
    return applying.summary
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

class Applying {
  readonly summary: Applied = { written: [], deleted: [], conflicts: [], refused: [] }
  readonly #dir: string
  readonly #staged: string
  readonly #base: Manifest
  readonly #ending: string
  /** Base names by what a file system that ignores case makes of them. */
  readonly #folded = new Map<string, string>()
  /** Folders of the result that had to go beside something here: their path -> where they are. */
  readonly #beside = new Map<string, string>()
  /** Repositories in this result: true, they are new here; false, there is one, which did not travel and is not touched. */
  readonly #repositories = new Map<string, boolean>()

  constructor(dir: string, staged: string, base: Manifest, options: ApplyOptions) {
    this.#dir = dir
    this.#staged = staged
    this.#base = base
    const runner = options.runner.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 40) || 'peer'
    this.#ending = `.omega-${runner}-${options.session.slice(0, 8)}`
    for (const path of base.entries.keys()) this.#folded.set(foldedName(path), path)
  }

  /** Only what was sent and is unchanged goes; a folder goes when nothing is left in it. */
  async remove(path: string): Promise<void> {
    if (pathTrouble(path) !== undefined || !this.#base.entries.has(path) || (await this.#isBehindLink(path))) {
      this.summary.refused.push({
        path: path.slice(0, 200),
        reason: 'it was not sent from here, so it cannot be deleted'
      })
      return
    }
    const here = await this.#markHere(path)
    if (here === undefined) return
    const target = join(this.#dir, path)
    if (here.kind === 'dir') {
      if (await rmdir(target).then(isTrue, isFalse)) this.summary.deleted.push(path)
    } else if (await this.#isUnchanged(path, here)) {
      await unlink(target)
      this.summary.deleted.push(path)
    } else this.summary.conflicts.push({ path, keptAs: null })
  }

  async bring(path: string, mark: Mark): Promise<void> {
    const repository = repositoryPart(path)
    if (repository !== undefined && !(await this.#mayMake(repository))) return
    const goal = await this.#goalOf(path)
    if (mark.kind === 'dir') await this.#bringFolder(path, goal)
    else await this.#bringFile(path, goal, mark)
  }
  async #mayMake(repository: string): Promise<boolean> {
    const known = this.#repositories.get(repository)
    if (known !== undefined) return known
    const isNew = (await this.#markHere(repository)) === undefined
    this.#repositories.set(repository, isNew)
    if (!isNew)
      this.summary.refused.push({ path: repository, reason: 'there is a repository here, which did not travel' })
    return isNew
  }

  /** Where the path goes, with the folders above it made. A folder that meets something else here goes beside it. */
  async #goalOf(path: string): Promise<string> {
    for (const folder of foldersAbove(path))
      if (!this.#beside.has(folder)) await this.#bringFolder(folder, this.#redirected(folder))
    return this.#redirected(path)
  }

  #redirected(path: string): string {
    for (const folder of foldersAbove(path).reverse()) {
      const beside = this.#beside.get(folder)
      if (beside !== undefined) return beside + path.slice(folder.length)
    }
    return path
  }

  async #bringFolder(path: string, goal: string): Promise<void> {
    const here = await this.#markHere(goal)
    if (here?.kind === 'dir') return
    if (here === undefined) {
      await mkdir(join(this.#dir, goal))
      return
    }
    if (goal === path && (await this.#isUnchanged(path, here))) {
      await unlink(join(this.#dir, goal))
      await mkdir(join(this.#dir, goal))
      return
    }
    const keptAs = await this.#freeName(goal)
    await mkdir(join(this.#dir, keptAs))
    this.#beside.set(path, keptAs)
    this.summary.conflicts.push({ path, keptAs })
  }

  async #bringFile(path: string, goal: string, mark: Mark): Promise<void> {
    const from = join(this.#staged, path)
    const here = await this.#markHere(goal)
    if (here !== undefined && (await sameContent(here, join(this.#dir, goal), mark))) return
    const free =
      here === undefined
        ? !this.#base.entries.has(path) || goal !== path
        : goal === path && (await this.#isUnchanged(path, here))
    if (free && (here?.kind !== 'dir' || (await rmdir(join(this.#dir, goal)).then(isTrue, isFalse)))) {
      await rename(from, join(this.#dir, goal))
      this.summary.written.push(goal)
      return
    }
    const keptAs = await this.#freeName(goal)
    await rename(from, join(this.#dir, keptAs))
    this.summary.conflicts.push({ path: goal, keptAs })
  }

  /** As it was at submission. What did not travel then (ignored files) counts by its time of change. */
  async #isUnchanged(path: string, here: Mark): Promise<boolean> {
    if (this.#base.entries.has(path)) return await isSame(this.#base, path, here, this.#dir)
    const twin = this.#folded.get(foldedName(path))
    return twin === undefined && here.ctimeMs < this.#base.at
  }

  async #markHere(path: string): Promise<Mark | undefined> {
    const full = join(this.#dir, path)
    try {
      const found = await lstat(full)
      // A socket or device here is something that changed: never replaced.
      return (await markOf(full, found)) ?? { kind: 'link', size: 0, mtimeMs: 0, ctimeMs: Infinity, mode: 0 }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  }

  async #isBehindLink(path: string): Promise<boolean> {
    for (const folder of foldersAbove(path)) {
      const here = await this.#markHere(folder)
      if (here !== undefined && here.kind !== 'dir') return true
    }
    return false
  }

  async #freeName(path: string): Promise<string> {
    for (let n = 1; ; n++) {
      const name = path + this.#ending + (n === 1 ? '' : `.${n}`)
      if ((await this.#markHere(name)) === undefined) return name
    }
  }
}

async function sameContent(here: Mark, pathHere: string, result: Mark): Promise<boolean> {
  if (here.kind !== result.kind || here.size !== result.size) return false
  if (here.kind === 'link') return here.target === result.target
  if (here.mode !== result.mode) return false
  return (await hashFile(pathHere).catch(() => '')) === result.sha256
}

async function readHead(path: string): Promise<ResultHead> {
  try {
    const head = JSON.parse(await readFile(path, 'utf8')) as ResultHead
    if (head.v === 1 && Array.isArray(head.deleted) && head.deleted.every((gone) => typeof gone?.path === 'string'))
      return head
  } catch (error) {
    throw new MeshError('WIRE_INVALID', `the result's list cannot be read: ${(error as Error).message}`, {
      cause: error
    })
  }
  throw new MeshError('WIRE_INVALID', "the result's list is not of a kind this version knows")
}

async function removeStale(dir: string): Promise<void> {
  for await (const entry of await opendir(dir)) {
    if (!entry.name.startsWith(STAGING_PREFIX)) continue
    const path = join(dir, entry.name)
    const found = await lstat(path).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
  }
}

const isTrue = (): boolean => true
const isFalse = (): boolean => false
