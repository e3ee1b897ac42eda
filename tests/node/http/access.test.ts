/** Every route × everyone who may stand before it. The table is written by hand: a new route is a line here, on purpose. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { requireAccess } from '../../../node/http/access.ts'
import type { Access } from '../../../node/http/access.ts'
import { buildApp } from '../../../node/http/app.ts'
import type { App } from '../../../node/http/context.ts'
import { createSecurity } from '../../../node/security/people.ts'
import { MemoryPeer, SIMULATED } from './memory-peer.ts'
import { CHEAP, memoryLog } from './open-doors.ts'

const EXPECTED: Record<string, Access> = {
  'GET /health': 'open',
  'GET /': 'open',
  'POST /api/v1/auth/first-run': 'open',
  'POST /api/v1/auth/login': 'open',
  'POST /api/v1/auth/set-password': 'open',
  'POST /api/v1/auth/handover': 'open',
  'GET /api/v1/status': 'first-run-viewer',
  'POST /api/v1/join': 'first-run',
  'POST /api/v1/offers/:id/accept': 'first-run',
  'POST /api/v1/found': 'first-run',
  'GET /api/v1/nodes': 'viewer',
  'GET /api/v1/apps': 'viewer',
  'GET /api/v1/nodes/:id': 'viewer',
  'GET /api/v1/events': 'viewer',
  'GET /api/v1/sessions': 'viewer',
  'GET /api/v1/sessions/:id': 'viewer',
  'GET /api/v1/sessions/:id/logs': 'viewer',
  'GET /api/v1/live': 'viewer',
  'GET /api/v1/tie': 'viewer',
  'GET /api/v1/simulation': 'viewer',
  'GET /api/v1/ca': 'viewer',
  'GET /api/v1/me': 'viewer',
  'GET /api/v1/me/logins': 'viewer',
  'DELETE /api/v1/me/logins/:id': 'viewer',
  'GET /api/v1/tokens': 'viewer',
  'POST /api/v1/tokens': 'viewer',
  'DELETE /api/v1/tokens/:id': 'viewer',
  'POST /api/v1/auth/logout': 'viewer',
  'GET /metrics': 'viewer',
  'GET /docs': 'viewer',
  'GET /docs/*': 'viewer',
  'GET /sessions': 'viewer',
  'GET /nodes': 'viewer',
  'GET /node/:id/health': 'viewer',
  'GET /node/health': 'viewer',
  'GET /metrics/system': 'viewer',
  'GET /api/dashboard/metrics': 'viewer',
  'POST /api/v1/sessions': 'user',
  'DELETE /api/v1/sessions/:id': 'user',
  'DELETE /api/v1/sessions/:id/forks': 'user',
  'POST /api/v1/sessions/:id/takeover': 'user',
  'GET /api/v1/sessions/:id/attach': 'user',
  'GET /api/v1/sessions/:id/display': 'user',
  'PUT /api/v1/blobs/:hash': 'user',
  'HEAD /api/v1/blobs/:hash': 'user',
  'GET /api/v1/blobs/:hash': 'user',
  'POST /session/create': 'user',
  'DELETE /session/:id': 'user',
  'POST /api/v1/nodes/:id/pause': 'admin',
  'POST /api/v1/nodes/:id/resume': 'admin',
  'POST /api/v1/pause': 'admin',
  'POST /api/v1/simulation/speed': 'admin',
  'POST /api/v1/simulation/peers': 'admin',
  'POST /api/v1/simulation/peers/:id/:deed': 'admin',
  'POST /api/v1/resume': 'admin',
  'POST /api/v1/invites': 'admin',
  'POST /api/v1/door': 'admin',
  'DELETE /api/v1/door': 'admin',
  'POST /api/v1/leave': 'admin',
  'PUT /api/v1/tie': 'admin',
  'POST /api/v1/down': 'admin',
  'GET /api/v1/users': 'admin',
  'POST /api/v1/users': 'admin',
  'POST /api/v1/users/:name/link': 'admin',
  'DELETE /api/v1/users/:name': 'admin',
  'GET /api/v1/auth/first-run-link': 'local'
}

/** Which of these come in, for each kind of access. */
const ENTERS: Record<Access, string[]> = {
  open: ['nobody', 'viewer', 'user', 'admin', 'local'],
  'first-run': ['admin', 'local'],
  'first-run-viewer': ['viewer', 'user', 'admin', 'local'],
  viewer: ['viewer', 'user', 'admin', 'local'],
  user: ['user', 'admin', 'local'],
  admin: ['admin', 'local'],
  local: ['local']
}
const EVERYBODY = ENTERS.open

