import { expect, test } from 'vitest'
import type { Ballot, RegisterFrame } from '../../../protocols/register/index.ts'
import { ID, Table } from './table.ts'

const ballot = (n: number, peer = 'Z'): Ballot => ({ n, peer, boot: '00000000000000ff' })
const prepare = (n: number, cv = 99): RegisterFrame => ({ t: 'prepare', id: ID, b: ballot(n), cv })
const answers = (table: Table): RegisterFrame[] => table.frames.filter(({ to }) => to === 'Z').map(({ msg }) => msg)

test('a promise is given once it is on disk, and not when the disk refused', () => {
  const table = new Table('A')
  table.found('A')
  const seat = table.seat('A')
  seat.holdDisk = true
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(100) })
  expect(answers(table)).toEqual([])
  table.flush('A', false)
  expect(answers(table)).toEqual([])
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(101) })
  table.flush('A')
  expect(answers(table)).toMatchObject([{ t: 'promise', b: { n: 101 } }])
})

test('a report about a write of an earlier life lets no answer out', () => {
  const table = new Table('A')
  table.found('A')
  const seat = table.seat('A')
  seat.holdDisk = true
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(100) })
  const { op } = seat.held[0]!
  table.restart('A')
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(200) })
  table.do('A', { k: 'written', op, ok: true })
  expect(answers(table)).toEqual([])
})

test('what was promised holds: lower ballots are refused, with the number to beat', () => {
  const table = new Table('A')
  table.found('A')
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(100) })
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(99) })
  expect(answers(table).at(-1)).toMatchObject({ t: 'refuse', p: { n: 100 } })
})

test('a proposer with older keepers is told the newer ones', () => {
  const table = new Table('A', 'B')
  table.found('A', 'B')
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(100, 1) })
  expect(answers(table)).toMatchObject([{ t: 'refuse', cfg: { ver: 3, voters: ['A', 'B'] } }])
})

test('a peer without the record, or with a damaged one, says so and does not vote', () => {
  const table = new Table('A')
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(1) })
  expect(answers(table)).toMatchObject([{ t: 'unknown' }])
  table.found('A')
  const bytes = table.seat('A').disk.get(ID)!
  bytes[bytes.length >> 1]! ^= 4
  table.restart('A')
  expect(table.seat('A').last('count')).toMatchObject({ name: 'register.damaged' })
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(500) })
  expect(answers(table).at(-1)).toMatchObject({ t: 'unknown' })
  table.do('A', { k: 'msg', from: 'Z', msg: { t: 'join', id: ID } })
  expect(answers(table).at(-1)).toMatchObject({ t: 'joined', ok: false })
})

test('making room for a register that is known already forgets nothing of it', () => {
  const table = new Table('A')
  table.found('A')
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(100) })
  table.do('A', { k: 'msg', from: 'Z', msg: { t: 'join', id: ID } })
  table.do('A', { k: 'msg', from: 'Z', msg: prepare(50) })
  expect(answers(table).map(({ t }) => t)).toEqual(['promise', 'joined', 'refuse'])
})
