/**
 * Files that hold secrets: readable by this PC's user alone, written whole or not at all, on disk before the call returns.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync
} from 'node:fs'
import { dirname } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'

/** Undefined when there is none. A mode that lets others read is put right at once. Throws STORE_FAILED. */
export function readPrivate(path: string, bytesMax: number): Uint8Array | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const { mode, size, uid } = fstatSync(fd)
    if (size > bytesMax) throw new Error(`it has ${size} bytes, at most ${bytesMax} are possible`)
    if (process.getuid !== undefined) {
      const me = process.getuid()
      if (uid !== me && me !== 0)
        throw new Error(`it belongs to user ${uid}, and this is user ${me}: give it back with "chown"`)
      if ((mode & 0o077) !== 0) fchmodSync(fd, 0o600)
    }
    return new Uint8Array(readFileSync(fd))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw failed('read', path, error)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Atomic and fsynced, mode 0600; a folder that it has to make is 0700. Throws STORE_FAILED; then the old content stands. */
export function writePrivate(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const fd = openSync(fresh, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(fresh, path)
    syncFolder(dirname(path))
  } catch (error) {
    rmSync(fresh, { force: true })
    throw failed('write', path, error)
  }
}

/** Gone from disk when the call returns; no error when it was not there. */
export function removePrivate(path: string): void {
  try {
    rmSync(path, { force: true })
    syncFolder(dirname(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw failed('remove', path, error)
  }
}

/** A renamed or removed entry survives a power cut only once its folder is flushed; Windows has no such call. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function failed(verb: string, path: string, error: unknown): MeshError {
  return new MeshError('STORE_FAILED', `cannot ${verb} ${path}: ${(error as Error).message}`, { cause: error })
}
