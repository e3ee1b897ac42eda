import { request } from 'node:https'
import { afterEach, expect, test } from 'vitest'
import { MeshError } from '../../../protocols/errors.ts'
import type { SessionView } from '../../../node/http/views.ts'
import { closeAll, openDoors } from './open-doors.ts'
import type { Json, TestDoors } from './open-doors.ts'
import { nodeOf, sessionOf } from './memory-peer.ts'

afterEach(closeAll)

const ID = 'abcdef0123456789abcdef0123456789'

test('a session that no PC has room for is accepted and pending', async () => {
  const doors = await openDoors()
  const answer = await doors.local('POST', '/api/v1/sessions', { app_uri: 'exec:make', args: ['all'] })
  expect(answer.status).toBe(201)
  expect(answer.json).toMatchObject({
    durability: 1,
    session: { state: 'pending', appUri: 'exec:make', user: 'local' }
  })
  expect(answer.headers.location).toBe(`/api/v1/sessions/${answer.json.session.id}`)
})

test('only app_uri is required; the peer is given every default', async () => {
  const doors = await openDoors()
  await doors.local('POST', '/api/v1/sessions', { app_uri: 'exec:make' })
  expect(doors.api.calls[0]!.args[0]).toMatchObject({
    args: [],
    env: {},
    cpu_cores: 1,
    restart: 'no',
    constraints: { labels: {} }
  })
})

test('the same Idempotency-Key of the same person gives the same session', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const bob = await doors.person('bob', 'user')
  const cat = await doors.person('cat', 'user')
  const create = async (cookie: string, key: string) => {
    const headers = { cookie, 'idempotency-key': key }
    return (await doors.https('POST', '/session/create', { app_uri: 'exec:true' }, headers)).json.session.id
  }
  const first = await create(bob, 'build-number-7')
  expect(await create(bob, 'build-number-7')).toBe(first)
  expect(await create(bob, 'build-number-8')).not.toBe(first)
  expect(await create(cat, 'build-number-7')).not.toBe(first)
})

test.for([
  [{}, 'body.app_uri'],
  [{ app_uri: 'exec:x', cpu_cores: 0 }, 'body.cpu_cores'],
  [{ app_uri: 'exec:x', args: 'all' }, 'body.args'],
  [{ app_uri: 'exec:x', restart: 'sometimes' }, 'body.restart'],
  [[], 'body'],
  ['not json', 'JSON']
] as const)('a wrong request %j is refused and the part that is wrong is named', async ([body, named]) => {
  const doors = await openDoors()
  const answer = await doors.local('POST', '/api/v1/sessions', body, { 'content-type': 'application/json' })
  expect([answer.status, answer.json.error.code]).toEqual([400, 'BAD_REQUEST'])
  expect(answer.json.error.message).toContain(named)
  expect(doors.api.calls).toEqual([])
})

test.for([
  ['BAD_REQUEST', 400],
  ['TOO_LARGE', 413],
  ['BUSY', 503],
  ['NOT_ACTIVE', 409],
  ['STORE_FAILED', 507]
] as const)('%s of the peer is answered with %i and its own words', async ([code, status]) => {
  const doors = await openDoors()
  doors.api.refuse = new MeshError(code, 'the words of the peer')
  const answer = await doors.local('POST', '/api/v1/sessions', { app_uri: 'exec:x' })
  expect([answer.status, answer.json]).toEqual([status, { error: { code, message: 'the words of the peer' } }])
})

test('a body beyond its bound is 413 and the peer is not asked', async () => {
  const doors = await openDoors()
  const answer = await doors.local('POST', '/api/v1/sessions', {
    app_uri: 'exec:x',
    args: Array(100).fill('y'.repeat(10_000))
  })
  expect([answer.status, answer.json.error.code]).toEqual([413, 'TOO_LARGE'])
  expect(doors.api.calls).toEqual([])
})

test('what is not JSON is refused, as a form of another site would send it', async () => {
  const doors = await openDoors()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
    expect(
      (await doors.local('POST', '/api/v1/sessions', '{"app_uri":"exec:x"}', { 'content-type': type })).status
    ).toBe(415)
})

test('stopping is accepted, and a repeat gives the same answer', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'local'))
  const first = await doors.local('DELETE', `/api/v1/sessions/${ID}`)
  const second = await doors.local('DELETE', `/session/${ID}`)
  expect([first.status, first.json.state]).toEqual([202, 'stopped'])
  expect([second.status, second.json]).toEqual([202, first.json])
})

