import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { decodeTie, encodeTie, sameVoters, TIE_DEFAULT, votersFor } from '../../../protocols/session/index.ts'
import type { Tie } from '../../../protocols/session/index.ts'
import { A, B, C, D } from './records.ts'

test.each([
  [{ rule: 'runner' }, [A, B], A, [A]],
  [{ rule: 'runner' }, [A, B], B, [B]],
  [{ rule: 'runner' }, [A, B], D, [D]],
  [{ rule: 'both' }, [A, B], B, [A, B]],
  [{ rule: 'anchor', anchor: A }, [A, B], B, [A]],
  [{ rule: 'anchor', anchor: C }, [A, B], B, [B]],
  [{ rule: 'anchor', anchor: A }, [A], A, [A]],
  [{ rule: 'both' }, [A], B, [B]],
  [{ rule: 'both' }, [A, B, C], B, [A, B, C]],
  [{ rule: 'anchor', anchor: A }, [A, B, C], B, [A, B, C]],
  [{ rule: 'runner' }, [A, B, C], D, [A, B, C]]
] as [Tie, string[], string, string[]][])('%j with keepers %j, at %s', (tie, keepers, runner, voters) => {
  expect(votersFor(tie, keepers, runner)).toEqual(voters)
})

test('a rule survives the ledger; none, or one of a later version, is the default', () => {
  for (const tie of [{ rule: 'both' }, { rule: 'anchor', anchor: A }] as const)
    expect(decodeTie(encodeTie(tie))).toEqual(tie)
  expect(decodeTie(undefined)).toEqual(TIE_DEFAULT)
  expect(decodeTie(encodeCbor({ rule: 'oracle' }))).toEqual(TIE_DEFAULT)
  expect(decodeTie(new Uint8Array([0xff]))).toEqual(TIE_DEFAULT)
})

test('the order of voters says nothing', () => {
  expect(sameVoters([A, B], [B, A])).toBe(true)
  expect(sameVoters([A, B], [A, C])).toBe(false)
  expect(sameVoters([A], [A, B])).toBe(false)
})
