/**
 * What sessiond keeps of each run on disk: runs/<session>/<epoch>/ with run.json (state, pid, exit), log/ and, while it is
 * needed, work/. Enough for a restarted sessiond to find the orphans of a dead one and every report nobody has taken yet.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { chmod, lstat, open, opendir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Exit } from '../../protocols/ports.ts'
import type { RunKey } from './wire.ts'

export interface RunNote extends RunKey {
  state: 'starting' | 'running' | 'exited'
  pid: number
  /** Names this life of the pid (os.startTime). */
  pidStart: string
  /** First words of the command, for a person who looks into the folder. */
  command: string
  /** Milliseconds since 1970. */
  startedAt: number
  endedAt?: number
  exit?: Exit
  /** Log, result and a work folder that had to stay: what discarding would free. */
  keptBytes?: number
  acknowledged?: boolean
}

export function runFolder(dataDir: string, { session, epoch }: RunKey): string {
  return join(dataDir, 'runs', session, String(epoch))
}

export function logFolder(dataDir: string, key: RunKey): string {
  return join(runFolder(dataDir, key), 'log')
}

/** Atomic; survives a power cut when this resolves. */
export async function writeNote(dataDir: string, note: RunNote): Promise<void> {
  const folder = runFolder(dataDir, note)
  const fresh = join(folder, 'run.json.new')
  const file = await open(fresh, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(note))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, join(folder, 'run.json'))
  await syncFolder(folder)
}

/** Atomic, not flushed: outlives this process, which is all that a note before a start is for. */
export function writeNoteNow(dataDir: string, note: RunNote): void {
  const folder = runFolder(dataDir, note)
  const fresh = join(folder, 'run.json.new')
  writeFileSync(fresh, JSON.stringify(note), { mode: 0o600 })
  renameSync(fresh, join(folder, 'run.json'))
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Undefined when there is none or it is damaged. */
export async function readNote(dataDir: string, key: RunKey): Promise<RunNote | undefined> {
  try {
    return JSON.parse(await readFile(join(runFolder(dataDir, key), 'run.json'), 'utf8')) as RunNote
  } catch {
    return undefined
  }
}

export function readNoteNow(dataDir: string, key: RunKey): RunNote | undefined {
  try {
    return JSON.parse(readFileSync(join(runFolder(dataDir, key), 'run.json'), 'utf8')) as RunNote
  } catch {
    return undefined
  }
}

/** Every run folder there is, whether its note can be read or not. */
export async function listRuns(dataDir: string): Promise<{ key: RunKey; note: RunNote | undefined }[]> {
  const found: { key: RunKey; note: RunNote | undefined }[] = []
  for (const session of await namesIn(join(dataDir, 'runs')))
    if (/^[0-9a-f]{32}$/.test(session))
      for (const epoch of await epochsOf(dataDir, session)) {
        const key = { session, epoch }
        found.push({ key, note: await readNote(dataDir, key) })
      }
  return found
}

/** Epochs of a session that have a folder here, lowest first. */
export async function epochsOf(dataDir: string, session: string): Promise<number[]> {
  return (await namesIn(join(dataDir, 'runs', session)))
    .filter((name) => /^\d{1,15}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

export function makeRunFolder(dataDir: string, key: RunKey): string {
  const folder = runFolder(dataDir, key)
  for (const name of ['work', 'log']) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 })
  return folder
}

export async function removeRun(dataDir: string, key: RunKey): Promise<void> {
  await removeTree(runFolder(dataDir, key))
  // Fails while another epoch of the session has a folder there, as it should.
  await rmdir(join(dataDir, 'runs', key.session)).catch(() => {})
}

/** Also folders that a program made read-only. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 2 })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    await openFolders(folder)
    await rm(folder, { recursive: true, force: true })
  }
}

async function openFolders(folder: string): Promise<void> {
  await chmod(folder, 0o700)
  for await (const entry of await opendir(folder)) if (entry.isDirectory()) await openFolders(join(folder, entry.name))
}

/** Bytes of the files below a folder, links not followed. */
export async function treeBytes(folder: string): Promise<number> {
  let bytes = 0
  try {
    for await (const entry of await opendir(folder, { recursive: true }))
      if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size
  } catch {
    return bytes
  }
  return bytes
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
