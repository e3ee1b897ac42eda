/** Requests that a foreign page or a rebound name can make a browser send, at every kind of route that changes something. */
import { afterEach, expect, test } from 'vitest'
import { closeAll, openDoors } from './open-doors.ts'

afterEach(closeAll)

const CHANGES = [
  ['POST', '/api/v1/sessions', { app_uri: 'exec:x' }],
  ['POST', '/session/create', { app_uri: 'exec:x' }],
  ['DELETE', '/api/v1/sessions/abcdef0123456789', undefined],
  ['POST', '/api/v1/invites', {}],
  ['POST', '/api/v1/door', {}],
  ['POST', '/api/v1/down', {}],
  ['POST', '/api/v1/leave', undefined],
  ['POST', '/api/v1/users', { name: 'eve', role: 'admin' }],
  ['POST', '/api/v1/tokens', { label: 'x' }],
  ['POST', '/api/v1/auth/logout', undefined],
  ['PUT', `/api/v1/blobs/${'0'.repeat(64)}`, Buffer.from('x')]
] as const

test('no forged request reaches the peer, whatever cookie it carries', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const forgeries: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://localhost:${doors.doors.ports.https}` },
    { origin: `https://localhost:${doors.doors.ports.https + 1}` },
    { origin: `${doors.httpsOrigin}.evil.example` },
    { origin: `https://localhost`, host: 'localhost.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' }
  ]
  for (const [method, path, body] of CHANGES) {
    const type = { 'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json' }
    for (const forged of forgeries) {
      const answer = await doors.https(method, path, body, { cookie, ...(body && type), ...forged })
      expect([403, 421], `${method} ${path} with ${JSON.stringify(forged)}`).toContain(answer.status)
    }
  }
  expect(doors.api.calls).toEqual([])
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(200)
})

test('a request that changes something needs an origin; with a token it does not', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const port = doors.doors.ports.https
  const { json } = await doors.local('POST', '/api/v1/tokens', { label: 'x', role: 'admin' })
  const raw = async (headers: Record<string, string>) => {
    const response = await doors.withoutOrigin('POST', '/api/v1/invites', {}, { host: `localhost:${port}`, ...headers })
    return response.status
  }
  expect(await raw({ cookie })).toBe(403)
  expect(await raw({ authorization: `Bearer ${json.token}` })).toBe(201)
})

test('a name that does not belong to this PC is misdirected, for readers too', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const status = async (host: string) => (await doors.https('GET', '/api/v1/nodes', undefined, { cookie, host })).status
  for (const host of ['rebound.example', '192.0.2.8', 'localhost.evil', '[2001:db8::1]', 'den.evil'])
    expect(await status(host), host).toBe(421)
  for (const host of ['localhost', 'LOCALHOST:8443', 'den', 'Den:8443', '192.0.2.7:8443', '127.0.0.1', '[::1]:8443'])
    expect(await status(host), host).toBe(200)
})

test('no answer invites another origin', async () => {
  const doors = await openDoors()
  const answer = await doors.https('OPTIONS', '/api/v1/sessions', undefined, {
    origin: 'https://evil.example',
    'access-control-request-method': 'POST'
  })
  expect(answer.status).toBe(401)
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
})
