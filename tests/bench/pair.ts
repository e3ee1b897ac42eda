/**
 * Two PCs, by turns with a witness: each seed is another order of death, cut, sleep and return under the rules of PROTOCOLS.md
 * 2.4.7, with a strict session that may never run twice and must run once in the end. `--seeds N --seed FIRST`: which ones.
 * Ends with 1 at a deviation.
 */
import { pairStorm } from '../sim/strict-storm.ts'
import { bench } from './report.ts'

const valueOf = (option: string): number | undefined => {
  const at = process.argv.indexOf(option)
  return at < 0 ? undefined : Number(process.argv[at + 1])
}

await bench('pair', (size) => {
  const seeds = valueOf('--seeds') ?? size.count(10_000, 100)
  const first = valueOf('--seed') ?? 1
  const deeds: Record<string, number> = {}
  const deviations: { seed: number; witness: boolean; wrong: string[]; told: string[] }[] = []
  for (let seed = first; seed < first + seeds; seed++) {
    const witness = seed % 2 === 0
    const aftermath = pairStorm(seed, witness)
    for (const [deed, times] of Object.entries(aftermath.deeds)) deeds[deed] = (deeds[deed] ?? 0) + times
    if (aftermath.wrong.length > 0) deviations.push({ seed, witness, wrong: aftermath.wrong, told: aftermath.told })
  }
  if (deviations.length > 0) process.exitCode = 1
  return { first, seeds, deviating: deviations.length, deeds, deviations }
})
