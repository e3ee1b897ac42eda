import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  EventBody,
  NodeBody,
  NodeDetailBody,
  SessionBody,
  SessionPage,
  StatusBody
} from '../../../node/http/schemas.ts'
import { nodeOf, sessionOf } from './memory-peer.ts'
import { closeAll, openDoors } from './open-doors.ts'

const folders: string[] = []
afterEach(async () => {
  await closeAll()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const ID = 'abcdef0123456789abcdef0123456789'

function builtPage(): string {
  const uiDir = mkdtempSync(join(tmpdir(), 'omega-page-'))
  folders.push(uiDir)
  mkdirSync(join(uiDir, 'assets'))
  writeFileSync(join(uiDir, 'index.html'), '<!doctype html><title>Omega</title>')
  writeFileSync(join(uiDir, 'assets/index-B3xK_9-q.js'), 'export {}')
  writeFileSync(join(uiDir, 'assets/inter.woff2'), 'font')
  return uiDir
}

test('the page is open to all, its hashed files for ever, its index asked for again', async () => {
  const doors = await openDoors({ uiDir: builtPage() })
  const index = await doors.https('GET', '/')
  expect([index.status, index.text]).toEqual([200, '<!doctype html><title>Omega</title>'])
  expect(index.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' })
  const script = await doors.https('GET', '/assets/index-B3xK_9-q.js')
  expect(script.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable'
  })
  expect((await doors.https('GET', '/assets/inter.woff2')).headers['cache-control']).toBe('no-cache')
})

test('a page that the browser has is not sent again', async () => {
  const doors = await openDoors({ uiDir: builtPage() })
  const { etag } = (await doors.https('GET', '/')).headers
  const again = await doors.https('GET', '/', undefined, { 'if-none-match': etag! })
  expect([again.status, again.text]).toEqual([304, ''])
})

test.for([
  '/../secret',
  '/..%2fsecret',
  '/assets/../../secret',
  '/assets/%2e%2e/%2e%2e/secret',
  '//etc/passwd',
  '/assets',
  '/assets/'
])('no path leads out of the page: %s', async (path) => {
  const uiDir = builtPage()
  writeFileSync(join(uiDir, '../secret'), 'secret')
  folders.push(join(uiDir, '../secret'))
  const doors = await openDoors({ uiDir })
  expect((await doors.https('GET', path)).status).toBe(401)
  expect((await doors.local('GET', path)).status).toBe(404)
})

test('when the page is not built, a line says how', async () => {
  const doors = await openDoors()
  const answer = await doors.https('GET', '/')
  expect([answer.status, answer.text]).toEqual([503, expect.stringMatching(/npm run build/)])
})

test('content is uploaded, checked, found and downloaded by its hash', async () => {
  const doors = await openDoors()
  const content = Buffer.alloc(3 << 20, 'omega')
  const hash = createHash('sha256').update(content).digest('hex')
  const path = `/api/v1/blobs/${hash}`
  const type = { 'content-type': 'application/octet-stream' }
  expect((await doors.local('HEAD', path)).status).toBe(404)
  const put = await doors.local('PUT', path, content, type)
  expect([put.status, put.json]).toEqual([201, { hash, bytes: content.length }])
  expect((await doors.local('HEAD', path)).status).toBe(200)
  doors.api.blobs.set(hash, content)
  const got = await doors.local('GET', path)
  expect(createHash('sha256').update(got.text).digest('hex')).toBe(hash)
  expect(got.headers['content-type']).toBe('application/octet-stream')
})

test('content of another hash, of another type, or longer than allowed is refused', async () => {
  const doors = await openDoors()
  const path = `/api/v1/blobs/${'0'.repeat(64)}`
  const type = { 'content-type': 'application/octet-stream' }
  expect((await doors.local('PUT', path, Buffer.from('x'), type)).json.error.code).toBe('BAD_REQUEST')
  expect((await doors.local('PUT', path, { a: 1 })).status).toBe(415)
  const long = await doors.local('PUT', path, Buffer.from('x'), { ...type, 'content-length': String(300 << 20) })
  expect([long.status, long.json.error.code]).toEqual([413, 'TOO_LARGE'])
})

test('metrics count the running sessions and give a PC only the use that was read', async () => {
  const doors = await openDoors()
  doors.api.nodesNow.push(
    { ...nodeOf('peer-of-attic', 'attic'), cpu: { missing: 'no access' } },
    nodeOf('x', 'odd "name"\n')
  )
  doors.api.sessionsNow.push(
    sessionOf('a'.repeat(32), 'ada'),
    sessionOf('b'.repeat(32), 'ada'),
    sessionOf('c'.repeat(32), 'ada', { state: 'finished' })
  )
  const running = (await doors.local('GET', '/api/v1/sessions?state=running')).json.total
  const { text, headers } = await doors.local('GET', '/metrics')
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(text).toContain(`\nomega_active_sessions_total ${running}\n`)
  expect(text).toContain('\nomega_node_cpu_usage{node="den"} 25\n')
  expect(text).toContain('\nomega_counts_total{what="refusedConnections"} 3\n')
  expect(text).toContain('omega_node_cpu_usage{node="odd \\"name\\"\\n"} 25')
  expect(text).not.toMatch(/omega_node_cpu_usage\{node="attic"/)
  expect(text).toContain('process_resident_memory_bytes')
  doors.api.nodesNow = []
  doors.api.sessionsNow = []
  const after = (await doors.local('GET', '/metrics')).text
  expect(after).toContain('\nomega_active_sessions_total 0\n')
  expect(after).not.toContain('omega_node_cpu_usage{')
})

test('the docs are a page and a document of every route, served from here alone', async () => {
  const doors = await openDoors()
  const page = await doors.local('GET', '/docs')
  expect(page.status).toBe(200)
  expect(page.text).not.toMatch(/https?:\/\//)
  expect(page.headers['content-security-policy']).toMatch(/script-src 'self';/)
  for (const [, asset] of page.text.matchAll(/(?:src|href)="\.?\/?((?:docs\/)?static\/[^"]+)"/g))
    expect((await doors.local('GET', `/${asset!.startsWith('docs') ? asset : `docs/${asset}`}`)).status).toBe(200)
  const { paths } = (await doors.local('GET', '/docs/json')).json
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining([
      '/api/v1/sessions',
      '/session/create',
      '/nodes',
      '/node/{id}/health',
      '/health',
      '/metrics'
    ])
  )
  expect(paths['/api/v1/sessions'].post.requestBody.content['application/json'].schema.required).toEqual(['app_uri'])
  expect(paths['/'] ?? paths['/docs/*']).toBeUndefined()
})

test('the docs ask a stranger to sign in, down to their files', async () => {
  const doors = await openDoors()
  for (const path of ['/docs', '/docs/json', '/docs/static/swagger-ui.css'])
    expect((await doors.https('GET', path)).status).toBe(401)
})

test.for([
  ['GET', '/sessions', '/api/v1/sessions'],
  ['GET', '/nodes', '/api/v1/nodes'],
  ['GET', '/node/den/health', '/api/v1/nodes/den'],
  ['DELETE', `/session/${ID}`, `/api/v1/sessions/${ID}`]
] as const)('the short path %s %s answers as its long one', async ([method, short, long]) => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'local'))
  const answers = [await doors.local(method, short), await doors.local(method, long)]
  expect(answers[0]!.json).toEqual(answers[1]!.json)
  expect(answers[0]!.status).toBe(answers[1]!.status)
})