test('a person stops their own sessions, an admin all, a viewer none', async () => {
  const doors = await openDoors()
  const admin = await doors.firstAdmin()
  const bob = await doors.person('bob', 'user')
  const eve = await doors.person('eve', 'viewer')
  doors.api.sessionsNow.push(sessionOf(ID, 'bob'), sessionOf('b'.repeat(32), 'ada'))
  const stop = async (id: string, cookie: string) =>
    (await doors.https('DELETE', `/api/v1/sessions/${id}`, undefined, { cookie })).status
  expect(await stop(ID, eve)).toBe(403)
  expect(await stop('b'.repeat(32), bob)).toBe(403)
  expect(await stop(ID, bob)).toBe(202)
  expect(await stop(ID, admin)).toBe(202)
})

test('an unknown session and an impossible id are told apart', async () => {
  const doors = await openDoors()
  expect((await doors.local('GET', `/api/v1/sessions/${ID}`)).json.error.code).toBe('UNKNOWN_SESSION')
  expect((await doors.local('GET', '/api/v1/sessions/xyz')).json.error.code).toBe('BAD_REQUEST')
})

test('the list is filtered by state, PC and person', async () => {
  const doors = await openDoors()
  doors.api.nodesNow.push(nodeOf('peer-of-attic', 'attic'))
  doors.api.sessionsNow.push(
    sessionOf('a'.repeat(32), 'ada', { state: 'running', runner: 'peer-of-attic' }),
    sessionOf('b'.repeat(32), 'ada', { state: 'finished' }),
    sessionOf('c'.repeat(32), 'bob', { state: 'pending', runner: null })
  )
  const ids = async (query: string) => {
    const { sessions, total } = (await doors.local('GET', `/api/v1/sessions?${query}`)).json
    expect(total).toBe(sessions.length)
    return sessions
      .map((session: SessionView) => session.id[0])
      .sort()
      .join('')
  }
  expect(await ids('')).toBe('abc')
  expect(await ids('state=running,pending')).toBe('ac')
  expect(await ids('node=attic')).toBe('a')
  expect(await ids('node=peer-of-den&user=ada')).toBe('b')
  expect(await ids('user=zoe')).toBe('')
  expect((await doors.local('GET', '/sessions?state=asleep')).json.error.message).toMatch(
    /"asleep" is no session state/
  )
})

test('pages stay whole while new sessions come', async () => {
  const doors = await openDoors()
  const id = (n: number) => n.toString(16).padStart(32, '0')
  for (let n = 0; n < 25; n++) doors.api.sessionsNow.push(sessionOf(id(n), 'ada', { createdAt: Math.floor(n / 2) }))
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Json = (
      await doors.local('GET', `/api/v1/sessions?limit=10${cursor === '' ? '' : `&cursor=${cursor}`}`)
    ).json
    seen.push(...page.sessions.map((session: SessionView) => session.id))
    cursor = page.next
    doors.api.sessionsNow.push(sessionOf(id(1000 + seen.length), 'ada', { createdAt: 99 }))
  }
  expect(seen).toHaveLength(25)
  expect(new Set(seen).size).toBe(25)
})

test('the log is JSON lines with offsets, ended by the record', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'ada', { state: 'finished' }))
  doors.api.script = () => ({ output: [frame(1, 'one\n', 4), frame(2, 'two\n', 8), frame(1, 'three\n', 14)] })
  const lines = async (query: string) => parse((await doors.local('GET', `/api/v1/sessions/${ID}/logs${query}`)).text)
  expect(await lines('')).toEqual([
    { stream: 1, offset: 4, data: base64('one\n') },
    { stream: 2, offset: 8, data: base64('two\n') },
    { stream: 1, offset: 14, data: base64('three\n') },
    { session: expect.objectContaining({ id: ID, state: 'finished' }) }
  ])
  expect(await lines('?from=8')).toEqual([
    { stream: 1, offset: 14, data: base64('three\n') },
    { session: expect.anything() }
  ])
})

test('a followed log gives each line as it comes and the final record last', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'ada'))
  const steps = Array.from({ length: 2 }, () => Promise.withResolvers<void>())
  doors.api.script = () => ({
    output: (async function* () {
      yield frame(1, 'first', 5)
      await steps[0]!.promise
      yield frame(1, 'second', 11)
      await steps[1]!.promise
    })()
  })
  const reader = await follow(doors)
  expect(await reader.line()).toMatchObject({ offset: 5 })
  steps[0]!.resolve()
  expect(await reader.line()).toMatchObject({ offset: 11 })
  steps[1]!.resolve()
  expect(await reader.line()).toMatchObject({ session: { state: 'finished', exit: { code: 0 } } })
})

