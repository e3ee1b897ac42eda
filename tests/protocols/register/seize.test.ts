/** A person's word that the other voters are off: what the register is from then on, and what becomes of the old voters. */
import { expect, test } from 'vitest'
import { leaseOf } from '../../../protocols/register/index.ts'
import { ID, Table } from './table.ts'

const epochOf = (table: Table, id: string): number | undefined => leaseOf(table.seat(id).state, ID)?.epoch

/** A voted alone and is away; B has seized the register. */
function seized(): Table {
  const table = new Table('A', 'B', 'C')
  table.found('A')
  table.seat('A').away = true
  table.do('B', { k: 'seize', id: ID, reign: 1 })
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.pass(100)
  return table
}

test('who seizes a register holds its right at once, with an epoch above all that the old holder may have made', () => {
  const table = seized()
  expect(table.seat('B').last('created')).toMatchObject({ ok: true })
  expect(epochOf(table, 'B')).toBe(2 ** 40)
})

test('nothing is said of a seized register before it is on disk', () => {
  const table = new Table('A', 'B')
  table.seat('B').holdDisk = true
  table.do('B', { k: 'seize', id: ID, reign: 1 })
  expect(table.seat('B').last('created')).toBeUndefined()
  table.flush('B')
  expect(table.seat('B').last('created')).toMatchObject({ ok: true })
})

test('an old voter that becomes one again gives way, though it has decided on alone meanwhile', () => {
  const table = seized()
  table.seat('A').away = false
  // A cable was cut: A has gone on alone, with ballots far above those of B.
  table.pass(120_000)
  expect(epochOf(table, 'A')).toBe(0)
  table.do('A', { k: 'unwant', id: ID })
  table.do('B', { k: 'reshape', id: ID, voters: ['A', 'B', 'C'], withinMs: 5_000 })
  table.pass(5_000)
  expect(table.seat('B').last('reshaped')).toMatchObject({ ok: true, cfg: { voters: ['A', 'B', 'C'] } })
  expect(epochOf(table, 'B')).toBe(2 ** 40)
  // Its own proposals go the same way from now on.
  table.do('A', { k: 'change', id: ID, change: { k: 'read' }, attempt: 'late', withinMs: 5_000 })
  table.pass(5_000)
  expect(table.seat('A').last('done')).toMatchObject({ attempt: 'late', value: { own: { peer: 'B', epoch: 2 ** 40 } } })
})

test('an old majority finds the new voters as soon as it asks one of them', () => {
  const table = new Table('A', 'B', 'C')
  table.found('A', 'B', 'C')
  table.seat('A').away = table.seat('B').away = true
  table.do('C', { k: 'seize', id: ID, reign: 1 })
  table.do('C', { k: 'want', id: ID, rank: 0 })
  table.pass(10_000)
  table.seat('A').away = table.seat('B').away = false
  table.pass(10_000)
  expect(epochOf(table, 'C')).toBe(2 ** 40)
  expect(epochOf(table, 'A')).toBeUndefined()
  expect(table.seat('A').last('owned')).toMatchObject({ own: { peer: 'C' } })
})

test('the reign outlives a restart', () => {
  const table = seized()
  table.restart('B')
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.pass(20_000)
  expect(epochOf(table, 'B')).toBeGreaterThanOrEqual(2 ** 40)
})

test('a damaged slot is no obstacle: what it had promised belongs to an earlier reign', () => {
  const table = new Table('A', 'B')
  table.found('A', 'B')
  const bytes = table.seat('B').disk.get(ID)!
  bytes[8]! ^= 1
  table.restart('B')
  table.seat('A').away = true
  table.do('B', { k: 'seize', id: ID, reign: 1 })
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.pass(100)
  expect(epochOf(table, 'B')).toBe(2 ** 40)
})

test('an old majority that asks a new voter last goes on with nothing of before under the new reign', () => {
  const table = new Table('A', 'B', 'C')
  table.found('A', 'B', 'C')
  table.seat('A').away = table.seat('B').away = true
  table.do('C', { k: 'seize', id: ID, reign: 1 })
  table.do('C', { k: 'want', id: ID, rank: 0 })
  table.seat('C').away = true
  table.seat('A').away = table.seat('B').away = false
  // Both are a majority of three, and have not heard.
  table.pass(20_000)
  expect(epochOf(table, 'A')).toBeLessThan(10)
  table.seat('C').away = false
  table.pass(20_000)
  for (const id of ['A', 'B', 'C'])
    for (const { msg } of table.frames.filter((frame) => frame.from === id && frame.msg.t === 'accept')) {
      if (msg.t !== 'accept') continue
      expect(msg.b.reign ?? 0, `ballot of ${id}`).toBe(Math.floor(msg.v.cfg.ver / 2 ** 40))
    }
  expect(epochOf(table, 'A')).toBeUndefined()
  expect(table.seat('A').last('owned')).toMatchObject({ own: { peer: 'C' } })
})

test('an old voter that has heard of the word takes nothing back with what it once promised, also after a restart', () => {
  const table = seized()
  table.seat('A').away = false
  table.do('A', { k: 'heed', id: ID, reign: 1, voters: ['B'] })
  expect(table.seat('A').last('erase')).toMatchObject({ id: ID })
  expect(epochOf(table, 'A')).toBeUndefined()
  table.seat('B').away = true
  table.do('A', { k: 'want', id: ID, rank: 0 })
  table.pass(60_000)
  expect(epochOf(table, 'A')).toBeUndefined()
  table.restart('A')
  table.do('A', { k: 'heed', id: ID, reign: 1, voters: ['B'] })
  table.do('A', { k: 'want', id: ID, rank: 0 })
  table.pass(60_000)
  expect(epochOf(table, 'A')).toBeUndefined()
  // What it is asked for by name it may do, in its turn.
  table.seat('B').away = false
  table.do('B', { k: 'unwant', id: ID })
  table.pass(20_000)
  expect(epochOf(table, 'A')).toBe(2 ** 40 + 1)
})

test('who is taken in under the new reign before it has heard of it votes with nothing of before', () => {
  const table = seized()
  table.seat('A').away = false
  table.do('A', { k: 'unwant', id: ID })
  table.do('A', { k: 'msg', from: 'B', msg: { t: 'join', id: ID, cv: 2 ** 40 } })
  table.do('A', { k: 'heed', id: ID, reign: 1, voters: ['B'] })
  table.do('B', { k: 'reshape', id: ID, voters: ['A', 'B'], withinMs: 5_000 })
  table.pass(5_000)
  expect(table.seat('B').last('reshaped')).toMatchObject({ ok: true, cfg: { voters: ['A', 'B'] } })
  expect(epochOf(table, 'B')).toBe(2 ** 40)
})