test('system metrics are of this PC, or of all when asked', async () => {
  const doors = await openDoors()
  doors.api.nodesNow.push(nodeOf('peer-of-attic', 'attic'))
  expect((await doors.local('GET', '/metrics/system')).json.name).toBe('den')
  expect((await doors.local('GET', '/metrics/system?scope=mesh')).json).toHaveLength(2)
})

test('dashboard totals say how many PCs they are made of, and are null without a reading', async () => {
  const doors = await openDoors()
  const missing = { missing: 'no access' }
  doors.api.nodesNow.push(
    { ...nodeOf('peer-of-attic', 'attic'), cores: { value: 12 }, cpu: { value: 0.75 }, ageMs: 900 },
    { ...nodeOf('peer-of-hall', 'hall'), cpu: missing, memoryBytes: missing },
    { ...nodeOf('peer-of-shed', 'shed'), state: 'dead' }
  )
  const totals = (await doors.local('GET', '/api/dashboard/metrics')).json
  expect(totals.nodes).toEqual({ alive: 3, total: 4 })
  expect(totals.cores).toEqual({ value: 20, nodes: 3, oldestMs: 900 })
  expect(totals.cpu).toEqual({ value: (4 * 0.25 + 12 * 0.75) / 16, nodes: 2, oldestMs: 900 })
  expect(totals.memoryBytes.nodes).toBe(2)
  expect(totals.diskBytes).toEqual({ value: null, nodes: 0, oldestMs: null })
})

