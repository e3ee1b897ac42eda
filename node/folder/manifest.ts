/**
 * The state of a folder at one moment: what is in it, and enough to tell later whether a file is still the same without
 * reading it (size, mtime, ctime), or by its SHA-256 when that is in doubt.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { lstat, open, opendir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'
import { GIT_FOLDER, IgnoreStack } from './ignore-files.ts'
import { FOLDER_LIMITS } from './limits.ts'

/** File times step with the kernel's tick, at most 10 ms, and lag behind the clock by as much. */
export const CLOCK_GRAIN_MS = 20

/** Folders in which a result is unpacked before it is applied. They never travel. */
export const STAGING_PREFIX = '.omega-result-'

export interface Mark {
  kind: 'file' | 'dir' | 'link'
  /** Bytes of a file; 0 else. */
  size: number
  mtimeMs: number
  ctimeMs: number
  /** Permission bits. */
  mode: number
  /** Of a file's bytes, once somebody needed it. */
  sha256?: string
  /** Where a link points. */
  target?: string
}

export interface Manifest {
  /** Milliseconds since 1970, a little before the look began: what has a later ctime may have changed since. */
  at: number
  entries: Map<string, Mark>
  /** What cannot travel, with the reason. */
  skipped: { path: string; reason: string }[]
}

export interface ManifestOptions {
  /** Default: nothing but `.git` at the top is left out. */
  rules?: IgnoreStack
  /** Default true: leave out every `.git`. */
  withoutGit?: boolean
  entriesMax?: number
}

/** Lists a folder; hashes are added later, when needed. Rejects TOO_LARGE above `entriesMax`. */
export async function manifestOf(dir: string, options: ManifestOptions = {}): Promise<Manifest> {
  const manifest: Manifest = { at: Date.now() - CLOCK_GRAIN_MS, entries: new Map(), skipped: [] }
  await walk(dir, '', options.rules ?? new IgnoreStack([]), options, manifest)
  return manifest
}

async function walk(
  dir: string,
  base: string,
  outer: IgnoreStack,
  options: ManifestOptions,
  manifest: Manifest
): Promise<void> {
  const folder = base === '' ? dir : join(dir, base)
  const rules = await outer.enter(folder, base)
  const names: string[] = []
  try {
    for await (const entry of await opendir(folder)) names.push(entry.name)
  } catch (error) {
    if (base === '') throw new MeshError('BAD_REQUEST', `cannot read the folder ${dir}: ${(error as Error).message}`)
    manifest.skipped.push({ path: base, reason: `cannot be read: ${(error as Error).message}` })
    return
  }
  for (const name of names.sort()) {
    const path = base === '' ? name : `${base}/${name}`
    if ((name === GIT_FOLDER && (options.withoutGit ?? true)) || name.startsWith(STAGING_PREFIX)) continue
    const found = await lstat(join(dir, path)).catch(() => undefined)
    if (found === undefined) {
      if (name.includes('\ufffd')) manifest.skipped.push({ path, reason: 'its name is not UTF-8' })
      continue // gone since it was listed
    }
    if (rules.ignores(path, found.isDirectory())) continue
    const mark = await markOf(join(dir, path), found)
    if (mark === undefined) {
      manifest.skipped.push({ path, reason: 'neither a file, a folder nor a link' })
      continue
    }
    if (manifest.entries.size >= (options.entriesMax ?? FOLDER_LIMITS.entries))
      throw new MeshError(
        'TOO_LARGE',
        `${dir} holds more than ${options.entriesMax ?? FOLDER_LIMITS.entries} files; name what need not travel in .omegaignore, or leave the folder here with --no-files`
      )
    manifest.entries.set(path, mark)
    if (mark.kind === 'dir') await walk(dir, path, rules, options, manifest)
  }
}

/** Undefined for sockets, devices and pipes. */
export async function markOf(path: string, found: Stats): Promise<Mark | undefined> {
  const common = { mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, mode: found.mode & 0o777 }
  if (found.isFile()) return { kind: 'file', size: found.size, ...common }
  if (found.isDirectory()) return { kind: 'dir', size: 0, ...common }
  if (found.isSymbolicLink()) return { kind: 'link', size: 0, ...common, target: await readlink(path) }
  return undefined
}

/** Neither follows a link nor waits for the other end of a pipe that took the place of a file. */
export const READ_ITSELF = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** SHA-256 of a file's bytes; a link in its place is not followed. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, READ_ITSELF)
  try {
    const block = Buffer.allocUnsafe(256 << 10)
    for (;;) {
      const { bytesRead } = await file.read(block, 0, block.length)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(block.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

export interface Changes {
  /** Made or changed, with the mark they have now; folders before what is in them. */
  changed: Map<string, Mark>
  /** There before and not now; folders after what was in them. */
  deleted: string[]
  skipped: Manifest['skipped']
}

/** What happened in `dir` since `before`. A file whose times alone moved is read and compared by its hash. */
export async function changes(before: Manifest, dir: string, options: ManifestOptions = {}): Promise<Changes> {
  const now = await manifestOf(dir, options)
  const changed = new Map<string, Mark>()
  for (const [path, mark] of now.entries) if (!(await isSame(before, path, mark, dir))) changed.set(path, mark)
  const deleted: string[] = []
  // Not seen may also mean ignored or unreadable by now: only what is truly not there counts as deleted.
  for (const path of before.entries.keys())
    if (!now.entries.has(path) && (await isGone(join(dir, path)))) deleted.push(path)
  return { changed, deleted: deleted.reverse(), skipped: now.skipped }
}

async function isGone(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return false
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOENT' || code === 'ENOTDIR'
  }
}

/** What `now` describes at `path` in `dir` is what `before` saw there. */
export async function isSame(before: Manifest, path: string, now: Mark, dir: string): Promise<boolean> {
  const was = before.entries.get(path)
  if (was === undefined || was.kind !== now.kind) return false
  if (now.kind === 'dir') return true
  if (now.kind === 'link') return was.target === now.target
  if (was.size !== now.size || was.mode !== now.mode) return false
  // Equal times prove nothing for a file that was written in the very tick in which it was looked at.
  if (was.ctimeMs === now.ctimeMs && was.mtimeMs === now.mtimeMs && was.ctimeMs < before.at) return true
  return was.sha256 !== undefined && was.sha256 === (now.sha256 ??= await hashFile(join(dir, path)).catch(() => ''))
}

/** One line an entry, so that 200,000 of them need not be in memory between start and end of a session. */
export async function saveManifest(path: string, manifest: Manifest): Promise<void> {
  const lines = [JSON.stringify({ at: manifest.at })]
  for (const entry of manifest.entries) lines.push(JSON.stringify(entry))
  await writeFile(path, lines.join('\n'), { mode: 0o600 })
}

export async function loadManifest(path: string): Promise<Manifest> {
  const [head, ...lines] = (await readFile(path, 'utf8')).split('\n')
  const entries = new Map(lines.map((line) => JSON.parse(line) as [string, Mark]))
  return { at: (JSON.parse(head!) as { at: number }).at, entries, skipped: [] }
}
