import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MeshError } from '../../../protocols/errors.ts'
import {
  addInvite,
  decodeBook,
  emptyBook,
  encodeBook,
  hasReasonToListen,
  nextEnd
} from '../../../protocols/joining/index.ts'
import { countWrong, findInvite, takeUse } from '../../../protocols/joining/invite-book.ts'
import { fill, WALL } from './fixtures.ts'

const HOUR = 3_600_000
function bookWith(uses: number) {
  const book = emptyBook()
  const invite = addInvite(book, { id: fill(8, 1), key: fill(32, 2), exp: WALL + HOUR, uses }, WALL)
  return { book, invite }
}

test('an invite is good for as many PCs as it says', () => {
  const { invite } = bookWith(2)
  takeUse(invite, fill(32, 1), WALL)
  takeUse(invite, fill(32, 2), WALL)
  expect(() => takeUse(invite, fill(32, 3), WALL)).toThrow(/used up \(good for 2 PCs\)/)
})

test('the device that used the last use may ask again for two minutes, and no other', () => {
  const { book, invite } = bookWith(1)
  takeUse(invite, fill(32, 1), WALL)
  takeUse(invite, fill(32, 1), WALL + 120_000)
  expect(invite.usedBy).toHaveLength(1)
  expect(() => takeUse(invite, fill(32, 2), WALL + 1)).toThrow(/good for one PC/)
  expect(() => takeUse(invite, fill(32, 1), WALL + 120_001)).toThrow(/used up/)
  expect(hasReasonToListen(book, WALL + 120_000)).toBe(true)
  expect(hasReasonToListen(book, WALL + 120_001)).toBe(false)
})

test('three wrong secrets burn an invite', () => {
  const { book, invite } = bookWith(5)
  expect(countWrong(invite).message).toMatch(/2 more wrong tries/)
  expect(countWrong(invite).message).toMatch(/1 more wrong try/)
  expect(findInvite(book, invite.id, WALL)).toBe(invite)
  expect(countWrong(invite).message).toMatch(/burnt now/)
  expect(() => findInvite(book, invite.id, WALL)).toThrow(/burnt: 3 wrong/)
  expect(hasReasonToListen(book, WALL)).toBe(false)
})

test('expired and unknown invites are told apart', () => {
  const { book, invite } = bookWith(1)
  expect(() => findInvite(book, '0'.repeat(16), WALL)).toThrow(/did not make it/)
  expect(findInvite(book, invite.id, WALL + HOUR + 600_000)).toBe(invite)
  expect(() => findInvite(book, invite.id, WALL + HOUR + 600_001)).toThrow(/expired 11 minutes ago/)
})

test('listening has a reason while an invite or the door lives', () => {
  const { book } = bookWith(1)
  expect(hasReasonToListen(emptyBook(), WALL)).toBe(false)
  expect(nextEnd(book, WALL)).toBe(WALL + HOUR)
  book.doorUntil = WALL + 60_000
  expect(nextEnd(book, WALL)).toBe(WALL + 60_000)
  expect(hasReasonToListen({ invites: [], doorUntil: WALL + 1 }, WALL)).toBe(true)
  expect(nextEnd(book, WALL + HOUR + 1)).toBeUndefined()
})

test('a book keeps 64 invites: a dead one makes room, a living one never goes', () => {
  const { book, invite } = bookWith(1)
  const add = (n: number) => addInvite(book, { id: fill(8, n), key: fill(32, n), exp: WALL + HOUR, uses: 1 }, WALL)
  for (let n = 2; n <= 64; n++) add(n)
  expect(() => add(65)).toThrow(/64 invites are alive/)
  invite.wrong = 3
  add(65)
  expect(book.invites).toHaveLength(64)
  expect(book.invites).not.toContain(invite)
})

test('a book comes back from its bytes as it was', () => {
  const { book, invite } = bookWith(3)
  takeUse(invite, fill(32, 7), WALL)
  book.doorUntil = WALL
  expect(decodeBook(encodeBook(book))).toEqual(book)
})

test('no bytes make the parser of a book throw anything but WIRE_INVALID', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(() => decodeBook(bytes)).toThrow(MeshError)
    })
  )
})
