import { afterEach, expect, test } from 'vitest'
import { closeAll, cookieOf, openDoors, PASSWORD } from './open-doors.ts'
import type { TestDoors } from './open-doors.ts'
import { MemoryLedger, MemoryPeer } from './memory-peer.ts'

afterEach(closeAll)

const HOUR_MS = 3_600_000

test('the one-time link makes the first account, signs it in as admin, and is used up', async () => {
  const doors = await openDoors()
  const link = doors.doors.firstRunLink()!
  expect(link).toMatch(new RegExp(`^${doors.loopbackOrigin}/#first-run=[A-Za-z0-9_-]{43}$`))
  const token = tokenOf(link)
  const first = await doors.loopback('POST', '/api/v1/auth/first-run', { token, name: 'Ada ', password: PASSWORD })
  expect([first.status, first.json]).toEqual([200, { name: 'ada', role: 'admin' }])
  const me = await doors.loopback('GET', '/api/v1/me', undefined, { cookie: cookieOf(first) })
  expect(me.json).toEqual({ name: 'ada', role: 'admin', via: 'browser' })
  expect(doors.doors.firstRunLink()).toBeNull()
  const second = await doors.loopback('POST', '/api/v1/auth/first-run', { token, name: 'eve', password: PASSWORD })
  expect([second.status, second.json.error.code]).toEqual([403, 'BAD_LOGIN'])
})

test('of two that use the link at the same moment one becomes the owner', async () => {
  const doors = await openDoors()
  const token = tokenOf(doors.doors.firstRunLink()!)
  const both = await Promise.all(
    ['ada', 'eve'].map((name) => doors.https('POST', '/api/v1/auth/first-run', { token, name, password: PASSWORD }))
  )
  expect(both.map(({ status }) => status).sort()).toEqual([200, 403])
  expect((await doors.local('GET', '/api/v1/users')).json).toHaveLength(1)
})

test('a wrong first-run token is refused, counted and logged', async () => {
  const doors = await openDoors({ rates: { loginsPerUser: 2, loginsPerAddress: 50, requests: 1000 } })
  const body = { token: 'x'.repeat(43), name: 'eve', password: PASSWORD }
  const answers = []
  for (let i = 0; i < 3; i++) answers.push((await doors.https('POST', '/api/v1/auth/first-run', body)).status)
  expect(answers).toEqual([403, 403, 429])
  expect(doors.log.lines.filter(({ phrase }) => phrase === 'first-run link refused')).toHaveLength(2)
})

test('a PC that joined a mesh with accounts offers no first run', async () => {
  const ledger = new MemoryLedger()
  const owner = await openDoors({ api: new MemoryPeer('den', { ledger }) })
  const joined = await openDoors({ api: new MemoryPeer('attic', { ledger }) })
  expect(joined.doors.firstRunLink()).not.toBeNull()
  await owner.firstAdmin()
  expect(joined.doors.firstRunLink()).toBeNull()
  const login = await joined.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD })
  expect(login.status).toBe(200)
})

test('while there is no account the link lets a person join a mesh, and nothing more', async () => {
  const doors = await openDoors()
  const header = { 'omega-first-run': tokenOf(doors.doors.firstRunLink()!) }
  expect((await doors.https('GET', '/api/v1/status', undefined, header)).status).toBe(200)
  expect((await doors.https('POST', '/api/v1/offers/7/accept', undefined, header)).status).toBe(200)
  expect((await doors.https('POST', '/api/v1/join', { invite: 'omega-invite:x' }, header)).status).toBe(200)
  expect(doors.api.calls.map(({ name }) => name)).toEqual(['accept', 'join'])
  expect((await doors.https('GET', '/api/v1/nodes', undefined, header)).status).toBe(401)
  expect((await doors.https('POST', '/api/v1/invites', {}, header)).status).toBe(401)
  expect((await doors.https('POST', '/api/v1/found', undefined, { 'omega-first-run': 'wrong' })).status).toBe(401)
  await doors.firstAdmin()
  expect((await doors.https('GET', '/api/v1/status', undefined, header)).status).toBe(401)
})

test('only the local socket may ask for the first-run link', async () => {
  const doors = await openDoors()
  expect((await doors.local('GET', '/api/v1/auth/first-run-link')).json).toEqual({ url: doors.doors.firstRunLink() })
  const cookie = await doors.firstAdmin()
  expect((await doors.https('GET', '/api/v1/auth/first-run-link', undefined, { cookie })).status).toBe(403)
  expect((await doors.local('GET', '/api/v1/auth/first-run-link')).json).toEqual({ url: null })
})

test('the login cookie is bound to the host on HTTPS and has another name on http://localhost', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const body = { name: 'ada', password: PASSWORD }
  const https = (await doors.https('POST', '/api/v1/auth/login', body)).headers['set-cookie']![0]!
  expect(https).toMatch(/^__Host-omega=[A-Za-z0-9_-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
  const loopback = (await doors.loopback('POST', '/api/v1/auth/login', body)).headers['set-cookie']![0]!
  expect(loopback).toMatch(/^omega=[A-Za-z0-9_-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/)
  // The name without the prefix could be set by a page of another origin on the host.
  const renamed = cookieOf({ headers: { 'set-cookie': [https] } } as never).replace('__Host-omega', 'omega')
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie: renamed })).status).toBe(401)
})

