import { expect, test } from 'vitest'
import { checkAccess } from './access.ts'
import { findIn } from './planted.ts'

const PORTS =
  "export const PLANES = ['hello', 'mem'] as const\nexport const PLANE_ACCESS = { hello: 'probation', mem: 'member' }"
const wrong = (files: Record<string, string>) => findIn(checkAccess, { 'protocols/ports.ts': PORTS, ...files })
const route = (text: string, more = '') => wrong({ 'node/http/routes.ts': `${more}\n${text}` })

test.each([
  "app.get('/api/v1/nodes', () => [])",
  "app.post('/api/v1/nodes', { schema: {} }, () => [])",
  "app.get('/x', { config: {} }, () => [])",
  "app.get('/x', { config: { access: undefined } }, () => [])",
  'app.get(path, handler)',
  "app.route({ method: 'GET', url: '/x', handler })",
  "anything.delete('/x', options, handler)"
])('a route without an access rule is found: %s', (text) => {
  expect(route(text)).toEqual([expect.stringContaining('declares no access')])
})

test.each([
  ["app.get('/x', { config: { access: 'viewer' } }, () => [])", ''],
  ["app.route({ method: 'GET', url: '/x', config: { access: 'open' }, handler })", ''],
  ["app.get('/x', options, handler)", "const options = { config: { access: 'user' }, schema: {} } as const"],
  ["app.get('/x', { ...options, schema: {} }, handler)", "const options = { config: { access: 'user' } }"],
  ["const cached = map.get('key')", '']
])('a route with an access rule is let through: %s', (text, more) => {
  expect(route(text, more)).toEqual([])
})

test('a plane without an entry in PLANE_ACCESS is found', () => {
  const ports = PORTS.replace("'mem'] as const", "'mem', 'gossip'] as const")
  expect(wrong({ 'protocols/ports.ts': ports })).toEqual([expect.stringContaining('"gossip" has no entry')])
  expect(wrong({ 'protocols/ports.ts': 'export const x = 1' })).toHaveLength(1)
})

test('serving a libp2p protocol outside of the adapter is found', () => {
  const text = "await libp2p.handle('/mesh/extra/1', serve)"
  expect(wrong({ 'node/peer.ts': text })).toHaveLength(1)
  expect(wrong({ 'node/adapters/network.ts': text })).toEqual([])
})