test('a reader that goes away ends the attachment', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'ada'))
  const closed = Promise.withResolvers<void>()
  doors.api.script = () => ({
    output: (async function* () {
      yield frame(1, 'first', 5)
      await closed.promise
    })(),
    close: () => closed.resolve()
  })
  const reader = await follow(doors)
  await reader.line()
  reader.stop()
  await closed.promise
})

test('a log that breaks off says why in its last line', async () => {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'ada'))
  doors.api.script = () => ({
    output: (async function* () {
      yield frame(1, 'first', 5)
      throw new MeshError('PEER_UNREACHABLE', 'attic does not answer')
    })()
  })
  const { text } = await doors.local('GET', `/api/v1/sessions/${ID}/logs?follow`)
  expect(parse(text).at(-1)).toEqual({ error: { code: 'PEER_UNREACHABLE', message: 'attic does not answer' } })
})

function frame(stream: 1 | 2, text: string, offset: number) {
  return { stream, bytes: new TextEncoder().encode(text), offset }
}
const base64 = (text: string) => Buffer.from(text).toString('base64')
const parse = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

/** Reads the log as it comes, as a person of the mesh. */
async function follow(doors: TestDoors) {
  const cookie = await doors.firstAdmin()
  const options = {
    host: 'localhost',
    port: doors.doors.ports.https,
    ca: doors.ca,
    path: `/api/v1/sessions/${ID}/logs?follow=1`,
    headers: { cookie }
  }
  const response = await new Promise<import('node:http').IncomingMessage>((done, fail) =>
    request(options, done).once('error', fail).end()
  )
  response.on('error', () => {})
  let text = ''
  const chunks = response[Symbol.asyncIterator]()
  return {
    async line(): Promise<Json> {
      for (;;) {
        const end = text.indexOf('\n')
        if (end >= 0) {
          const line = text.slice(0, end)
          text = text.slice(end + 1)
          if (line !== '') return JSON.parse(line)
        } else {
          const { value, done } = await chunks.next()
          if (done) throw new Error('the log ended')
          text += String(value)
        }
      }
    },
    stop: () => void response.destroy()
  }
}

const STRICT = { voters: ['peer-of-attic'], lease: null, awaits: ['peer-of-attic'], takenOver: null }

test('the word that a PC is off is for the user of the session and for admins, in their name', async () => {
  const doors = await openDoors()
  const admin = await doors.firstAdmin()
  const bob = await doors.person('bob', 'user')
  const cat = await doors.person('cat', 'user')
  const eve = await doors.person('eve', 'viewer')
  doors.api.sessionsNow.push(sessionOf(ID, 'bob', { mode: 'strict', strict: STRICT }))
  const take = async (cookie: string) =>
    (await doors.https('POST', `/api/v1/sessions/${ID}/takeover`, {}, { cookie })).status
  expect([await take(eve), await take(cat)]).toEqual([403, 403])
  expect([await take(bob), await take(admin)]).toEqual([202, 202])
  const words = doors.api.calls.filter((call) => call.name === 'takeOver')
  expect(words.map(({ args }) => (args[1] as { name: string }).name)).toEqual(['bob', 'ada'])
  doors.api.refuse = new MeshError('BAD_REQUEST', 'enough of the PCs are here')
  const refused = await doors.https('POST', `/api/v1/sessions/${ID}/takeover`, {}, { cookie: bob })
  expect([refused.status, refused.json.error.message]).toEqual([400, 'enough of the PCs are here'])
})

test('a strict session is shown with who votes, who may run it and whom it waits for', async () => {
  const doors = await openDoors()
  const lease = { holder: 'peer-of-attic', endsInMs: 4200, ageMs: 1800, from: 'peer-of-attic' }
  doors.api.sessionsNow.push(sessionOf(ID, 'local', { mode: 'strict', strict: { ...STRICT, lease } }))
  const { json } = await doors.local('GET', `/api/v1/sessions/${ID}`)
  expect([json.mode, json.strict]).toEqual(['strict', { ...STRICT, lease }])
})

test('the rule for two PCs is read by all and set by an admin; an anchor is named', async () => {
  const doors = await openDoors()
  const admin = await doors.firstAdmin()
  const bob = await doors.person('bob', 'user')
  const put = (cookie: string, body: Json) => doors.https('PUT', '/api/v1/tie', body, { cookie })
  expect((await doors.https('GET', '/api/v1/tie', undefined, { cookie: bob })).json).toEqual({
    rule: 'runner',
    anchor: null,
    witnesses: []
  })
  expect((await put(bob, { rule: 'both' })).status).toBe(403)
  expect((await put(admin, { rule: 'anchor', anchor: 'den' })).json).toMatchObject({ rule: 'anchor', anchor: 'den' })
  expect((await put(admin, { rule: 'oracle' })).status).toBe(400)
})
