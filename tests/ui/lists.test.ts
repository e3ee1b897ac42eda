/** Totals, history, search, filters and places. */
import { expect, test } from 'vitest'
import type { NodeView } from '../../node/http/views.ts'
import { addressText } from '../../ui/lib/address.ts'
import { awaySince, comesBack, leftThere } from '../../ui/lib/away.ts'
import { fitsNode, fitsSession } from '../../ui/lib/filter.ts'
import { find, pages } from '../../ui/lib/find.ts'
import { isKnown } from '../../ui/lib/reading.ts'
import { parseRoute, sessionPath, tabOf, withQuery } from '../../ui/lib/routes.ts'
import { spark, spanOf } from '../../ui/lib/spark.ts'
import { disk, largestFit, memoryTotal, network, processor, sharedHistory } from '../../ui/lib/totals.ts'
import { Trace } from '../../ui/lib/trace.ts'
import { percent } from '../../ui/lib/units.ts'
import { fakeMesh } from './fake-mesh.ts'

const { nodes, sessions } = fakeMesh('office')
const nameOf = (id: string) => nodes.find((n) => n.peerId === id)?.name ?? id
const age = () => 500
const withCpu = (cpu: NodeView['cpu'], cores = 4): NodeView => ({
  ...(nodes[0] as NodeView),
  cpu,
  cores: { value: cores }
})

test('a sum counts the PCs that answer and names those without the reading', () => {
  const total = processor(
    [withCpu({ value: 0.5 }), withCpu({ value: 1 }, 12), { ...withCpu({ missing: 'not read yet' }), name: 'den' }],
    age
  )
  expect(total.sum).toEqual({ value: [14, 16] })
  expect(total.counted).toBe(2)
  expect(total.without).toEqual([{ name: 'den', reason: 'not read yet' }])
  expect(total.worst?.ratio).toBe(1)
  expect(total.oldestMs).toBe(500)
})

test('a PC that is away is in no sum', () => {
  const away = nodes.filter((n) => n.state === 'dead')
  expect(away).toHaveLength(1)
  expect(memoryTotal(nodes, age)).toEqual(
    memoryTotal(
      nodes.filter((n) => n.state !== 'dead'),
      age
    )
  )
  expect(isKnown(processor(away, age).sum)).toBe(false)
})

test('with no reading at all a sum is missing, never zero', () => {
  expect(processor([withCpu({ missing: 'not read yet' })], age).sum).toEqual({ missing: 'not read yet' })
  expect(processor([], age).sum).toEqual({ missing: 'no PC reports it' })
})

test('the full disk is named although the mesh has room', () => {
  expect(disk(nodes, age).worst).toMatchObject({ name: 'den' })
  expect(network(nodes, age).worst?.ratio).toBeNull()
})

test('the largest free piece of memory is of one PC, not of the mesh', () => {
  expect(largestFit(nodes)?.name).toBe('atlas')
  expect(largestFit(nodes.filter((n) => n.state === 'dead'))).toBeNull()
})

test('a gap of one PC does not look like a fall of all', () => {
  const steady = { ...withCpu({ value: 0.5 }), history: { cpu: [0.5, 0.5, 0.5], memory: [] } }
  const gappy = { ...withCpu({ value: 0.5 }), history: { cpu: [0.5, null], memory: [] } }
  expect(sharedHistory([steady, gappy], 'cpu')).toEqual([0.5, 0.5, 0.5])
  expect(sharedHistory([{ ...steady, history: { cpu: [null, 1], memory: [] } }], 'cpu')).toEqual([null, 1])
})

test('a line has a gap where a sample is missing, and a minute of width however short it is', () => {
  const full = Array<number | null>(30).fill(0.5)
  expect(spark(full, 100, 20, 1).stroke.match(/M/g)).toHaveLength(1)
  expect(spark(full.with(10, null), 100, 20, 1).stroke.match(/M/g)).toHaveLength(2)
  expect(spark([0.5, 0.5], 100, 20, 1).stroke).toMatch(/^M96\.6 /)
  expect(spark([0], 100, 20, null).stroke).toBe('M100.0 19.0h0')
  expect(spanOf([null, 0.1, 0.78], percent)).toBe('between 10% and 78% in the last minute')
  expect(spanOf([null], percent)).toMatch(/no samples/)
})

