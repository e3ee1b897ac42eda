import { expect, test } from 'vitest'
import { boundFrame, REGISTER_LIMITS } from '../../../protocols/register/index.ts'
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

const { slotsMax, slotsOwn, slotsOfOne, frameBytes } = REGISTER_LIMITS
const made = (name: number): string => name.toString(16).padStart(32, '0')
/** That member asks for room for so many registers of its own invention; how many it was given. */
function invent(table: Table, from: string, first: number, count: number): number {
  const before = table.seat('A').disk.size
  for (let i = first; i < first + count; i++) table.do('A', { k: 'msg', from, msg: { t: 'join', id: made(i) } })
  return table.seat('A').disk.size - before
}

test('a member that invents registers is refused above its share; others, and what is made here, still have room', () => {
  const table = new Table('A')
  expect(invent(table, 'Z', 0, slotsOfOne + 50)).toBe(slotsOfOne)
  expect(answers(table).at(-1)).toEqual({ t: 'joined', id: made(slotsOfOne + 49), ok: false })
  expect(table.seat('A').last('count')).toMatchObject({ name: 'register.refused.askedTooOften' })
  // What it was given before is still answered, and its share holds over a restart and a vote.
  table.do('A', { k: 'msg', from: 'Z', msg: { t: 'join', id: made(0) } })
  expect(answers(table).at(-1)).toMatchObject({ ok: true })
  table.restart('A')
  expect(invent(table, 'Z', slotsOfOne, 5)).toBe(0)
  expect(invent(table, 'Y', 20_000, 5)).toBe(5)
  table.found('A')
  expect(table.seat('A').disk.has(ID)).toBe(true)
})

test('a share is of who asked, whoever votes on it since', () => {
  const table = new Table('A')
  invent(table, 'Z', 0, slotsOfOne)
  const b = ballot(1, 'Y')
  const own = { peer: 'Y', epoch: 0, seq: 0, attempt: 'a', over: false }
  const v = { ver: 1, attempt: 'a', cfg: { ver: 1, voters: ['Y', 'A'] }, own }
  for (let i = 0; i < 3; i++) {
    table.do('A', { k: 'msg', from: 'Y', msg: { t: 'prepare', id: made(i), b, cv: 1 } })
    table.do('A', { k: 'msg', from: 'Y', msg: { t: 'accept', id: made(i), b, v } })
  }
  table.restart('A')
  expect(invent(table, 'Z', slotsOfOne, 3)).toBe(0)
  expect(invent(table, 'Y', 20_000, 3)).toBe(3)
})

test('many members together leave room for what is made here, and no more than the whole', () => {
  const table = new Table('A')
  for (let i = 0; i < 3; i++) invent(table, `member ${i}`, 10_000 * i, slotsOfOne)
  expect(table.seat('A').disk.size).toBe(slotsMax - slotsOwn)
  expect(table.seat('A').last('count')).toMatchObject({ name: 'register.refused.full' })
  for (let i = 0; i < slotsOwn + 3; i++) table.do('A', { k: 'create', id: made(100_000 + i) })
  expect(table.seat('A').disk.size).toBe(slotsMax)
  expect(table.seat('A').last('created')).toMatchObject({ ok: false })
})

test('a frame of a register has a bound of its own; a record beside it on the plane has another', () => {
  expect(() => boundFrame({ t: 'accept' }, frameBytes)).not.toThrow()
  expect(() => boundFrame({ t: 'accept' }, frameBytes + 1)).toThrow(/takes 4097 bytes; at most 4096/)
  expect(() => boundFrame({ t: 'put' }, frameBytes + 1)).not.toThrow()
})
