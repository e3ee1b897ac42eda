import { expect, test } from 'vitest'
import { RULES } from '../../../protocols/register/index.ts'
import type { Rules } from '../../../protocols/register/index.ts'
import { drawSettings, FAMILIES, World } from './world.ts'
import type { Family, Tally } from './world.ts'

const SEEDS = 500

test(`no seed of ${SEEDS} runs a session twice, loses a change, or stays without a runner once the faults are over`, () => {
  const sum: Tally = { held: 0, runs: 0, changes: 0, reshaped: 0, faults: 0 }
  for (let seed = 1; seed <= SEEDS; seed++) {
    const settings = drawSettings(seed)
    const world = new World(seed, settings, RULES)
    expect(world.run(), `seed ${seed} ${JSON.stringify(settings)}`).toEqual([])
    for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += world.tally[key]
  }
  // Faults there were, and work in spite of them.
  expect(sum.faults).toBeGreaterThan(20 * SEEDS)
  expect(sum.runs).toBeGreaterThan(5 * SEEDS)
  expect(sum.reshaped).toBeGreaterThan(SEEDS)
})

test('a seed makes the same run each time', () => {
  for (const family of FAMILIES) {
    const [first, again] = [0, 1].map(() => {
      const world = new World(7, drawSettings(7, family), RULES, true)
      world.run()
      return world.trace
    })
    expect(again).toEqual(first)
  }
})

/** Where a breach of each rule shows: in which family, and from which seed on it is looked for, so that this takes seconds. */
const FOUND: Record<keyof Rules, [Family, number]> = {
  ballotCarriesBoot: ['gasp', 110],
  replyAfterSync: ['any', 1],
  promiseHolds: ['any', 1],
  unknownHasNoVote: ['any', 340],
  highestGoesOn: ['any', 1],
  quorumIsMajority: ['any', 1],
  configOfValue: ['churn', 1],
  jointNeedsBoth: ['churn', 570],
  copiedBeforeLeft: ['churn', 340],
  attemptInValue: ['any', 1],
  leaseFromAttemptStart: ['any', 40],
  recheckBeforeStart: ['any', 1],
  driftAllowance: ['any', 1],
  renewalRestartsWait: ['any', 1],
  attemptTellsRenewals: ['gasp', 220],
  sleepVoidsLeases: ['any', 1]
}
const WITHIN = 60

test.each(Object.entries(FOUND))('without the rule %s the same worlds go wrong', (rule, [family, from]) => {
  const broken: Rules = { ...RULES, [rule]: false }
  let found: string[] = []
  for (let seed = from; seed < from + WITHIN && found.length === 0; seed++)
    found = new World(seed, drawSettings(seed, family), broken).run()
  expect(found.length, `no violation in ${WITHIN} seeds of "${family}" from ${from}`).toBeGreaterThan(0)
})
