/**
 * Packs a folder for the journey out, and what a program changed in it for the journey back. Nothing is read before the
 * whole is known to fit; one file at a time, so that the process stays responsive.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import { IgnoreStack } from './ignore-files.ts'
import { FOLDER_LIMITS, sizeText } from './limits.ts'
import { changes, manifestOf } from './manifest.ts'
import type { Manifest, Mark } from './manifest.ts'
import { TarWriter } from './tar.ts'

export interface PackOptions {
  /** Default 256 MiB, before compression. */
  limitBytes?: number
  entriesMax?: number
  /** Further patterns in the syntax of .gitignore; they win. */
  ignore?: readonly string[]
}

export interface Packed {
  stream: Readable
  /** What went in; complete with hashes when the stream has ended. */
  manifest: Manifest
  files: number
  /** Bytes of the files before compression. */
  bytes: number
}

/** Rejects TOO_LARGE with the largest sub-folders and the ways out. */
export async function packFolder(dir: string, options: PackOptions = {}): Promise<Packed> {
  const rules = new IgnoreStack(['.gitignore', '.omegaignore']).with(options.ignore ?? [])
  const manifest = await manifestOf(dir, { rules, entriesMax: options.entriesMax ?? FOLDER_LIMITS.entries })
  const bytes = checkSize(dir, manifest.entries, options.limitBytes ?? FOLDER_LIMITS.bytes)
  const tar = new TarWriter()
  void writeAll(tar, dir, manifest.entries, manifest.skipped, '')
  return { stream: tar.stream, manifest, files: countFiles(manifest.entries), bytes }
}

/** A result archive holds this list first, then what changed below RESULT_FILES. */
export const RESULT_HEAD = 'result.json'
export const RESULT_FILES = 'files'

export interface ResultHead {
  v: 1
  deleted: { path: string; sha256?: string }[]
}

export interface PackedResult extends Omit<Packed, 'manifest'> {
  deleted: number
  skipped: Manifest['skipped']
}

/** What changed in `dir` since `before`; undefined when nothing did. Rejects TOO_LARGE like packFolder. */
export async function packResult(
  before: Manifest,
  dir: string,
  options: PackOptions = {}
): Promise<PackedResult | undefined> {
  const rules = new IgnoreStack(['.omegaignore']).with(options.ignore ?? [])
  const entriesMax = options.entriesMax ?? FOLDER_LIMITS.entries
  const { changed, deleted, skipped } = await changes(before, dir, { rules, withoutGit: false, entriesMax })
  if (changed.size === 0 && deleted.length === 0) return undefined
  const bytes = checkSize(dir, changed, options.limitBytes ?? FOLDER_LIMITS.bytes)
  const head: ResultHead = {
    v: 1,
    deleted: deleted.map((path) => {
      const sha256 = before.entries.get(path)?.sha256
      return sha256 === undefined ? { path } : { path, sha256 }
    })
  }
  const tar = new TarWriter()
  const content = Buffer.from(JSON.stringify(head))
  const mark: Mark = { kind: 'file', size: content.length, mtimeMs: 0, ctimeMs: 0, mode: 0o600 }
  void tar.bytes(RESULT_HEAD, mark, content).then(
    () => writeAll(tar, dir, changed, skipped, `${RESULT_FILES}/`),
    (error: Error) => tar.fail(error)
  )
  return { stream: tar.stream, files: countFiles(changed), bytes, deleted: deleted.length, skipped }
}

/** Never rejects: what goes wrong ends the stream with an error. A file that cannot be opened is left out and named. */
async function writeAll(
  tar: TarWriter,
  dir: string,
  entries: Map<string, Mark>,
  skipped: Manifest['skipped'],
  prefix: string
): Promise<void> {
  try {
    for (const [path, mark] of entries) {
      if (mark.kind !== 'file') await tar.other(prefix + path, mark)
      else {
        const hash = createHash('sha256')
        try {
          await tar.file(prefix + path, mark, join(dir, path), (bytes) => hash.update(bytes))
          mark.sha256 = hash.digest('hex')
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code
          if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'EPERM' && code !== 'ELOOP' && code !== 'ENXIO')
            throw error
          skipped.push({ path, reason: `cannot be read: ${(error as Error).message}` })
          entries.delete(path)
        }
      }
    }
    tar.finish()
  } catch (error) {
    tar.fail(error as Error)
  }
}

function countFiles(entries: Map<string, Mark>): number {
  let files = 0
  for (const mark of entries.values()) if (mark.kind !== 'dir') files++
  return files
}

function checkSize(dir: string, entries: Map<string, Mark>, limitBytes: number): number {
  let bytes = 0
  for (const mark of entries.values()) bytes += mark.size
  if (bytes <= limitBytes) return bytes
  const largest = largestParts(entries)
    .map(([name, size]) => `${name} ${sizeText(size)}`)
    .join(', ')
  throw new MeshError(
    'TOO_LARGE',
    `${dir} holds ${sizeText(bytes)}, at most ${sizeText(limitBytes)} can travel; largest: ${largest}. ` +
      'Name what need not travel in .omegaignore, or leave the folder here with --no-files'
  )
}

/** The five largest folders and files right below the top. */
function largestParts(entries: Map<string, Mark>): [string, number][] {
  const sizes = new Map<string, number>()
  for (const [path, mark] of entries) {
    const slash = path.indexOf('/')
    const name = slash !== -1 ? path.slice(0, slash + 1) : mark.kind === 'dir' ? `${path}/` : path
    sizes.set(name, (sizes.get(name) ?? 0) + mark.size)
  }
  return [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 5)
}
