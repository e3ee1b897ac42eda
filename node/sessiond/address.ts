/**
 * Where the peer and sessiond of a data folder meet, and the secret both prove. Unix: a socket (0600) in the data folder,
 * or in a private folder of this user when that path is too long for the OS. Windows: a pipe named after the data path.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'

/** sun_path holds 104 bytes on macOS, 108 on Linux, with the closing zero. */
const SOCKET_PATH_MAX = 100
const SECRET_BYTES = 32

/** The path both ends use; makes the folder it stands in when that is not the data folder itself. */
export function sessiondSocket(dataDir: string, platform = process.platform): string {
  const data = resolve(dataDir)
  const name = createHash('sha256').update(data).digest('hex').slice(0, 16)
  if (platform === 'win32') return `\\\\.\\pipe\\omega-sessiond-${name}`
  const beside = join(data, 'sessiond.sock')
  if (Buffer.byteLength(beside) <= SOCKET_PATH_MAX) return beside
  return join(privateFolder(), `sd-${name}.sock`)
}

/** Where the display of a run is looked at; makes the folder it stands in when that is not the run's own. */
export function displaySocket(dataDir: string, session: string, epoch: number): string {
  const data = resolve(dataDir)
  const beside = join(data, 'runs', session, String(epoch), 'display.sock')
  if (Buffer.byteLength(beside) <= SOCKET_PATH_MAX) return beside
  const name = createHash('sha256').update(`${data}\0${session}\0${epoch}`).digest('hex').slice(0, 16)
  return join(privateFolder(), `display-${name}.sock`)
}

/** A folder only this user may enter, in the runtime folder of the login or the temporary folder. */
function privateFolder(): string {
  const uid = process.getuid?.() ?? 0
  const runtime = process.env.XDG_RUNTIME_DIR
  const base = runtime !== undefined && runtime.startsWith('/') && runtime.length < 60 ? runtime : shortTmp()
  const folder = join(base, `omega-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== uid)
    throw new MeshError(
      'HOST_FAILED',
      `${folder} is not a folder of this user (uid ${uid}); remove it or set XDG_RUNTIME_DIR`
    )
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700)
  return folder
}

function shortTmp(): string {
  const tmp = tmpdir()
  return Buffer.byteLength(tmp) < 60 ? tmp : '/tmp'
}

/** The secret of the data folder; made when there is none. Two that make it at once end with the same one. */
export function sessiondSecret(dataDir: string): Buffer {
  const path = join(dataDir, 'sessiond.secret')
  try {
    return readSecret(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const fresh = `${path}.${process.pid}`
  writeFileSync(fresh, randomBytes(SECRET_BYTES), { mode: 0o600 })
  try {
    linkSync(fresh, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(fresh)
  }
  return readSecret(path)
}

function readSecret(path: string): Buffer {
  const secret = readFileSync(path)
  if (secret.length !== SECRET_BYTES)
    throw new MeshError(
      'HOST_FAILED',
      `${path} is damaged (${secret.length} bytes instead of ${SECRET_BYTES}); delete it`
    )
  return secret
}
