/**
 * The applications with windows that are installed on this PC, by the entries that its menus are made of (freedesktop.org,
 * "Desktop Entry Specification" 1.5). Their ids are those of the files, without the ending.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join, relative } from 'node:path'
import { APPS_MAX } from '../protocols/gossip/index.ts'
import { onPath } from './on-path.ts'

export interface Application {
  id: string
  name: string
  /** One line on what it is; '' when it says nothing. */
  comment: string
  /** The command line, with field codes. */
  exec: string
}

/** Longer ids and entries are no applications for people. */
const ID_MAX = 64
const NAME_MAX = 80
const ENTRY_MAX_BYTES = 256 << 10
/** Folders below a folder of entries. */
const DEPTH_MAX = 3

let known: { stamp: string; all: Map<string, Application> } | undefined

/** By id, sorted. Read again when a folder has changed. */
export function applications(): ReadonlyMap<string, Application> {
  if (process.platform !== 'linux') return new Map()
  const folders = entryFolders()
  const stamp = folders.map(stampOf).join(' ')
  if (known?.stamp !== stamp) known = { stamp, all: read(folders) }
  return known.all
}

/** Those of the user come first and hide others of the same id. */
function entryFolders(): string[] {
  const { XDG_DATA_HOME, XDG_DATA_DIRS, HOME } = process.env
  const own = XDG_DATA_HOME || join(HOME ?? homedir(), '.local', 'share')
  const shared = (XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(delimiter)
  return [own, ...shared].filter(isAbsolute).map((folder) => join(folder, 'applications'))
}

function stampOf(folder: string): string {
  try {
    return String(statSync(folder).mtimeMs)
  } catch {
    return '-'
  }
}

function read(folders: readonly string[]): Map<string, Application> {
  const found = new Map<string, Application | undefined>()
  for (const folder of folders)
    for (const file of entriesIn(folder, DEPTH_MAX)) {
      const id = relative(folder, file).slice(0, -'.desktop'.length).replaceAll('/', '-')
      if (id.length > ID_MAX || found.has(id)) continue
      found.set(id, readEntry(id, file))
    }
  const all = [...found.values()].filter((app) => app !== undefined)
  all.sort((a, b) => (a.id < b.id ? -1 : 1))
  return new Map(all.slice(0, APPS_MAX).map((app) => [app.id, app]))
}

function entriesIn(folder: string, depth: number): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      if (entry.name.endsWith('.desktop')) return [join(folder, entry.name)]
      return entry.isDirectory() && depth > 1 ? entriesIn(join(folder, entry.name), depth - 1) : []
    })
  } catch {
    return []
  }
}

function readEntry(id: string, file: string): Application | undefined {
  try {
    if (statSync(file).size > ENTRY_MAX_BYTES) return undefined
    return parseEntry(id, readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Undefined: it is not shown in menus, has no windows, or its program is not there. */
export function parseEntry(id: string, text: string): Application | undefined {
  const group = /^\[Desktop Entry\]\s*\n([^]*?)(?=^\[|$(?![^]))/m.exec(text.replaceAll('\r\n', '\n'))?.[1]
  if (group === undefined) return undefined
  const field = new Map<string, string>()
  for (const [, key, value] of group.matchAll(/^([A-Za-z-]+)\s*=\s*(.*?)\s*$/gm)) field.set(key!, value!)
  const is = (key: string): boolean => field.get(key) === 'true'
  const exec = field.get('Exec')
  const name = unescaped(field.get('Name') ?? '').slice(0, NAME_MAX)
  if (field.get('Type') !== 'Application' || exec === undefined || name === '') return undefined
  if (is('NoDisplay') || is('Hidden') || is('Terminal')) return undefined
  if (field.get('TryExec') !== undefined && onPath(field.get('TryExec')!) === undefined) return undefined
  const [program] = words(unescaped(exec))
  if (program === undefined || onPath(program) === undefined) return undefined
  return { id, name, comment: unescaped(field.get('Comment') ?? '').slice(0, 2 * NAME_MAX), exec: unescaped(exec) }
}

/** Its command with these files or addresses in the place of its field codes; after them where it names none. */
export function commandOf({ exec, name }: Application, files: readonly string[]): string[] {
  let placed = false
  const argv = words(exec).flatMap((word) => {
    if (/^%[fFuU]$/.test(word)) {
      placed = true
      return word === '%f' || word === '%u' ? files.slice(0, 1) : [...files]
    }
    if (/^%[ickdDnNvm]$/.test(word)) return word === '%c' ? [name] : []
    return [word.replaceAll(/%([%fFuUick])/g, (_, code: string) => (code === '%' ? '%' : code === 'c' ? name : ''))]
  })
  return placed ? argv : [...argv, ...files]
}

/** Of values in general: the escapes for white space and the backslash. */
function unescaped(value: string): string {
  return value.replaceAll(
    /\\([sntr\\])/g,
    (_, code: string) => ({ s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' })[code]!
  )
}

/** Of a command line: words, and quoted ones with an escape before ", `, $ and the backslash. */
function words(line: string): string[] {
  const found: string[] = []
  for (const [whole, quoted] of line.matchAll(/"((?:[^"\\]|\\.)*)"|[^\s"]+/g))
    found.push(quoted === undefined ? whole : quoted.replaceAll(/\\(["`$\\])/g, '$1'))
  return found
}
