/** Every order of death, cut, sleep and return of two PCs, with each rule, as seeds draw it: never two runs, and one at the end. */
import { expect, test } from 'vitest'
import { pairStorm } from './strict-storm.ts'

const SEEDS = 60

test.each([
  ['two PCs', false, 1],
  ['two PCs and a witness', true, 1_000]
] as const)(`%s: %i seeds`.replace('%i', String(SEEDS)), (_, witness, first) => {
  const deeds: Record<string, number> = {}
  for (let seed = first; seed < first + SEEDS; seed++) {
    const aftermath = pairStorm(seed, witness)
    expect(aftermath.wrong, `seed ${seed}: ${aftermath.told.join(' | ')}`).toEqual([])
    for (const [deed, times] of Object.entries(aftermath.deeds)) deeds[deed] = (deeds[deed] ?? 0) + times
  }
  for (const deed of ['kill', 'cut', 'suspend', 'pause', 'program', 'start', 'tie both', 'tie anchor', 'tie runner'])
    expect(deeds[deed], deed).toBeGreaterThan(10)
  if (!witness) expect(deeds.word).toBeGreaterThan(3)
})
