/**
 * The test run on the pinned runtime: static checks, units and simulations, real peers, real browsers, one after the other;
 * then a table and the line `N passed, N failed`. Ends with 1 when anything failed.
 */
import { PARTS, runPart } from './stages.ts'
import type { Part, Result } from './stages.ts'

const [first, ...filters] = process.argv.slice(2)
const isPart = (name: string | undefined): name is Part => PARTS.includes(name as Part)

if (first !== undefined && !isPart(first)) {
  console.error(`tests: "${first}" is no part of the tests; the parts are ${PARTS.join(', ')}`)
  process.exit(2)
}

const results: Result[] = []
for (const part of isPart(first) ? [first] : PARTS) {
  if (process.exitCode !== undefined) break // interrupted
  results.push(...(await runPart(part, filters)))
}

console.log('\nstage       passed  failed  skipped     time')
for (const { name, passed, failed, skipped, seconds } of results) {
  const row = [passed, failed, skipped].map((count) => String(count).padStart(8)).join('')
  console.log(`${name.padEnd(10)}${row}${`${seconds.toFixed(1)} s`.padStart(10)}`)
}
const sum = (pick: (result: Result) => number) => results.reduce((total, result) => total + pick(result), 0)
const failed = sum((result) => result.failed)
if (results.length > 0 && sum((result) => result.passed + result.failed + result.skipped) === 0) {
  console.error(`tests: nothing in ${first ?? 'the tests'} fits ${filters.join(' ')}`)
  process.exitCode = 2
}
console.log(`\n${sum((result) => result.passed)} passed, ${failed} failed`)
process.exitCode ??= failed === 0 ? 0 : 1
