/** Whatever JSON, bytes, query or header a caller sends to any route: an answer below 500, and the app lives. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApp } from '../../../node/http/app.ts'
import type { App } from '../../../node/http/context.ts'
import { createSecurity } from '../../../node/security/people.ts'
import { MemoryPeer } from './memory-peer.ts'
import { CHEAP, memoryLog } from './open-doors.ts'

let app: App
const log = memoryLog()
const routes: { method: string; url: string }[] = []

beforeAll(async () => {
  const api = new MemoryPeer()
  const security = createSecurity({ api, log, now: Date.now, argon2: CHEAP })
  const context = { api, log, version: '0', security, now: Date.now, urls: () => ['http://localhost'] }
  app = await buildApp(context, {
    uiDir: '/nowhere',
    hostNames: () => [],
    ca: () => 'PEM',
    localSecret: null,
    doorOf: () => 'local',
    onRoute: ({ method, url }) => routes.push({ method: String(method), url })
  })
})
afterAll(() => app.close())

const KEYS = [
  'app_uri',
  'args',
  'env',
  'token',
  'name',
  'password',
  'role',
  'label',
  'ticket',
  'invite',
  'uses',
  'forMs',
  'constraints',
  '__proto__'
]
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('exec:x', 'ada', 'x'.repeat(43), '\0', '12D3KooW', 1e308, -1)
)
const body = fc.oneof(
  fc.dictionary(fc.constantFrom(...KEYS), value, { maxKeys: 8 }).map((object) => JSON.stringify(object)),
  fc.jsonValue({ maxDepth: 4 }).map((any) => JSON.stringify(any)),
  fc.string({ unit: 'binary' })
)
const part = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  fc.constant('abcdef0123'),
  fc.constant('a'.repeat(64))
)
const query = fc.dictionary(
  fc.constantFrom('limit', 'cursor', 'state', 'node', 'from', 'follow', 'scope'),
  fc.string({ maxLength: 80 }),
  { maxKeys: 4 }
)
const header = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '_'))

test('no request makes an internal error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), body, part, query, header, async (which, payload, filled, asked, key) => {
      const { method, url } = routes[which % routes.length]!
      const path = url.replace(/:\w+|\*/g, () => encodeURIComponent(filled))
      const headers = {
        'content-type': url.includes('blobs') ? 'application/octet-stream' : 'application/json',
        'idempotency-key': key
      }
      const hasBody = method === 'POST' || method === 'PUT'
      const answer = await app.inject({
        method: method as 'GET',
        url: `${path}?${new URLSearchParams(asked)}`,
        headers,
        ...(hasBody && { payload })
      })
      // 503 is the page that is not built and a peer that is busy; 500 is what nobody expected.
      expect(answer.statusCode, `${method} ${path} ${answer.body}`).not.toBe(500)
    }),
    { numRuns: 1500 }
  )
  expect(log.lines.filter(({ phrase }) => phrase === 'unexpected error')).toEqual([])
})
