import { beforeEach, expect, test } from 'vitest'
import { Candidates } from '../../../node/adapters/candidates.ts'

let now: number
let told: { peer: string; addresses: readonly string[] }[]
let candidates: Candidates
beforeEach(() => {
  now = 0
  told = []
  candidates = new Candidates(
    (peer, addresses) => told.push({ peer, addresses }),
    () => now
  )
})

test('a peer is introduced once, again when its addresses change, and again after a while', () => {
  candidates.heard('p', ['/ip4/10.0.0.1/tcp/1'])
  candidates.heard('p', ['/ip4/10.0.0.1/tcp/1'])
  expect(told).toHaveLength(1)
  candidates.heard('p', ['/ip4/10.0.0.2/tcp/1'])
  expect(told).toHaveLength(2)
  now = 10_000
  candidates.heard('p', ['/ip4/10.0.0.2/tcp/1'])
  expect(told).toHaveLength(3)
})

test('an address is introduced at most once a second, whoever claims it', () => {
  for (let i = 0; i < 20; i++) candidates.heard(`stranger ${i}`, ['/ip4/10.0.0.1/tcp/1'])
  expect(told).toHaveLength(1)
  now = 1000
  candidates.heard('another', ['/ip4/10.0.0.1/tcp/1'])
  expect(told).toHaveLength(2)
})

test('a flood of strangers is passed on at 32 a second and 64 are remembered', () => {
  for (let i = 0; i < 5000; i++) {
    now = i
    candidates.heard(`stranger ${i}`, [`/ip4/10.${i >> 8}.${i & 255}.1/tcp/1`])
  }
  expect(told.length).toBeLessThanOrEqual(5 * 32)
  expect(told.length).toBeGreaterThanOrEqual(4 * 32)
  expect(candidates.size).toBeLessThanOrEqual(64)
})
