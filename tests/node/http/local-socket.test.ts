import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  checkLocalCredential,
  checkServerProof,
  listenLocal,
  localCredential,
  localSecret,
  localSocketPath
} from '../../../node/http/local-socket.ts'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function folder(prefix = 'omega-socket-'): string {
  const path = mkdtempSync(join(tmpdir(), prefix))
  cleanUps.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('the socket is in the data folder, and the same for peer and command', () => {
  const dataDir = folder()
  expect(localSocketPath(dataDir)).toBe(join(dataDir, 'omega.sock'))
  expect(localSocketPath(`${dataDir}/../${dataDir.split('/').at(-1)}/`)).toBe(localSocketPath(dataDir))
})

test('a path too long for the system goes to a folder of this user, one socket a data folder', async () => {
  const long = join(folder(), 'x'.repeat(120))
  const path = localSocketPath(long)
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100)
  expect(path).not.toBe(localSocketPath(`${long}y`))
  const server = createServer()
  await listenLocal(server, path)
  cleanUps.push(() => new Promise((done) => server.close(done)))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(path)).mode & 0o077).toBe(0)
  expect(localSocketPath(long)).toBe(path)
})

test('on Windows the pipe is named after the data folder', () => {
  const path = localSocketPath('/data', 'win32')
  expect(path).toMatch(/^\\\\\.\\pipe\\omega-[0-9a-f]{32}$/)
  expect(path).not.toBe(localSocketPath('/other', 'win32'))
})

test('both ends prove the secret of the data folder to each other', () => {
  const dataDir = folder()
  const secret = localSecret(dataDir)
  expect(localSecret(dataDir)).toEqual(secret)
  expect(statSync(join(dataDir, 'local-secret')).mode & 0o777).toBe(0o600)
  const credential = localCredential(secret, 1_000_000)
  const answer = checkLocalCredential(secret, credential, 1_000_500)!
  expect(checkServerProof(secret, credential, answer)).toBe(true)
  const other = localSecret(folder())
  expect(checkLocalCredential(other, credential, 1_000_500)).toBeUndefined()
  expect(checkServerProof(other, credential, answer)).toBe(false)
  expect(answer).not.toContain(credential.split('.')[2])
})

test('a proof is for its moment and is not guessed', () => {
  const secret = localSecret(folder())
  const credential = localCredential(secret, 1_000_000)
  expect(checkLocalCredential(secret, credential, 1_061_000)).toBeUndefined()
  for (const wrong of ['', '.', '..', `${credential}x`, credential.replace('1000000', '1000001'), 'NaN.x.y'])
    expect(checkLocalCredential(secret, wrong, 1_000_000)).toBeUndefined()
})
