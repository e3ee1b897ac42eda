import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { closeAll, makeCertificate, openDoors, testCertificate } from './open-doors.ts'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  await closeAll()
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

test('the same peer answers by HTTPS, http://localhost and the local socket', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const local = await doors.local('GET', '/api/v1/status')
  const https = await doors.https('GET', '/api/v1/status', undefined, { cookie })
  expect(local.json).toEqual(https.json)
  const login = await doors.loopback('POST', '/api/v1/auth/login', { name: 'ada', password: 'correct horse battery' })
  expect(login.status).toBe(200)
})

test('the local socket takes its own user for an admin without a login', async () => {
  const doors = await openDoors()
  expect((await doors.local('GET', '/api/v1/me')).json).toEqual({ name: 'local', role: 'admin', via: 'local' })
})

test('loopback is no reason for trust: http://localhost asks for a login', async () => {
  const doors = await openDoors()
  expect((await doors.loopback('GET', '/api/v1/me')).status).toBe(401)
})

test('only the user can open the local socket', async () => {
  const doors = await openDoors()
  expect(statSync(doors.doors.socketPath).mode & 0o777).toBe(0o600)
})

test('a socket file that a killed peer left is replaced', async () => {
  const socketPath = join(folder(), 'omega.sock')
  // A server whose handle is closed by the end of a process leaves its file; a plain file stands for it.
  writeFileSync(socketPath, '')
  const doors = await openDoors({ socketPath })
  expect((await doors.local('GET', '/health')).status).toBe(200)
})

test('a second peer on a served socket is refused and the first one stays', async () => {
  const first = await openDoors()
  await expect(openDoors({ socketPath: first.doors.socketPath })).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  expect((await first.local('GET', '/health')).status).toBe(200)
})

test('a port that the user gave and that is taken is an error that names it and the setting', async () => {
  const port = portOf(await occupy())
  const defaultPorts = { port: false, localPort: false }
  await expect(openDoors({ port, defaultPorts })).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringMatching(new RegExp(`${port}.*OMEGA_PORT`))
  })
  await expect(openDoors({ localPort: port, defaultPorts })).rejects.toMatchObject({
    message: expect.stringMatching(/OMEGA_LOCAL_PORT/)
  })
})

test('a default port that is taken moves to the next free one and says so', async () => {
  const port = portOf(await occupy())
  const doors = await openDoors({ port })
  expect(doors.doors.ports.https).toBeGreaterThan(port)
  expect(doors.log.lines).toContainEqual({
    phrase: 'default port taken, moved',
    fields: { setting: 'OMEGA_PORT', from: port, to: doors.doors.ports.https }
  })
  expect((await doors.https('GET', '/health')).status).toBe(200)
})

test('after close the ports and the socket are free again', async () => {
  const doors = await openDoors()
  const { ports, socketPath } = doors.doors
  await doors.doors.close()
  const again = await openDoors({
    port: ports.https,
    localPort: ports.local,
    socketPath,
    defaultPorts: { port: false, localPort: false }
  })
  expect(again.doors.ports).toEqual(ports)
})

test('close ends connections that wait for an answer', async () => {
  const doors = await openDoors()
  const socket = await rawConnection(doors.doors.ports.local)
  const closed = new Promise((done) => socket.once('close', done))
  await doors.doors.close()
  await closed
})

test('plain HTTP is refused beyond loopback and works on it', async () => {
  await expect(openDoors({ tlsEnabled: false, bind: '' })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
    message: expect.stringMatching(/OMEGA_TLS_ENABLED/)
  })
  const doors = await openDoors({ tlsEnabled: false })
  expect(doors.doors.urls()).toEqual([
    `http://localhost:${doors.doors.ports.local}`,
    `http://localhost:${doors.doors.ports.https}`
  ])
})

test('urls name localhost first, then every address and name of the PC by HTTPS', async () => {
  const doors = await openDoors({
    bind: '',
    hostNames: () => ['den', '192.0.2.7', '2001:db8::7', 'fe80::1', '127.0.0.1']
  })
  const { https, local } = doors.doors.ports
  expect(doors.doors.urls()).toEqual([
    `http://localhost:${local}`,
    `https://192.0.2.7:${https}`,
    `https://den:${https}`,
    `https://[2001:db8::7]:${https}`
  ])
})

test('TLS below 1.3 is refused', async () => {
  const doors = await openDoors()
  const error = await new Promise<Error | undefined>((done) => {
    const socket = connectTls(
      {
        port: doors.doors.ports.https,
        host: '127.0.0.1',
        ca: doors.ca,
        servername: 'localhost',
        maxVersion: 'TLSv1.2'
      },
      () => done(undefined)
    )
    socket.once('error', done)
  })
  expect(String(error)).toMatch(/protocol version/i)
})