test('a wrong password and an unknown name get the same answer', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const wrong = await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: 'not the password' })
  const unknown = await doors.https('POST', '/api/v1/auth/login', { name: 'eve', password: 'not the password' })
  expect([wrong.status, wrong.text]).toEqual([403, unknown.text])
  expect(doors.log.lines).toContainEqual({ phrase: 'login refused', fields: { user: 'ada', address: '127.0.0.1' } })
})

test('a mesh without an account says where the link is', async () => {
  const doors = await openDoors()
  const answer = await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD })
  expect([answer.status, answer.json.error.code]).toEqual([409, 'NO_ACCOUNT'])
})

test('guessing is stopped before the password is looked at, for the right one too', async () => {
  const doors = await openDoors({ rates: { loginsPerUser: 3, loginsPerAddress: 50, requests: 1000 } })
  await doors.firstAdmin()
  const tries = Array.from({ length: 10 }, () =>
    doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: 'guess guess' })
  )
  const statuses = (await Promise.all(tries)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 403)).toHaveLength(3)
  expect(statuses.filter((status) => status === 429)).toHaveLength(7)
  expect((await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD })).status).toBe(429)
})

test('a login ends by logout, at every peer', async () => {
  const ledger = new MemoryLedger()
  const den = await openDoors({ api: new MemoryPeer('den', { ledger }) })
  const attic = await openDoors({ api: new MemoryPeer('attic', { ledger }) })
  const cookie = await den.firstAdmin()
  expect((await attic.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(200)
  const out = await den.https('POST', '/api/v1/auth/logout', undefined, { cookie })
  expect(out.status).toBe(204)
  expect(out.headers['set-cookie']![0]).toMatch(/^__Host-omega=;.*Secure/)
  expect((await attic.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(401)
})

test('a login ends after twelve hours without use, and after seven days with it', async () => {
  let nowMs = 1_000_000_000_000
  const doors = await openDoors({ now: () => nowMs })
  const cookie = await doors.firstAdmin()
  const status = async () => (await doors.https('GET', '/api/v1/me', undefined, { cookie })).status
  nowMs += 11 * HOUR_MS
  expect(await status()).toBe(200)
  nowMs += 11 * HOUR_MS
  expect(await status()).toBe(200)
  nowMs += 13 * HOUR_MS
  expect(await status()).toBe(401)
  const again = cookieOf(await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD }))
  for (let hours = 0; hours < 7 * 24 - 10; hours += 10) {
    nowMs += 10 * HOUR_MS
    expect((await doors.https('GET', '/api/v1/me', undefined, { cookie: again })).status).toBe(200)
  }
  nowMs += 10 * HOUR_MS
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie: again })).status).toBe(401)
})

test('a person sees their logins and ends one', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const other = cookieOf(
    await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD }, { 'user-agent': 'Phone' })
  )
  const logins = (await doors.https('GET', '/api/v1/me/logins', undefined, { cookie })).json
  expect(logins).toHaveLength(2)
  const phone = logins.find((login: { agent: string }) => login.agent === 'Phone')
  expect((await doors.https('DELETE', `/api/v1/me/logins/${phone.id}`, undefined, { cookie })).status).toBe(204)
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie: other })).status).toBe(401)
  expect((await doors.https('DELETE', `/api/v1/me/logins/${phone.id}`, undefined, { cookie })).status).toBe(404)
})

test('an admin adds a person, whose one-time link sets the password once', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const added = await doors.https('POST', '/api/v1/users', { name: 'bob', role: 'viewer' }, { cookie })
  expect(added.status).toBe(201)
  expect(added.json.link).toMatch(/\/#set-password=bob:[\w-]{43}$/)
  const body = { name: 'bob', token: added.json.link.split(':').at(-1), password: PASSWORD }
  const set = await doors.https('POST', '/api/v1/auth/set-password', body)
  expect([set.status, set.json]).toEqual([200, { name: 'bob', role: 'viewer' }])
  expect((await doors.https('POST', '/api/v1/auth/set-password', body)).status).toBe(403)
  expect((await doors.https('POST', '/api/v1/users', { name: 'bob', role: 'user' }, { cookie })).status).toBe(400)
})

test('a person without a password cannot sign in', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  await doors.local('POST', '/api/v1/users', { name: 'bob' })
  for (const password of ['', 'nobody has this password'])
    expect((await doors.https('POST', '/api/v1/auth/login', { name: 'bob', password })).status).toBe(403)
})

test('a new password ends the logins made with the old one', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const link = (await doors.local('POST', '/api/v1/users/ada/link')).json.link
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(200)
  await doors.https('POST', '/api/v1/auth/set-password', {
    name: 'ada',
    token: link.split(':').at(-1),
    password: 'another password'
  })
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(401)
  expect((await doors.https('POST', '/api/v1/auth/login', { name: 'ada', password: PASSWORD })).status).toBe(403)
})

