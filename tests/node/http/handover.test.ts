import { afterEach, expect, test } from 'vitest'
import { closeAll, cookieOf, openDoors } from './open-doors.ts'
import { MemoryLedger, MemoryPeer } from './memory-peer.ts'
import { openLive } from './live-client.ts'

afterEach(closeAll)

async function mesh(now: () => number = Date.now) {
  const shared = { ledger: new MemoryLedger(), members: new Map() }
  const den = await openDoors({ api: new MemoryPeer('den', shared), now })
  const attic = await openDoors({ api: new MemoryPeer('attic', shared), now })
  const cookie = await den.firstAdmin()
  const page = await openLive(den, { cookie })
  const snapshot = await page.next()
  return { den, attic, cookie, page, shared, ticket: snapshot.handover.ticket as string, urls: snapshot.handover.urls }
}

test('the ticket of the page signs the same person in at another member', async () => {
  const { attic, ticket, urls } = await mesh()
  expect(urls).toEqual([{ peerId: 'peer-of-attic', name: 'attic', url: 'https://attic:8443' }])
  const answer = await attic.https('POST', '/api/v1/auth/handover', { ticket })
  expect([answer.status, answer.json]).toEqual([200, { name: 'ada', role: 'admin' }])
  const me = await attic.https('GET', '/api/v1/me', undefined, { cookie: cookieOf(answer) })
  expect(me.json).toEqual({ name: 'ada', role: 'admin', via: 'browser' })
})

test('the login at both members is one: it is listed once and ends as one', async () => {
  const { den, attic, cookie, ticket } = await mesh()
  const second = cookieOf(await attic.https('POST', '/api/v1/auth/handover', { ticket }))
  expect((await den.https('GET', '/api/v1/me/logins', undefined, { cookie })).json).toHaveLength(1)
  await attic.https('POST', '/api/v1/auth/logout', undefined, { cookie: second })
  expect((await den.https('GET', '/api/v1/me', undefined, { cookie })).status).toBe(401)
})

test('a ticket is taken once', async () => {
  const { attic, ticket } = await mesh()
  expect((await attic.https('POST', '/api/v1/auth/handover', { ticket })).status).toBe(200)
  const again = await attic.https('POST', '/api/v1/auth/handover', { ticket })
  expect([again.status, again.json.error.message]).toEqual([403, expect.stringMatching(/used already/)])
})

test('a ticket of a login that has ended is refused', async () => {
  const { den, attic, cookie, ticket } = await mesh()
  await den.https('POST', '/api/v1/auth/logout', undefined, { cookie })
  const answer = await attic.https('POST', '/api/v1/auth/handover', { ticket })
  expect([answer.status, answer.json.error.message]).toEqual([403, expect.stringMatching(/login has ended/)])
})

test('a ticket that a non-member signed, or that was changed, is refused', async () => {
  const { attic, ticket, shared } = await mesh()
  const [body, signature] = ticket.split('.') as [string, string]
  const changed = Buffer.from(body, 'base64url')
  changed[changed.length - 1]! ^= 1
  for (const forged of [
    `${changed.toString('base64url')}.${signature}`,
    `${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    body,
    '',
    'x.y'
  ])
    expect((await attic.https('POST', '/api/v1/auth/handover', { ticket: forged })).status).toBe(403)
  shared.members.delete('peer-of-den')
  expect((await attic.https('POST', '/api/v1/auth/handover', { ticket })).status).toBe(403)
})

test('a ticket dies after its minute, with grace for PCs whose clocks differ by five', async () => {
  let nowMs = 1_000_000_000_000
  const { attic, ticket } = await mesh(() => nowMs)
  nowMs += 8 * 60_000
  const late = await attic.https('POST', '/api/v1/auth/handover', { ticket })
  expect([late.status, late.json.error.message]).toEqual([403, expect.stringMatching(/too old/)])
  nowMs -= 3 * 60_000
  expect((await attic.https('POST', '/api/v1/auth/handover', { ticket })).status).toBe(200)
})

test('the page of another origin cannot hand over', async () => {
  const { attic, ticket } = await mesh()
  const answer = await attic.https('POST', '/api/v1/auth/handover', { ticket }, { origin: 'https://evil.example' })
  expect(answer.status).toBe(403)
  expect((await attic.https('POST', '/api/v1/auth/handover', { ticket })).status).toBe(200)
})