test('a renewed certificate is used from the next connection on', async () => {
  let tls = await testCertificate()
  const doors = await openDoors({ tls: () => tls })
  const renewed = await makeCertificate()
  expect(await servedCertificate(doors.doors.ports.https)).toBe(pemBody(tls.cert))
  tls = renewed
  expect(await servedCertificate(doors.doors.ports.https)).toBe(pemBody(renewed.cert))
})

test.for([
  ['random bytes', Buffer.from('\x16\x03\x01\xff\xff\x00garbage\x00\x01')],
  ['an unfinished head', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\nx')],
  ['a head without end', Buffer.from(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}`)],
  ['no HTTP at all', Buffer.from('SSH-2.0-OpenSSH_9\r\n\r\n')],
  ['a wrong length', Buffer.from('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n')]
] as const)('%s on the ports ends that connection and nothing else', async ([, bytes]) => {
  const doors = await openDoors()
  for (const port of [doors.doors.ports.https, doors.doors.ports.local]) {
    const socket = await rawConnection(port)
    const closed = new Promise((done) => socket.once('close', done))
    socket.end(bytes)
    socket.resume()
    await closed
  }
  expect((await doors.https('GET', '/health')).status).toBe(200)
  expect((await doors.loopback('GET', '/health')).status).toBe(200)
})

test('a URL or head beyond its bound is refused', async () => {
  const doors = await openDoors()
  expect((await doors.https('GET', `/health?${'x'.repeat(3000)}`)).status).toBe(414)
  expect((await doors.https('GET', '/health', undefined, { 'x-long': 'x'.repeat(20_000) })).status).toBe(431)
})

test('one address holds a bounded number of connections, and the door opens again when they go', async () => {
  const doors = await openDoors()
  const sockets = await Promise.all(Array.from({ length: 200 }, () => rawConnection(doors.doors.ports.local)))
  const extra = await rawConnection(doors.doors.ports.local)
  await new Promise((done) => extra.once('close', done))
  const gone = Promise.all(sockets.map((socket) => new Promise((done) => socket.once('close', done))))
  for (const socket of sockets) socket.end()
  await gone
  expect((await doors.loopback('GET', '/health')).status).toBe(200)
})

test('too many requests from one address are refused, the local socket is not limited', async () => {
  const doors = await openDoors({ rates: { loginsPerUser: 5, loginsPerAddress: 5, requests: 3 } })
  const answers = []
  for (let i = 0; i < 4; i++) answers.push((await doors.https('GET', '/health')).status)
  expect(answers).toEqual([200, 200, 200, 429])
  for (let i = 0; i < 5; i++) expect((await doors.local('GET', '/health')).status).toBe(200)
})

test('the health path says the state and nothing else', async () => {
  const doors = await openDoors()
  expect((await doors.https('GET', '/health')).json).toEqual({ state: 'active' })
  doors.api.statusNow = { ...doors.api.statusNow, phase: 'looking' }
  const looking = await doors.https('GET', '/health')
  expect([looking.status, looking.json]).toEqual([503, { state: 'looking' }])
})

test('every answer carries the headers that keep a browser safe', async () => {
  const doors = await openDoors()
  for (const path of ['/health', '/nothing', '/api/v1/nodes', '/%zz']) {
    const { headers } = await doors.https('GET', path)
    expect(headers['content-security-policy']).toMatch(/default-src 'self'.*frame-ancestors 'none'/)
    expect(headers['content-security-policy']).not.toMatch(/unsafe/)
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  }
  expect((await doors.loopback('GET', '/health')).headers['strict-transport-security']).toBeUndefined()
})

test('an error that nobody expected is logged whole and answered without its insides', async () => {
  const doors = await openDoors()
  doors.api.invite = async () => Promise.reject(new TypeError('secret detail'))
  const answer = await doors.local('POST', '/api/v1/invites', {})
  expect([answer.status, answer.json.error.code]).toEqual([500, 'INTERNAL'])
  expect(answer.text).not.toMatch(/secret/)
  expect(JSON.stringify(doors.log.lines)).toMatch(/secret detail/)
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'omega-doors-'))
  cleanUps.push(() => rmSync(path, { recursive: true, force: true }))
  mkdirSync(path, { recursive: true })
  return path
}

async function occupy(): Promise<Server> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  cleanUps.push(() => new Promise((done) => server.close(done)))
  return server
}

const portOf = (server: Server) => (server.address() as AddressInfo).port

async function rawConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await new Promise((done) => socket.once('connect', done))
  return socket
}

function servedCertificate(port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().raw.toString('base64'))
      socket.destroy()
    })
    socket.once('error', fail)
  })
}

const pemBody = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, '')
