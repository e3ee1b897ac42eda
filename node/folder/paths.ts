/**
 * Names inside a travelling folder: relative, with `/`, never leading out of it. What another PC names is checked here
 * before anything is written under it.
 */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'

const PATH_BYTES_MAX = 4096
const NAME_BYTES_MAX = 255
const DEPTH_MAX = 200
/** Names that Windows takes for devices, with or without an ending, and characters it does not store. */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
const WINDOWS_FORBIDDEN = /[<>:"|?*\\\u0001-\u001f]|[. ]$/

/** Why the path may not be used here, in words; undefined when it may. */
export function pathTrouble(path: string, platform = process.platform): string | undefined {
  if (path === '') return 'it is empty'
  if (path.includes('\0')) return 'it holds a zero byte'
  if (path.startsWith('/')) return 'it is absolute'
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `it is longer than ${PATH_BYTES_MAX} bytes`
  const names = path.split('/')
  if (names.length > DEPTH_MAX) return `it is more than ${DEPTH_MAX} folders deep`
  for (const name of names) {
    if (name === '' || name === '.' || name === '..') return 'it leads out of the folder or is not normal'
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `a name in it is longer than ${NAME_BYTES_MAX} bytes`
    if (platform === 'win32' && (WINDOWS_FORBIDDEN.test(name) || WINDOWS_DEVICE.test(name)))
      return 'Windows cannot store this name'
  }
  return undefined
}

/** The folders above a path, outermost first: `a/b/c` -> `a`, `a/b`. */
export function foldersAbove(path: string): string[] {
  const above: string[] = []
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) above.push(path.slice(0, at))
  return above
}

/** What two names have in common when a file system that ignores case takes them for one. */
export function foldedName(path: string): string {
  return path.normalize('NFC').toLowerCase()
}

/** True when `A` and `a` are one file in this folder. The folder holds a name with letters that was just made. */
export async function ignoresCase(folder: string, existingName: string): Promise<boolean> {
  const swapped = existingName.toUpperCase() === existingName ? existingName.toLowerCase() : existingName.toUpperCase()
  try {
    const [one, other] = await Promise.all([lstat(join(folder, existingName)), lstat(join(folder, swapped))])
    return one.ino === other.ino
  } catch {
    return false
  }
}

/** True when a component of the path is Git's own folder, however a file system may spell it. */
export function repositoryPart(path: string): string | undefined {
  const names = path.split('/')
  const at = names.findIndex((name) =>
    /^(\.git|git~\d)[. ]*$/i.test(name.replace(/[\u200c-\u200f\u202a-\u202e\ufeff]/g, ''))
  )
  return at === -1 ? undefined : names.slice(0, at + 1).join('/')
}
