/** The way to another member, and what arrives there. */
import { expect, test } from 'vitest'
import { departure, DRAFTS_MAX_CHARS, members, readArrival, ticketAlive, type Member } from '../../ui/lib/handover.ts'

const den: Member = { peerId: 'den', name: 'den', url: 'https://192.168.1.23:8443' }
const atlas: Member = { peerId: 'atlas', name: 'atlas', url: 'https://192.168.1.21:8443' }

test('what departs arrives: ticket, place and drafts', () => {
  const drafts = { start: '{"command":"grep -n \\"a & b\\" # ü"}' }
  const href = departure(den, 'ti.ck-et_1', '/sessions?state=open&q=a b', drafts)
  expect(href.startsWith('https://192.168.1.23:8443/#handover=')).toBe(true)
  expect(readArrival(new URL(href).hash)).toEqual({
    kind: 'handover',
    ticket: 'ti.ck-et_1',
    route: '/sessions?state=open&q=a b',
    drafts
  })
})

test('nothing of it is in the part of the address that is sent to a server', () => {
  const url = new URL(departure({ ...den, url: 'https://den.local:8443/?x=1' }, 'secret', '/', { a: 'secret' }))
  expect(url.origin + url.pathname + url.search).toBe('https://den.local:8443/')
})

test('without a ticket the page still goes, to a sign-in', () => {
  expect(readArrival(new URL(departure(den, null, '/nodes', {})).hash)).toEqual({
    kind: 'handover',
    ticket: '',
    route: '/nodes',
    drafts: {}
  })
})

test('drafts that are too long stay behind rather than be cut', () => {
  const arrival = readArrival(new URL(departure(den, 't', '/', { start: 'x'.repeat(DRAFTS_MAX_CHARS) })).hash)
  expect(arrival).toMatchObject({ ticket: 't', drafts: {} })
})

test.each([
  '#handover=t&route=https://evil.example&draft={}',
  '#handover=t&route=%2F&draft=[1]',
  '#handover=t&draft=%7B%22a%22%3A1%7D',
  '#handover=t&draft=nonsense'
])('a fragment that somebody else wrote brings no odd place and no odd draft: %s', (hash) => {
  expect(readArrival(hash)).toEqual({ kind: 'handover', ticket: 't', route: '/', drafts: {} })
})

test('one-time links are read, routes are not mistaken for them', () => {
  expect(readArrival('#first-run=abc_DEF-1')).toEqual({ kind: 'first-run', token: 'abc_DEF-1' })
  expect(readArrival('#set-password=ben:abc')).toEqual({ kind: 'set-password', name: 'ben', token: 'abc' })
  expect(readArrival('#/nodes')).toBeNull()
  expect(readArrival('')).toBeNull()
})

test('members that answered are tried first; this peer and those that left never', () => {
  const self = { peerId: 'self', name: 'self', url: 'https://self:8443' }
  const gone = { peerId: 'gone', name: 'gone', url: 'https://gone:8443' }
  const nodes = [
    { peerId: 'self', state: 'alive' as const },
    { peerId: 'den', state: 'dead' as const },
    { peerId: 'atlas', state: 'alive' as const },
    { peerId: 'gone', state: 'left' as const }
  ]
  expect(members({ ticket: 't', urls: [self, den, gone, atlas] }, nodes, 'self')).toEqual([atlas, den])
  expect(members(null, nodes, 'self')).toEqual([])
})

test('a ticket is used only while it lives', () => {
  expect(ticketAlive(0, 59_999)).toBe(true)
  expect(ticketAlive(0, 60_000)).toBe(false)
})
