import { expect, test } from 'vitest'
import { allowedHosts, checkHost, checkOrigin, hostName } from '../../../node/security/origin.ts'

test.for([
  ['localhost:8443', 'localhost'],
  ['Den', 'den'],
  ['den.local.', 'den.local'],
  ['192.0.2.7:1', '192.0.2.7'],
  ['[2001:DB8::7]:8443', '[2001:db8::7]'],
  ['', undefined],
  [undefined, undefined],
  ['a b', undefined],
  ['user@den', undefined],
  ['den:port', undefined],
  ['den/..', undefined],
  ['[::1', undefined]
] as const)('the name in the Host header %j is %j', ([header, name]) => {
  expect(hostName(header)).toBe(name)
})

test('a peer answers for its own names and addresses, and for loopback', () => {
  const allowed = allowedHosts(['Den.local', '192.0.2.7', '2001:db8::7'])
  for (const host of ['den.local:8443', '192.0.2.7', '[2001:db8::7]:8443', 'localhost:8442', '127.0.0.1', '[::1]'])
    expect(checkHost(host, allowed)).toBeUndefined()
  for (const host of ['evil.example', 'den.local.evil.example', '192.0.2.70', '2001:db8::7', undefined])
    expect(checkHost(host, allowed)).toMatch(/does not answer for host/)
})

const facts = {
  method: 'POST',
  isUpgrade: false,
  scheme: 'https' as const,
  host: 'den:8443',
  origin: 'https://den:8443' as string | undefined,
  secFetchSite: 'same-origin' as string | undefined,
  bearer: false
}

test('a change from the page of this origin is taken', () => {
  expect(checkOrigin(facts)).toBeUndefined()
  expect(checkOrigin({ ...facts, secFetchSite: undefined })).toBeUndefined()
  expect(checkOrigin({ ...facts, origin: 'HTTPS://DEN:8443' })).toBeUndefined()
})

test.for([
  [{ origin: 'http://den:8443' }],
  [{ origin: 'https://den' }],
  [{ origin: 'https://den:84430' }],
  [{ origin: 'null' }],
  [{ origin: undefined }],
  [{ secFetchSite: 'same-site' }],
  [{ secFetchSite: 'cross-site' }],
  [{ bearer: true, origin: 'https://evil.example' }]
])('a change with %j is refused', ([forged]) => {
  expect(checkOrigin({ ...facts, ...forged })).toBeTypeOf('string')
})

test('reading needs no origin, opening a WebSocket does', () => {
  const read = { ...facts, method: 'GET', origin: undefined, secFetchSite: 'none' }
  expect(checkOrigin(read)).toBeUndefined()
  expect(checkOrigin({ ...read, isUpgrade: true })).toMatch(/Origin/)
})

test('a program with a token has no origin', () => {
  expect(checkOrigin({ ...facts, origin: undefined, bearer: true })).toBeUndefined()
})