test('a removed person is out, and a new account of the same name inherits nothing', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const cookie = await doors.person('bob', 'user')
  const made = await doors.https('POST', '/api/v1/tokens', { label: 'ci' }, { cookie })
  const authorization = `Bearer ${made.json.token}`
  expect((await doors.https('GET', '/api/v1/me', undefined, { authorization })).json).toEqual({
    name: 'bob',
    role: 'user',
    via: 'token'
  })
  expect((await doors.local('DELETE', '/api/v1/users/bob')).status).toBe(204)
  await doors.person('bob', 'admin')
  expect((await doors.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(401)
  expect((await doors.https('GET', '/api/v1/me', undefined, { authorization })).status).toBe(401)
})

test('the only admin cannot be removed', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const answer = await doors.local('DELETE', '/api/v1/users/ada')
  expect([answer.status, answer.json.error.message]).toEqual([400, expect.stringMatching(/only admin/)])
})

test('a token works without a cookie, has an end, and is revoked', async () => {
  let nowMs = 1_000_000_000_000
  const doors = await openDoors({ now: () => nowMs })
  const made = await doors.local('POST', '/api/v1/tokens', { label: 'backup', role: 'user', days: 2 })
  expect(made.json).toMatchObject({ label: 'backup', role: 'user', user: 'local' })
  const authorization = `Bearer ${made.json.token}`
  expect((await doors.https('GET', '/api/v1/nodes', undefined, { authorization })).status).toBe(200)
  expect((await doors.https('POST', '/api/v1/invites', {}, { authorization })).status).toBe(403)
  expect(JSON.stringify((await doors.local('GET', '/api/v1/tokens')).json)).not.toContain(made.json.token)
  nowMs += 3 * 24 * HOUR_MS
  expect((await doors.https('GET', '/api/v1/nodes', undefined, { authorization })).status).toBe(401)
  nowMs -= 3 * 24 * HOUR_MS
  expect((await doors.local('DELETE', `/api/v1/tokens/${made.json.id}`)).status).toBe(204)
  expect((await doors.https('GET', '/api/v1/nodes', undefined, { authorization })).status).toBe(401)
})

test('nobody makes a token above their role, and no token makes a token', async () => {
  const doors = await openDoors()
  await doors.firstAdmin()
  const cookie = await doors.person('bob', 'viewer')
  expect((await doors.https('POST', '/api/v1/tokens', { label: 'x', role: 'admin' }, { cookie })).status).toBe(403)
  const own = await doors.https('POST', '/api/v1/tokens', { label: 'x', role: 'viewer' }, { cookie })
  const authorization = `Bearer ${own.json.token}`
  expect((await doors.https('POST', '/api/v1/tokens', { label: 'y', role: 'viewer' }, { authorization })).status).toBe(
    403
  )
})

test('names and passwords that are too short, too long or reserved are refused with the reason', async () => {
  const doors = await openDoors()
  const token = tokenOf(doors.doors.firstRunLink()!)
  const tries = [
    { token, name: 'local', password: PASSWORD },
    { token, name: 'a b', password: PASSWORD },
    { token, name: 'x'.repeat(33), password: PASSWORD },
    { token, name: 'ada', password: 'short' },
    { token, name: 'ada', password: 'x'.repeat(300) }
  ]
  for (const body of tries) {
    const answer = await doors.https('POST', '/api/v1/auth/first-run', body)
    expect([answer.status, answer.json.error.code]).toEqual([400, 'BAD_REQUEST'])
    expect(answer.json.error.message).toMatch(/name|password/)
  }
})

test('no secret is in the ledger or in the log', async () => {
  const doors = await openDoors()
  const first = tokenOf(doors.doors.firstRunLink()!)
  const cookie = await doors.firstAdmin()
  const link = (await doors.local('POST', '/api/v1/users', { name: 'bob' })).json.link
  const token = (await doors.local('POST', '/api/v1/tokens', { label: 'x' })).json.token
  const ledger = doors.api.ledger
    .list('')
    .map(([key, value]) => key + Buffer.from(value).toString('latin1'))
    .join()
  const kept = ledger + JSON.stringify(doors.log.lines)
  for (const secret of [first, cookie.split('=')[1]!, link.split(':').at(-1), token, PASSWORD])
    expect(kept).not.toContain(secret)
})

const tokenOf = (link: string) => link.split('#first-run=')[1]!

test('a dead ledger record of another member counts as absent', async () => {
  const doors: TestDoors = await openDoors()
  await doors.firstAdmin()
  await doors.api.ledger.put('user/mallory', Uint8Array.of(0xff, 0x00))
  expect((await doors.local('GET', '/api/v1/users')).json).toEqual([{ name: 'ada', role: 'admin' }])
  expect((await doors.https('POST', '/api/v1/auth/login', { name: 'mallory', password: PASSWORD })).status).toBe(403)
})
