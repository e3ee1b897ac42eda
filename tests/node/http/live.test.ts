import { afterEach, expect, test, vi } from 'vitest'
import { LiveHub } from '../../../node/http/live-hub.ts'
import { createSecurity } from '../../../node/security/people.ts'
import { openLive } from './live-client.ts'
import { MemoryPeer, nodeOf, sessionOf } from './memory-peer.ts'
import type { Json } from './open-doors.ts'
import { CHEAP, closeAll, memoryLog, openDoors } from './open-doors.ts'

afterEach(async () => {
  vi.useRealTimers()
  await closeAll()
})

const ID = 'abcdef0123456789abcdef0123456789'

test('a page gets the whole first, then only what changed', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  doors.api.nodesNow.push(nodeOf('peer-of-attic', 'attic'))
  const page = await openLive(doors, { cookie })
  const snapshot = await page.next()
  expect(snapshot).toMatchObject({ t: 'snapshot', status: { name: 'den' }, sessions: [], events: [] })
  expect(snapshot.nodes.map((node: { name: string }) => node.name)).toEqual(['den', 'attic'])
  doors.api.sessionsNow.push(sessionOf(ID, 'ada'))
  doors.api.changed('sessions')
  const delta = await page.until((message) => message.sessions !== undefined)
  expect(delta).toEqual({ t: 'delta', seq: snapshot.seq + 1, sessions: [sessionOf(ID, 'ada')] })
})

test('when the last page leaves, nobody watches the peer any more', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const page = await openLive(doors, { cookie })
  await page.next()
  expect(doors.api.listeners.size).toBe(1)
  page.socket.close()
  await page.closed
  await vi.waitFor(() => expect(doors.api.listeners.size).toBe(0))
})

test('a page that says anything but resync is closed, resync gets the whole again', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const page = await openLive(doors, { cookie })
  await page.next()
  page.socket.send('{"t":"resync"}')
  expect((await page.next()).t).toBe('snapshot')
  page.socket.send('{"t":"give me all"}')
  expect((await page.closed).code).toBe(1008)
})

test('a page of a login that ends is closed with the code that says so', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  const page = await openLive(doors, { cookie })
  await page.next()
  await doors.https('POST', '/api/v1/auth/logout', undefined, { cookie })
  expect((await page.closed).code).toBe(4401)
})

test('a WebSocket from the page of another origin, or without any, is refused', async () => {
  const doors = await openDoors()
  const cookie = await doors.firstAdmin()
  for (const headers of [
    { cookie, origin: 'https://evil.example' },
    { cookie, origin: `https://localhost:${doors.doors.ports.https + 1}` },
    { cookie, origin: doors.loopbackOrigin },
    { cookie, 'sec-fetch-site': 'same-site' }
  ])
    await expect(openLive(doors, headers)).rejects.toThrow(/403/)
  await expect(openLive(doors, {})).rejects.toThrow(/401/)
  await expect(openLive(doors, { cookie, host: 'rebound.example' })).rejects.toThrow(/421/)
})

/** A hub on the fake clock, with pages whose network can be blocked. */
function hub() {
  vi.useFakeTimers()
  const api = new MemoryPeer()
  const log = memoryLog()
  const security = createSecurity({ api, log, now: Date.now, argon2: CHEAP })
  const live = new LiveHub({ api, log, version: '0', security, now: Date.now, urls: () => [] })
  const page = (login: Parameters<LiveHub['add']>[1] = null) => {
    const sent: Json[] = []
    const socket = { bufferedAmount: 0, sent, send: (text: string) => void sent.push(JSON.parse(text)), close: vi.fn() }
    const client = live.add(socket as never, login)
    return { socket, sent, client }
  }
  return { api, live, page, security }
}

test('changes within a second are one delta', () => {
  const { api, page } = hub()
  const { sent } = page()
  for (let n = 0; n < 10; n++) {
    api.sessionsNow = [sessionOf(ID, 'ada', { cpuMilli: n })]
    api.changed('sessions')
    vi.advanceTimersByTime(50)
  }
  vi.advanceTimersByTime(600)
  expect(sent.map(({ t }) => t)).toEqual(['snapshot', 'delta'])
  expect(sent[1].sessions[0].cpuMilli).toBe(9)
})

