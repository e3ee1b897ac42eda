import { expect, test } from 'vitest'
import { leaseOf } from '../../../protocols/register/index.ts'
import type { Config } from '../../../protocols/register/index.ts'
import { ID, Table } from './table.ts'

function keepers(table: Table): Config | undefined {
  table.do('D', { k: 'know', id: ID, cfg: { ver: 1, voters: ['A'] } })
  table.do('D', { k: 'change', id: ID, change: { k: 'read' }, attempt: `read.${table.now}`, withinMs: 5_000 })
  table.pass(5_001)
  return table.seat('D').last('done')!.value?.cfg
}

test('a register moves from its maker to others, step by step, and its holder does not notice', () => {
  const table = new Table('A', 'B', 'C', 'D')
  table.found('A', 'B', 'C')
  expect(keepers(table)).toEqual({ ver: 3, voters: ['A', 'B', 'C'] })
  table.do('C', { k: 'reshape', id: ID, voters: ['B', 'D'], withinMs: 5_000 })
  table.pass(1_000)
  expect(table.seat('C').last('reshaped')).toMatchObject({ ok: true, cfg: { ver: 5, voters: ['B', 'D'] } })
  expect(leaseOf(table.seat('A').state, ID)).toMatchObject({ epoch: 0 })
  expect(table.seat('A').last('lapsed')).toBeUndefined()
  // A list that is two changes old leads to the new keepers all the same.
  expect(keepers(table)).toEqual({ ver: 5, voters: ['B', 'D'] })
})

test('a change of keepers that was left half done is finished by whoever comes next', () => {
  const table = new Table('A', 'B', 'C', 'D')
  table.found('A', 'B')
  const { ver, voters } = keepers(table)!
  for (const to of ['C', 'D']) table.do(to, { k: 'msg', from: 'A', msg: { t: 'join', id: ID } })
  const cfg = { ver: ver + 1, voters, joint: ['C', 'D'] }
  table.do('A', { k: 'change', id: ID, change: { k: 'cfg', ver, cfg }, attempt: 'half', withinMs: 5_000 })
  table.pass(100)
  expect(keepers(table)).toEqual(cfg)
  table.do('B', { k: 'reshape', id: ID, voters: ['A', 'B', 'C'], withinMs: 5_000 })
  table.pass(2_000)
  expect(table.seat('B').last('reshaped')).toMatchObject({ ok: true, cfg: { ver: ver + 4, voters: ['A', 'B', 'C'] } })
})

test('a new keeper that does not answer is not taken in, and nothing changes', () => {
  const table = new Table('A', 'B', 'C', 'D')
  table.found('A', 'B')
  table.seat('C').away = true
  table.do('A', { k: 'reshape', id: ID, voters: ['A', 'B', 'C'], withinMs: 3_000 })
  table.pass(4_000)
  expect(table.seat('A').last('reshaped')).toMatchObject({ ok: false })
  expect(keepers(table)).toEqual({ ver: 3, voters: ['A', 'B'] })
})

test('a keeper with a damaged record is replaced by the others', () => {
  const table = new Table('A', 'B', 'C', 'D')
  table.found('A', 'B', 'C')
  const bytes = table.seat('C').disk.get(ID)!
  bytes[8]! ^= 1
  table.restart('C')
  table.do('A', { k: 'reshape', id: ID, voters: ['A', 'B', 'D'], withinMs: 5_000 })
  table.pass(1_000)
  expect(table.seat('A').last('reshaped')).toMatchObject({ ok: true, cfg: { voters: ['A', 'B', 'D'] } })
  expect(leaseOf(table.seat('A').state, ID)).toBeDefined()
})
