import { expect, test } from 'vitest'
import {
  chooseKeepers,
  FINAL_STATES,
  heirOf,
  replaceKeepers,
  STATES,
  survivesRunner,
  takeoverInMs,
  TAKEOVER_AFTER_MS
} from '../../../protocols/session/index.ts'
import type { SessionRecord } from '../../../protocols/session/index.ts'
import { A, B, C, D, hashes, peerOf, record } from './records.ts'

const idOf = (n: number): string => n.toString(16).padStart(32, '0')
/** Milliseconds that each of the named peers is gone; the others live. */
const gone = (table: Record<string, number>) => (peer: string) => table[peer]
const wait = (of: SessionRecord, self: string, table: Record<string, number>) => takeoverInMs(of, self, gone(table))

test('the submitter keeps first, then two others, the same ones wherever it is reckoned', () => {
  for (let n = 0; n < 50; n++) {
    const keepers = chooseKeepers(idOf(n), B, [A, B, C, D], hashes)
    expect(keepers).toHaveLength(3)
    expect(keepers[0]).toBe(B)
    expect(new Set(keepers).size).toBe(3)
    expect(chooseKeepers(idOf(n), B, [D, C, B, A], hashes)).toEqual(keepers)
  }
})

test('with fewer PCs than three all keep, also a PC alone', () => {
  expect(chooseKeepers(idOf(1), A, [A, B], hashes)).toEqual([A, B])
  expect(chooseKeepers(idOf(1), A, [], hashes)).toEqual([A])
})

test('records are spread over the PCs, each about as often', () => {
  const peers = Array.from({ length: 11 }, (_, i) => peerOf(`pc${i}`))
  const counts = new Map<string, number>()
  for (let n = 0; n < 600; n++)
    for (const keeper of chooseKeepers(idOf(n), peers[0]!, peers, hashes).slice(1))
      counts.set(keeper, (counts.get(keeper) ?? 0) + 1)
  expect(counts.size).toBe(10)
  for (const count of counts.values()) expect(count).toBeGreaterThan(70)
})

test('a keeper that is gone is replaced by a live one; those that stay keep their rank', () => {
  const isGone = (peer: string): boolean => peer === A
  const replaced = replaceKeepers(record(), isGone, [B, C, D], hashes)
  expect(replaced).toEqual([B, C, D])
  expect(
    replaceKeepers(record(), () => false, [A, B, C, D], hashes),
    'nobody is gone'
  ).toBeUndefined()
  expect(
    replaceKeepers(record({ owner: B }), isGone, [B, C], hashes),
    'nobody is there to take its place'
  ).toBeUndefined()
})

test('a record with fewer than three keepers gets more when PCs come', () => {
  expect(replaceKeepers(record({ keepers: [A], owner: A }), () => false, [A, B], hashes)).toEqual([A, B])
  expect(replaceKeepers(record({ keepers: [A], owner: A }), () => false, [A, B, C, D], hashes)).toHaveLength(3)
  expect(replaceKeepers(record({ keepers: [A], owner: A }), () => false, [A], hashes)).toBeUndefined()
})

test('each keeper waits for its turn, 6.5 s after the owner was missed and half a second a rank', () => {
  const table = { [D]: 1000 }
  expect(wait(record(), A, table)).toBe(TAKEOVER_AFTER_MS - 1000)
  expect(wait(record(), B, table)).toBe(TAKEOVER_AFTER_MS - 500)
  expect(wait(record(), C, table)).toBe(TAKEOVER_AFTER_MS)
  expect(wait(record(), A, { [D]: 60_000 })).toBe(0)
})

test('a keeper that is gone gives its turn to the next; one that is only suspect keeps it', () => {
  expect(wait(record(), B, { [D]: 0, [A]: 9000 })).toBe(TAKEOVER_AFTER_MS)
  expect(wait(record(), C, { [D]: 0, [A]: 9000, [B]: 9000 })).toBe(TAKEOVER_AFTER_MS)
  expect(wait(record(), B, { [D]: 0 })).toBe(TAKEOVER_AFTER_MS + 500)
})

test('nobody takes over what is final, whose owner is there, which is its own, or which it does not keep', () => {
  const table = { [D]: 60_000 }
  for (const state of FINAL_STATES) expect(wait(record({ state }), A, table)).toBeUndefined()
  expect(wait(record(), A, {})).toBeUndefined()
  expect(wait(record({ owner: A, runner: A }), A, table)).toBeUndefined()
  expect(wait(record(), peerOf('a stranger'), table)).toBeUndefined()
})

test('a PC to which the run was being handed is to be asked while it lives, and its own time counts when it does not', () => {
  const binding = record({ owner: A, runner: D, state: 'placing' })
  expect(heirOf(binding, B)).toBe(D)
  expect(heirOf(binding, D), 'it knows itself').toBeUndefined()
  expect(heirOf(record({ owner: A, runner: A }), B), 'it was bound, and says so').toBeUndefined()
  expect(wait(binding, B, { [A]: 60_000 })).toBe(0)
  expect(wait(binding, B, { [A]: 60_000, [D]: 1000 })).toBe(TAKEOVER_AFTER_MS - 1000)
  expect(
    wait(record({ owner: A, runner: B, state: 'placing' }), B, { [A]: 60_000 }),
    'it was to be bound here and never was'
  ).toBe(0)
})

test('what never started, waits for its next start or asks for it starts again elsewhere; the rest waits for its PC', () => {
  const restart = (policy: SessionRecord['spec']['restart']): SessionRecord =>
    record({ spec: { ...record().spec, restart: policy } })
  expect(survivesRunner(restart('no'))).toBe(false)
  expect(survivesRunner(restart('on-failure'))).toBe(false)
  expect(survivesRunner(restart('on-node-loss'))).toBe(true)
  expect(survivesRunner(restart('always'))).toBe(true)
  const { startedAt: _never, ...unstarted } = record()
  expect(survivesRunner(unstarted)).toBe(true)
  const surviving = STATES.filter((state) => survivesRunner(record({ state })))
  expect(surviving).toEqual(['submitted', 'placing', 'pending'])
})
