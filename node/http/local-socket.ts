/**
 * The local socket: the door of the PC's own user. Unix: a socket file that only this user can open (0600), in the data
 * folder, or in the runtime folder when that path is too long for the system. Windows: a named pipe named after the data
 * folder, where both ends also prove that they can read a secret in it. Peer and CLI compute the same path.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Server } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { MeshError } from '../../protocols/errors.ts'

/** sun_path holds 104 bytes on macOS, 108 on Linux, with the final zero. */
const UNIX_PATH_MAX = 100
/** A proof is for this moment: the two ends share the PC's clock. */
const PROOF_LIFE_MS = 60_000

/** Where the peer of this data folder listens for its own user. */
export function localSocketPath(dataDir: string, platform: NodeJS.Platform = process.platform): string {
  const folder = resolve(dataDir)
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 32)
  if (platform === 'win32') return `\\\\.\\pipe\\omega-${name}`
  const direct = join(folder, 'omega.sock')
  if (Buffer.byteLength(direct) <= UNIX_PATH_MAX) return direct
  const candidates = runtimeFolders().map((runtime) => join(runtime, `omega-${name}.sock`))
  return candidates.find((path) => existsSync(path)) ?? candidates[0]!
}

/** Listens on the path, 0600. A socket file that nobody serves any more is replaced. Rejects STORE_LOCKED when one is served. */
export async function listenLocal(server: Server, path: string): Promise<void> {
  if (process.platform === 'win32') return await listenOnce(server, path)
  const folder = dirname(path)
  if (folder === sharedFallback()) ownFolder(folder)
  try {
    await listenOnce(server, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw failed(path, error)
    if (await isServed(path))
      throw new MeshError('STORE_LOCKED', `another peer serves ${path}; stop it with \`omega down\``)
    rmSync(path, { force: true })
    await listenOnce(server, path).catch((second: unknown) => Promise.reject(failed(path, second)))
  }
  chmodSync(path, 0o600)
}

/** The secret of the local socket where file permissions do not guard it (Windows). Made once, readable by the user alone. */
export function localSecret(dataDir: string): Buffer {
  const path = join(dataDir, 'local-secret')
  if (!existsSync(path)) writeFileSync(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' })
  return Buffer.from(readFileSync(path, 'latin1').trim(), 'hex')
}

/** What a client sends as `authorization: Local …`. The server answers with `omega-local-proof` over the same nonce. */
export function localCredential(secret: Buffer, nowMs: number, nonce = randomBytes(16).toString('hex')): string {
  const at = String(nowMs)
  return `${at}.${nonce}.${proof(secret, 'client', at, nonce)}`
}

/** Undefined: not from someone who can read the secret. Else the answer that proves the same of the server. */
export function checkLocalCredential(secret: Buffer, credential: string, nowMs: number): string | undefined {
  const [at, nonce, given] = credential.split('.')
  if (at === undefined || nonce === undefined || given === undefined || nonce.length > 64) return undefined
  if (!(Math.abs(nowMs - Number(at)) < PROOF_LIFE_MS)) return undefined
  const expected = Buffer.from(proof(secret, 'client', at, nonce))
  const actual = Buffer.from(given)
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined
  return proof(secret, 'server', at, nonce)
}

/** The client's check of the server's answer to its credential. */
export function checkServerProof(secret: Buffer, credential: string, answer: string): boolean {
  const [at, nonce] = credential.split('.')
  return answer === proof(secret, 'server', at ?? '', nonce ?? '')
}

function proof(secret: Buffer, side: 'client' | 'server', at: string, nonce: string): string {
  return createHmac('sha256', secret).update(`omega-local ${side} ${at} ${nonce}`).digest('hex')
}

/** The session manager's folder comes first: nobody else can write there, and it goes with the login. */
function runtimeFolders(): string[] {
  const uid = process.getuid?.() ?? 0
  const managed = `/run/user/${uid}`
  return existsSync(managed) ? [managed, sharedFallback()] : [sharedFallback()]
}

const sharedFallback = () => `/tmp/omega-${process.getuid?.() ?? 0}`

/** Makes the folder when it is missing; refuses one that somebody else made in the folder everyone may write to. */
function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stat = lstatSync(folder)
  if (!stat.isDirectory() || (process.getuid !== undefined && stat.uid !== process.getuid()))
    throw new MeshError(
      'STORE_FAILED',
      `${folder} belongs to somebody else; the local socket needs a folder of its own user`
    )
}

function listenOnce(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    // The file exists from inside listen() on: the mask closes the moment before chmod. Threads may not set it.
    const mask = isMainThread ? process.umask(0o177) : undefined
    try {
      server.listen(path, () => {
        server.off('error', fail)
        done()
      })
    } finally {
      if (mask !== undefined) process.umask(mask)
    }
  })
}

function isServed(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      answer(true)
    })
    socket.once('error', () => answer(false))
  })
}

function failed(path: string, error: unknown): MeshError {
  return new MeshError('STORE_FAILED', `cannot listen on ${path}: ${(error as Error).message}`, { cause: error })
}