test('node health says whether this PC can run work', async () => {
  const doors = await openDoors()
  expect((await doors.local('GET', '/node/health')).json).toMatchObject({ state: 'active', runsSessions: true })
  doors.api.statusNow = { ...doors.api.statusNow, leash: { connected: false, children: 0 } }
  const broken = await doors.local('GET', '/node/health')
  expect([broken.status, broken.json.runsSessions]).toEqual([503, false])
})

test('answers are what the document says', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'ada', { placement: { sentence: 'it is idle', candidates: [] } }))
  doors.api.eventsNow.push({ seq: 1, at: 0, kind: 'peer', level: 'info', text: 'up', subject: null })
  const get = async (path: string) => (await doors.local('GET', path)).json
  StatusBody.parse(await get('/api/v1/status'))
  NodeBody.array().parse(await get('/api/v1/nodes'))
  NodeDetailBody.parse(await get('/api/v1/nodes/den'))
  SessionPage.parse(await get('/api/v1/sessions'))
  SessionBody.parse(await get(`/api/v1/sessions/${ID}`))
  EventBody.array().parse(await get('/api/v1/events'))
})

test('invites, the door, pausing and ending reach the peer with their bounds checked', async () => {
  const doors = await openDoors()
  expect((await doors.local('POST', '/api/v1/invites', { uses: 3, ttlMs: 60_000 })).status).toBe(201)
  expect((await doors.local('POST', '/api/v1/invites')).status).toBe(201)
  expect((await doors.local('POST', '/api/v1/door', { forMs: 60_000 })).status).toBe(200)
  expect((await doors.local('DELETE', '/api/v1/door')).status).toBe(200)
  expect((await doors.local('POST', '/api/v1/nodes/den/pause')).status).toBe(200)
  expect((await doors.local('POST', '/api/v1/resume')).status).toBe(200)
  expect((await doors.local('POST', '/api/v1/down', { keepSessions: true })).status).toBe(202)
  for (const [path, body] of [
    ['/api/v1/invites', { uses: 0 }],
    ['/api/v1/invites', { ttlMs: 1e12 }],
    ['/api/v1/door', { forMs: 1e9 }],
    ['/api/v1/join', {}]
  ] as const)
    expect((await doors.local('POST', path, body)).status).toBe(400)
  const local = { name: 'local', role: 'admin', via: 'local' }
  expect(doors.api.calls).toEqual([
    { name: 'invite', args: [{ uses: 3, ttlMs: 60_000 }] },
    { name: 'invite', args: [{ uses: 1, ttlMs: 86_400_000 }] },
    { name: 'openDoor', args: [60_000] },
    { name: 'closeDoor', args: [] },
    { name: 'pause', args: ['den', local] },
    { name: 'resume', args: [undefined, local] },
    { name: 'down', args: [{ keepSessions: true }] }
  ])
})
