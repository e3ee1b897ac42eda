import { expect, test } from 'vitest'
import { CHALLENGE_MS, LEASE, leaseOf, mayRun } from '../../../protocols/register/index.ts'
import { ID, Table } from './table.ts'

function three(): Table {
  const table = new Table('A', 'B', 'C', 'D')
  table.found('A', 'B', 'C')
  return table
}
const holder = (table: Table): string[] =>
  table.seats.filter((seat) => leaseOf(seat.state, ID) !== undefined).map((seat) => seat.id)

test('the maker of a register holds it, and keeps it by renewing', () => {
  const table = three()
  expect(holder(table)).toEqual(['A'])
  table.pass(60_000)
  expect(holder(table)).toEqual(['A'])
  expect(leaseOf(table.seat('A').state, ID)!.epoch).toBe(0)
  expect(leaseOf(table.seat('A').state, ID)!.until).toBeGreaterThan(table.now + LEASE.leaseMs - LEASE.renewMs - 100)
})

test('a holder that reaches no majority may not run after its lease, and says so', () => {
  const table = three()
  table.seat('B').away = table.seat('C').away = true
  const { until } = leaseOf(table.seat('A').state, ID)!
  expect(mayRun(table.seat('A').state, until - 1, ID, 0)).toBe(true)
  expect(mayRun(table.seat('A').state, until, ID, 0)).toBe(false)
  table.pass(LEASE.leaseMs + 1)
  expect(table.seat('A').last('lapsed')).toMatchObject({ epoch: 0 })
  expect(holder(table)).toEqual([])
  table.seat('B').away = false
  table.pass(2_000)
  expect(table.seat('A').last('held')).toMatchObject({ epoch: 0 })
})

test('a voter takes over from a dead holder within 4.4 to 7.5 s, and not before the lease of the dead one is over', () => {
  const table = three()
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.do('C', { k: 'want', id: ID, rank: 1 })
  table.pass(1_000)
  const { until } = leaseOf(table.seat('A').state, ID)!
  table.seat('A').away = true
  const diedAt = table.now
  while (leaseOf(table.seat('B').state, ID) === undefined && table.now < diedAt + 20_000) table.pass(10)
  expect(table.now - diedAt).toBeGreaterThan(4_300)
  expect(table.now - diedAt).toBeLessThan(7_500)
  expect(table.now).toBeGreaterThan(until)
  expect(leaseOf(table.seat('B').state, ID)!.epoch).toBe(1)
  table.pass(10_000)
  table.seat('A').away = false
  table.pass(3_000)
  expect(holder(table)).toEqual(['B'])
  expect(table.seat('A').last('owned')).toMatchObject({ own: { peer: 'B', epoch: 1 } })
})

test('a challenger that does not vote asks, and takes over as well', () => {
  const table = three()
  table.do('D', { k: 'know', id: ID, cfg: { ver: 1, voters: ['A', 'B'] } })
  table.do('D', { k: 'want', id: ID, rank: 0 })
  table.pass(20_000)
  expect(holder(table)).toEqual(['A'])
  table.seat('A').away = true
  table.pass(CHALLENGE_MS + 2_000)
  expect(leaseOf(table.seat('D').state, ID)).toMatchObject({ epoch: 1 })
})

test('who hands on its right is followed at once, without a wait', () => {
  const table = three()
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.do('A', { k: 'unwant', id: ID })
  table.do('A', { k: 'give', id: ID, to: { peer: null, over: false } })
  expect(leaseOf(table.seat('A').state, ID)).toBeUndefined()
  table.pass(LEASE.pollMs + 200)
  expect(holder(table)).toEqual(['B'])
  expect(leaseOf(table.seat('B').state, ID)!.epoch).toBe(2)
})

test('a right handed to a named peer is that peer’s alone', () => {
  const table = three()
  table.do('A', { k: 'give', id: ID, to: { peer: 'C', over: false } })
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.do('C', { k: 'want', id: ID, rank: 5 })
  table.pass(500)
  expect(holder(table)).toEqual(['C'])
})

test('a session that is over is nobody’s, for ever', () => {
  const table = three()
  table.do('B', { k: 'want', id: ID, rank: 0 })
  table.do('A', { k: 'give', id: ID, to: { peer: null, over: true } })
  table.pass(60_000)
  expect(holder(table)).toEqual([])
  expect(table.seat('A').last('owned')).toMatchObject({ own: { over: true } })
})

test('after sleep nothing is held until the register says so again', () => {
  const table = three()
  const before = leaseOf(table.seat('A').state, ID)!
  table.seat('B').away = table.seat('C').away = true
  table.do('A', { k: 'wake' })
  expect(mayRun(table.seat('A').state, table.now, ID, before.epoch)).toBe(false)
  expect(table.seat('A').last('lapsed')).toMatchObject({ epoch: 0 })
  table.seat('B').away = table.seat('C').away = false
  table.pass(3_000)
  expect(leaseOf(table.seat('A').state, ID)).toMatchObject({ epoch: 0 })
})

test('a peer that starts again goes on under the same epoch while nobody took over', () => {
  const table = three()
  table.seat('A').away = true
  table.pass(3_000)
  table.restart('A')
  expect(holder(table)).toEqual([])
  table.do('A', { k: 'want', id: ID, rank: 0 })
  table.pass(500)
  expect(leaseOf(table.seat('A').state, ID)).toMatchObject({ epoch: 0 })
})