test('the page keeps a minute of network and disk, with gaps while it heard nothing', () => {
  let trace = new Trace()
  for (let t = 0; t <= 200_000; t += 1_000) trace = trace.with(nodes, t)
  expect(trace.line('network')).toHaveLength(31)
  expect(trace.line('network').every((v) => v !== null && v > 0)).toBe(true)
  trace = trace.with(nodes, 212_000)
  expect(
    trace
      .line('disk')
      .slice(-7)
      .map((v) => v === null)
  ).toEqual([false, true, true, true, true, true, false])
  expect(
    new Trace()
      .with(nodes, 0)
      .line('disk')
      .filter((v) => v !== null)
  ).toHaveLength(1)
})

test('a PC that is away says since when, what comes back and what was left there', () => {
  const lark = nodes.find((n) => n.name === 'lark') as NodeView
  expect(awaySince(lark, (lark.lastSeenMs ?? 0) + 47 * 60_000)).toMatch(/^since .*, 47 min ago$/)
  expect(awaySince({ lastSeenMs: null }, 0)).toMatch(/not heard directly since/)
  expect(comesBack(lark)).toBe('8 cores and 16 GiB come back with it.')
  expect(comesBack({ cores: { missing: 'x' }, memoryBytes: { missing: 'x' } })).toBe('')
  expect(leftThere({ peerId: nodes[3]?.peerId ?? '' }, sessions).map((s) => s.state)).toEqual(['frozen'])
})

test('a PC is found by name, address, system, graphics, label and state', () => {
  const hits = (text: string) => nodes.filter((n) => fitsNode(n, text)).map((n) => n.name)
  expect(hits('ATLAS')).toEqual(['atlas'])
  expect(hits('192.168.1.23')).toEqual(['den'])
  expect(hits('debian 7950')).toEqual(['workbench'])
  expect(hits('gpu=l40s')).toEqual(['atlas'])
  expect(hits('away')).toEqual(['lark'])
  expect(hits('')).toHaveLength(5)
})

test('addresses are written as people do', () => {
  expect(addressText('/ip4/192.168.1.20/tcp/7777')).toBe('192.168.1.20:7777')
  expect(addressText('/ip6/fd00::2/tcp/7777')).toBe('[fd00::2]:7777')
  expect(addressText('/dns4/den.local/tcp/7777')).toBe('den.local:7777')
  expect(addressText('/unix/tmp/x')).toBe('/unix/tmp/x')
})

test('sessions are filtered by state, text and PC together', () => {
  const hits = (choice: Partial<Parameters<typeof fitsSession>[1]>) =>
    sessions.filter((s) => fitsSession(s, { state: '', text: '', node: '', ...choice }, nameOf)).length
  expect(hits({})).toBe(10)
  expect(hits({ state: 'open' })).toBe(6)
  expect(hits({ state: 'waiting' })).toBe(1)
  expect(hits({ state: 'running', node: 'atlas' })).toBe(2)
  expect(hits({ state: 'running', node: 'atlas', text: 'blend' })).toBe(1)
  expect(hits({ text: 'exit code 3' })).toBe(1)
})

test('find offers names that begin with what was typed first', () => {
  const found = find('at', pages(), nodes, sessions)
  expect(found[0]).toMatchObject({ kind: 'node', name: 'atlas' })
  expect(find('sess', pages(), nodes, sessions)[0]).toMatchObject({ kind: 'page', path: '/sessions' })
  expect(find('blender ben', pages(), nodes, sessions)).toHaveLength(1)
  expect(find('zzz', pages(), nodes, sessions)).toEqual([])
})

test('every place has an address and every address a place', () => {
  expect(parseRoute('')).toEqual({ page: 'dashboard' })
  expect(parseRoute('#/nodes/add')).toEqual({ page: 'add' })
  expect(parseRoute('#/nodes/12D3Koo')).toEqual({ page: 'node', id: '12D3Koo' })
  expect(parseRoute(`#${sessionPath('a/b')}`)).toEqual({ page: 'session', id: 'a/b' })
  expect(parseRoute('#/nodes/%E0%A4%A')).toEqual({ page: 'node', id: '%E0%A4%A' })
  expect(parseRoute('#/wherever')).toEqual({ page: 'unknown', path: '/wherever' })
  expect(tabOf(parseRoute('#/sessions/start'))).toBe('sessions')
  const route = parseRoute(`#${withQuery('/sessions', { q: 'a b&c', state: '' })}`)
  expect(route.page === 'sessions' && route.query.get('q')).toBe('a b&c')
})
