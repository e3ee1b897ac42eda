/** A large mesh in little: how a cell looks, what it says, and where it stands. */
import { expect, test } from 'vitest'
import type { NodeView } from '../../node/http/views.ts'
import { cellWords, inPlace, lookOf } from '../../ui/lib/grid.ts'
import { fakeMesh } from './fake-mesh.ts'

const model = fakeMesh('office').nodes[0]!
const node = (change: Partial<NodeView>): NodeView => ({ ...model, state: 'alive', ...change })

test.each([
  [0, 'load-0'],
  [0.19, 'load-0'],
  [0.2, 'load-1'],
  [0.5, 'load-2'],
  [0.79, 'load-3'],
  [1, 'load-4'],
  [1.3, 'load-4']
] as const)('a PC at %d of its processor looks like %s', (cpu, look) => {
  expect(lookOf(node({ cpu: { value: cpu } }))).toBe(look)
})

test('what a PC is comes before how busy it is, and an unknown load is no zero', () => {
  const busy = { cpu: { value: 0.9 } }
  expect(lookOf(node({ ...busy, state: 'suspect' }))).toBe('silent')
  expect(lookOf(node({ ...busy, state: 'dead' }))).toBe('away')
  expect(lookOf(node({ ...busy, offer: { ...model.offer!, paused: true } }))).toBe('paused')
  expect(lookOf(node({ cpu: { missing: 'not read yet' } }))).toBe('unread')
})

test('a cell says its name, state and load; of one that does not answer no load', () => {
  expect(cellWords(node({ name: 'pc7', cpu: { value: 0.43 } }))).toBe('pc7, ready, 43%')
  expect(cellWords(node({ name: 'pc7', cpu: { value: 0.43 }, state: 'suspect' }))).toBe('pc7, not answering')
  expect(cellWords(node({ name: 'pc7', cpu: { missing: 'not read yet' } }))).toBe('pc7, ready')
})

test('cells stand by name, whatever becomes of the PCs', () => {
  const states = ['dead', 'alive', 'suspect'] as const
  const nodes = ['pc10', 'pc9', 'pc2'].map((name, i) => node({ name, state: states[i]! }))
  expect(inPlace([...nodes, node({ name: 'gone', state: 'left' })]).map((one) => one.name)).toEqual([
    'pc2',
    'pc9',
    'pc10'
  ])
})
