import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor, decodeAs } from '../../../protocols/codec.ts'
import { choose, explain, PlacementView } from '../../../protocols/placement/index.ts'
import type { Ask, ViewRow } from '../../../protocols/placement/index.ts'
import { RecordWire } from '../../../protocols/session/index.ts'
import { record } from '../session/records.ts'

const GIB = 2 ** 30
const NOW = 1_000_000
const row = (peer: string, fields: Partial<ViewRow> = {}): ViewRow => ({
  peer,
  name: `name of ${peer}`,
  alive: true,
  paused: false,
  draining: false,
  offerCpuMilli: 4000,
  offerMemoryBytes: 8 * GIB,
  grantedCpuMilli: 0,
  grantedMemoryBytes: 0,
  busy: 0.1,
  at: NOW,
  labels: {},
  ...fields
})
const ask = (fields: Partial<Ask> = {}): Ask => ({ cpuMilli: 1000, memoryBytes: GIB, labels: [], ...fields })
function viewOf(...rows: ViewRow[]): PlacementView {
  const view = new PlacementView()
  for (const one of rows) view.put(one)
  return view
}
const order = (view: PlacementView, wanted: Ask, random = (): number => 0.5): string[] =>
  choose(view, wanted, NOW, random).ranked.map((entry) => entry.peer)

test('in a large mesh, where readings come less often, older ones count', () => {
  const large = viewOf(...Array.from({ length: 3000 }, (_, i) => row(`pc${i}`, { at: NOW - 100_000 })))
  expect(order(large, ask()).length).toBeGreaterThan(0)
  const later = viewOf(...Array.from({ length: 3000 }, (_, i) => row(`pc${i}`, { at: NOW - 451_000 })))
  expect(order(later, ask())).toEqual([])
})

test.each<[string, Partial<ViewRow>, Partial<Ask>, RegExp]>([
  ['is not alive', { alive: false }, {}, /^not reachable$/],
  ['is paused', { paused: true }, {}, /^paused by its owner$/],
  ['is going down', { draining: true }, {}, /^going down$/],
  ['is not the one asked for', {}, { on: 'b' }, /^--on asks for name of b$/],
  ['is the one excluded by id', {}, { notOn: 'a' }, /^--not-on excludes it$/],
  ['is the one excluded by name', {}, { notOn: 'name of a' }, /^--not-on excludes it$/],
  ['lacks a label', {}, { labels: [['gpu', 'yes']] }, /^no label gpu$/],
  ['has another value of a label', { labels: { gpu: 'no' } }, { labels: [['gpu', 'yes']] }, /^label gpu is no$/],
  ['failed to start it', {}, { exclude: new Map([['a', 'could not start it: no such program']]) }, /no such program/],
  ['has not been heard for a minute', { at: NOW - 60_001 }, {}, /^no recent reading from it$/],
  ['was never heard', { at: -Infinity }, {}, /^no recent reading from it$/],
  ['gives fewer cores', { offerCpuMilli: 500 }, {}, /^offers 0\.5 cores$/],
  ['gives less memory', { offerMemoryBytes: GIB / 2 }, {}, /^offers 0\.5 GiB memory$/],
  ['has its cores in use', { grantedCpuMilli: 3500 }, {}, /^only 0\.5 cores free$/],
  ['has its memory in use', { grantedMemoryBytes: 7.5 * GIB }, {}, /^only 0\.5 GiB memory free$/]
])('a PC that %s is not asked, and the reason is told', (_what, fields, wanted, reason) => {
  const view = viewOf(row('a', fields), row('b', { labels: { gpu: 'yes' } }))
  const choice = choose(view, ask(wanted), NOW, () => 0.5)
  expect(choice.ranked.map((entry) => entry.peer)).toEqual(['b'])
  const why = explain(view, ask(wanted), choice, 'b', new Map(), NOW)
  expect(why.candidates.find((one) => one.peer === 'a')).toMatchObject({
    score: null,
    reason: expect.stringMatching(reason)
  })
})

test('each filter lets pass what just fits', () => {
  const view = viewOf(
    row('a', { offerCpuMilli: 1000, offerMemoryBytes: GIB, at: NOW - 60_000, labels: { gpu: 'yes', os: 'x' } })
  )
  expect(order(view, ask({ labels: [['gpu', 'yes']], on: 'name of a', notOn: 'b' }))).toEqual(['a'])
})