let app: App
const found = new Map<string, Access>()
const bearer: Record<string, string> = {}

beforeAll(async () => {
  const api = new MemoryPeer()
  const log = memoryLog()
  const security = createSecurity({ api, log, now: Date.now, argon2: CHEAP })
  const simulation = { view: () => SIMULATED, setSpeed: () => {}, apply: () => {} }
  const context = { api, log, version: '0', security, now: Date.now, urls: () => [], simulation }
  app = await buildApp(context, {
    uiDir: '/nowhere',
    hostNames: () => [],
    ca: () => 'PEM',
    localSecret: null,
    doorOf: (request) => (request.headers['x-test-door'] === 'local' ? 'local' : 'https'),
    onRoute: ({ method, url, config }) => found.set(`${String(method)} ${url}`, config!.access!)
  })
  for (const role of ['viewer', 'user', 'admin'] as const) {
    const made = await security.tokens.create({ name: 'local', role: 'admin', via: 'local' }, role, role, 1)
    bearer[role] = `Bearer ${made.token}`
  }
})
afterAll(() => app.close())

test('the routes and their access are those of the table', () => {
  expect(Object.fromEntries([...found].sort())).toEqual(Object.fromEntries(Object.entries(EXPECTED).sort()))
})

test.for(Object.entries(EXPECTED))('%s lets in who has %s, and nobody else', async ([route, access]) => {
  const [method, url] = route.split(' ') as ['GET', string]
  for (const person of EVERYBODY) {
    const { statusCode } = await knock(method, url, person)
    if (ENTERS[access].includes(person)) expect.soft(statusCode, `${person} at ${route}`).not.toBe(401)
    else expect.soft(statusCode, `${person} at ${route}`).toBe(person === 'nobody' ? 401 : 403)
  }
})

test.for([
  'GET /nothing',
  'POST /api/v1/nothing',
  'GET /api/v1/sessions/../../etc',
  'DELETE /',
  'OPTIONS /api/v1/status',
  'GET /docs/../x'
])('%s, which does not exist, answers a stranger 401 and a member 404', async (route) => {
  const [method, url] = route.split(' ') as ['GET', string]
  expect((await knock(method, url, 'nobody')).statusCode).toBe(401)
  expect((await knock(method, url, 'viewer')).statusCode).toBe(404)
})

test('a refusal has a code and a sentence', async () => {
  const answer = await knock('GET', '/api/v1/nodes', 'nobody')
  expect(answer.json()).toEqual({ error: { code: 'UNAUTHENTICATED', message: 'sign in first' } })
})

test('a route without access does not register', () => {
  expect(() => requireAccess({ method: 'GET', url: '/x', handler: () => {} })).toThrow(/declares no access/)
})

test('a real peer has no route of the simulator', async () => {
  const api = new MemoryPeer()
  const log = memoryLog()
  const urls: string[] = []
  const security = createSecurity({ api, log, now: Date.now, argon2: CHEAP })
  const real = await buildApp(
    { api, log, version: '0', security, now: Date.now, urls: () => [] },
    {
      uiDir: '/nowhere',
      hostNames: () => [],
      ca: () => 'PEM',
      localSecret: null,
      doorOf: () => 'https',
      onRoute: ({ url }) => urls.push(url)
    }
  )
  expect(urls).toContain('/api/v1/live')
  expect(urls.filter((url) => url.includes('simulation'))).toEqual([])
  await real.close()
})

function knock(method: 'GET', url: string, person: string) {
  const path = url
    .replace(':hash', 'a'.repeat(64))
    .replace(':id', 'abcdef0123456789')
    .replace(':name', 'zoe')
    .replace(':deed', 'heal')
  const headers: Record<string, string> = { host: 'localhost' }
  if (person === 'local') headers['x-test-door'] = 'local'
  else if (person === 'nobody') headers.origin = 'https://localhost'
  else headers.authorization = bearer[person]!
  return app.inject({ method, url: path, headers })
}