test('what is gone is named by its key', () => {
  const { api, page } = hub()
  api.sessionsNow = [sessionOf(ID, 'ada')]
  const { sent } = page()
  api.sessionsNow = []
  api.nodesNow = []
  api.changed('sessions', 'nodes')
  vi.advanceTimersByTime(1000)
  expect(sent[1]).toEqual({ t: 'delta', seq: 1, sessionsGone: [ID], nodesGone: ['peer-of-den'] })
})

test('an age that only grew and an uptime that only counted are not sent; a new reading of the same value is', () => {
  const { api, page } = hub()
  const { sent } = page()
  vi.advanceTimersByTime(1000)
  api.nodesNow = [{ ...api.nodesNow[0]!, ageMs: 2010 }]
  api.statusNow = { ...api.statusNow, uptimeS: 2 }
  api.changed('nodes', 'status')
  vi.advanceTimersByTime(1000)
  expect(sent).toHaveLength(1)
  api.nodesNow = [{ ...api.nodesNow[0]!, ageMs: 5 }]
  api.changed('nodes')
  vi.advanceTimersByTime(1000)
  expect(sent[1].nodes).toHaveLength(1)
})

test('events are sent once each', () => {
  const { api, page } = hub()
  const event = (seq: number) => ({
    seq,
    at: 0,
    kind: 'node' as const,
    level: 'info' as const,
    text: `event ${seq}`,
    subject: null
  })
  api.eventsNow = [event(1), event(2)]
  const { sent } = page()
  api.eventsNow = [event(2), event(3)]
  api.changed('events')
  vi.advanceTimersByTime(1000)
  expect(sent[1].events).toEqual([event(3)])
})

test('a quiet peer still shows that it lives', () => {
  const { page } = hub()
  const { sent } = page()
  vi.advanceTimersByTime(10_000)
  expect(sent.slice(1)).toEqual(Array(3).fill({ t: 'delta', seq: 0 }))
})

test('a page that does not read gets no queue: it is skipped and sent the whole when it reads again', () => {
  const { api, page } = hub()
  const slow = page()
  const quick = page()
  slow.socket.bufferedAmount = 5 << 20
  for (let n = 0; n < 20; n++) {
    api.sessionsNow = [sessionOf(ID, 'ada', { cpuMilli: n })]
    api.changed('sessions')
    vi.advanceTimersByTime(1000)
  }
  expect(quick.sent).toHaveLength(21)
  expect(slow.sent).toHaveLength(1)
  slow.socket.bufferedAmount = 0
  vi.advanceTimersByTime(1000)
  expect(slow.sent).toHaveLength(2)
  expect(slow.sent[1]).toMatchObject({ t: 'snapshot', seq: 20, sessions: [{ cpuMilli: 19 }] })
})

test('a page that comes late gets the state of now, with the ages of now', () => {
  const { api, page } = hub()
  page()
  vi.advanceTimersByTime(30_000)
  const late = page()
  expect(late.sent[0].nodes[0].ageMs).toBe(30_010)
  expect(api.listeners.size).toBe(1)
})

test('the ticket of a page is never older than thirty seconds, each another one', async () => {
  const { page, security } = hub()
  const user = await security.accounts.createFirst('ada', 'a long password')
  const login = security.logins.find(await security.logins.open(user, 'test'))!
  const { sent } = page(login)
  const times: number[] = []
  const tickets = new Set<string>()
  for (let second = 0; second <= 100; second++) {
    for (const message of sent.splice(0))
      if (message.handover) {
        times.push(second)
        tickets.add(message.handover.ticket)
      }
    vi.advanceTimersByTime(1000)
  }
  expect(tickets.size).toBe(times.length)
  expect(Math.max(...times.slice(1).map((time, n) => time - times[n]!))).toBeLessThanOrEqual(30)
})

test('pages beyond the bound are turned away', () => {
  const { page } = hub()
  for (let n = 0; n < 100; n++) expect(page().sent).toHaveLength(1)
  const extra = page()
  expect(extra.socket.close).toHaveBeenCalledWith(1013, expect.any(String))
  expect(extra.sent).toEqual([])
})