test('more free room, an idler processor, the files and a fresher reading each rank a PC first', () => {
  expect(order(viewOf(row('a', { grantedCpuMilli: 2000 }), row('b')), ask())).toEqual(['b', 'a'])
  expect(order(viewOf(row('a', { grantedMemoryBytes: 6 * GIB }), row('b')), ask())).toEqual(['b', 'a'])
  expect(order(viewOf(row('a', { busy: 0.9 }), row('b')), ask())).toEqual(['b', 'a'])
  expect(order(viewOf(row('a'), row('b')), ask({ near: 'b' }))).toEqual(['b', 'a'])
  expect(order(viewOf(row('a', { at: NOW - 15_000 }), row('b')), ask())).toEqual(['b', 'a'])
})

test('an unread load counts as half, neither idle nor busy', () => {
  expect(
    order(viewOf(row('a', { busy: 0.9 }), row('b', { busy: Number.NaN }), row('c', { busy: 0.1 })), ask())
  ).toEqual(['c', 'b', 'a'])
})

test('equal PCs are asked in an order that the draw decides, so that equal work is spread', () => {
  const rows = ['a', 'b', 'c', 'd'].map((peer) => row(peer))
  const firsts = new Set<string>()
  let state = 1
  const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647
  for (let i = 0; i < 60; i++) firsts.add(order(viewOf(...rows), ask(), random)[0]!)
  expect([...firsts].sort()).toEqual(['a', 'b', 'c', 'd'])
})

test('a PC that gives no memory takes work that asks for none, with a score that is a number', () => {
  const view = viewOf(row('a', { offerMemoryBytes: 0, offerCpuMilli: 0 }))
  const choice = choose(view, ask({ cpuMilli: 0, memoryBytes: 0 }), NOW, () => 0)
  expect(choice.ranked).toHaveLength(1)
  expect(choice.ranked[0]!.score).not.toBeNaN()
})

test('every PC is in the account: the chosen first, each other with its reason', () => {
  const view = viewOf(row('a'), row('b', { alive: false }), row('c', { grantedCpuMilli: 2000 }), row('d'))
  const choice = choose(view, ask(), NOW, () => 0)
  const why = explain(view, ask(), choice, 'd', new Map([['a', 'going down']]), NOW)
  expect(why.candidates.map((one) => one.peer).sort()).toEqual(['a', 'b', 'c', 'd'])
  expect(why.candidates[0]).toMatchObject({ peer: 'd', reason: expect.stringContaining('4 of 4 offered cores free') })
  const reasons = Object.fromEntries(why.candidates.map((one) => [one.peer, one.reason]))
  expect(reasons.a).toBe('going down')
  expect(reasons.b).toBe('not reachable')
  expect(reasons.c).toMatch(/^scored lower: 2 of 4 offered cores free, processor 10 % busy$/)
  expect(why.sentence).toMatch(/^name of d: best of 3; /)
})

test('the sentence says when there was one PC only, when it was asked for, and why nobody can', () => {
  const one = viewOf(row('a'), row('b', { paused: true }))
  const sentence = (wanted: Ask, chosen?: string): string =>
    explain(
      one,
      wanted,
      choose(one, wanted, NOW, () => 0),
      chosen,
      new Map(),
      NOW
    ).sentence
  expect(sentence(ask(), 'a')).toMatch(/^name of a: the only PC that can take it; /)
  expect(sentence(ask({ on: 'a' }), 'a')).toMatch(/^name of a: asked for by name; /)
  expect(sentence(ask({ cpuMilli: 9000 }))).toBe(
    'no peer can take it now: name of a offers 4 cores; name of b paused by its owner'
  )
  const none = new PlacementView()
  expect(explain(none, ask(), { ranked: [], full: [], able: 0 }, undefined, new Map(), NOW).sentence).toBe(
    'no peer is known yet'
  )
})

test('of a hundred PCs the account names 24, counts the others, and stays within what a record takes', () => {
  const rows = Array.from({ length: 100 }, (_, i) => row(`peer${i}`, { name: 'n'.repeat(128) }))
  const view = viewOf(...rows)
  const long = new Map(rows.map(({ peer }) => [peer, `could not start it: ${'x'.repeat(400)}`]))
  const wanted = ask({ exclude: long })
  const why = explain(
    view,
    wanted,
    choose(view, wanted, NOW, () => 0),
    undefined,
    new Map(),
    NOW
  )
  expect(why.candidates).toHaveLength(24)
  expect(why.sentence).toContain('and 76 more PCs')
  const carried = { ...record(), why }
  expect(decodeAs(RecordWire, encodeCbor(carried), 'a record')).toEqual(carried)
})

test('what is chosen passes the filter and best comes first, whatever the view holds', () => {
  const anyRow = fc.record({
    alive: fc.boolean(),
    paused: fc.boolean(),
    draining: fc.boolean(),
    offerCpuMilli: fc.nat(8000),
    offerMemoryBytes: fc.nat(16).map((n) => n * GIB),
    grantedCpuMilli: fc.nat(8000),
    grantedMemoryBytes: fc.nat(16).map((n) => n * GIB),
    busy: fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: 1, noNaN: true })),
    at: fc.oneof(
      fc.constant(-Infinity),
      fc.nat(120_000).map((n) => NOW - n)
    )
  })
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 40 }), fc.nat(4000), fc.nat(8), (rows, cpuMilli, gib) => {
      const named = rows.map((fields, i) => row(`p${i}`, fields))
      const view = viewOf(...named)
      const wanted = ask({ cpuMilli, memoryBytes: gib * GIB })
      const { ranked } = choose(view, wanted, NOW, () => 0)
      const able = named.filter(
        (one) =>
          one.alive &&
          !one.paused &&
          !one.draining &&
          NOW - one.at <= 60_000 &&
          one.offerCpuMilli - one.grantedCpuMilli >= cpuMilli &&
          one.offerCpuMilli >= cpuMilli &&
          one.offerMemoryBytes - one.grantedMemoryBytes >= gib * GIB &&
          one.offerMemoryBytes >= gib * GIB
      )
      expect(ranked.map((entry) => entry.peer).sort()).toEqual(able.map((one) => one.peer).sort())
      for (let i = 1; i < ranked.length; i++) expect(ranked[i - 1]!.score).toBeGreaterThanOrEqual(ranked[i]!.score)
    })
  )
})

test('above sixteen that could take it, eight are drawn, and those with more room more often', () => {
  const view = viewOf(...Array.from({ length: 200 }, (_, i) => row(`pc${i}`, i < 20 ? { offerCpuMilli: 40_000 } : {})))
  const times = { large: 0, small: 0 }
  let seed = 1
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  for (let n = 0; n < 500; n++) {
    const choice = choose(view, ask(), NOW, random)
    expect(choice.able).toBe(200)
    expect(new Set(choice.ranked.map((entry) => entry.peer)).size).toBe(choice.ranked.length)
    expect(choice.ranked.length).toBeGreaterThan(5)
    expect(choice.ranked.length).toBeLessThanOrEqual(8)
    for (const { peer } of choice.ranked) times[Number(peer.slice(2)) < 20 ? 'large' : 'small']++
  }
  // 20 PCs with 40 slots each stand for 800 of 1,520.
  expect(times.large / (times.large + times.small)).toBeGreaterThan(0.48)
  expect(times.large / (times.large + times.small)).toBeLessThan(0.57)
})

test('who has the files is among those that are drawn, and the account says of how many', () => {
  const view = viewOf(...Array.from({ length: 100 }, (_, i) => row(`pc${i}`)))
  for (const random of [() => 0, () => 0.5, () => 0.999]) {
    const choice = choose(view, ask({ near: 'pc37' }), NOW, random)
    expect(choice.ranked[0]!.peer).toBe('pc37')
    const why = explain(view, ask(), choice, 'pc37', new Map(), NOW)
    expect(why.sentence).toContain(`best of ${choice.ranked.length} drawn from 100; `)
    expect(why.sentence).toContain(`(and ${100 - choice.ranked.length} more PCs, not listed)`)
  }
})

test('sixteen are all scored', () => {
  const view = viewOf(...Array.from({ length: 16 }, (_, i) => row(`pc${i}`)))
  expect(order(view, ask())).toHaveLength(16)
})

test('where many are full, the queues are drawn, too', () => {
  const view = viewOf(...Array.from({ length: 100 }, (_, i) => row(`pc${i}`, { grantedCpuMilli: 4000 })))
  const queues = (at: number): string[] => choose(view, ask(), NOW, () => at).full.map((entry) => entry.peer)
  expect(queues(0.1)).toHaveLength(8)
  expect(queues(0.9).filter((peer) => queues(0.1).includes(peer))).toEqual([])
})
