/**
 * The simulator as a program: `explore` plays many seeds, `replay` one of them or a saved plan, `shrink` makes a failing
 * plan small, `mutations` shows that planted bugs are found, `serve` shows a mesh on the page (serve/main.ts). Prints one JSON
 * document. Exit code 1 when a promise was broken, 2 for a wrong command line.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { explore } from './explore.ts'
import { FAMILIES } from './families.ts'
import type { FamilyName } from './families.ts'
import { findMutations } from './mutations.ts'
import { expand } from './plan.ts'
import type { Plan } from './plan.ts'
import { play } from './run.ts'
import { SCENARIOS } from './scenarios.ts'
import { shrinkFile } from './shrink.ts'
import { tell } from './story.ts'
import type { Played } from './worker.ts'

const USAGE = `usage: omega sim explore [--seeds N] [--seed FIRST] [--family F,…] [--workers K] [--failures DIR] [--wire]
       omega sim replay --seed S [--family F] | --file FILE  [--until SECONDS] [--trace] [--wire]
       omega sim replay --seed S --scenario ${Object.keys(SCENARIOS).join('|')}
       omega sim shrink FILE
       omega sim serve [--peers N] [--seed S] [--port P] [--no-browser]
       omega sim mutations [--seeds N] [--only NAME] [--workers K]
families: ${Object.keys(FAMILIES).join(', ')}
example: omega sim replay --seed 7`

const OPTIONS = {
  seed: { type: 'string', default: '1' },
  seeds: { type: 'string' },
  family: { type: 'string' },
  scenario: { type: 'string' },
  file: { type: 'string' },
  until: { type: 'string' },
  only: { type: 'string' },
  workers: { type: 'string', default: String(availableParallelism()) },
  failures: { type: 'string', default: 'sim-failures' },
  trace: { type: 'boolean' },
  wire: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean' }
} as const

const PROGRESS_EACH_MS = 30_000

type Print = (text: string) => void

export async function main(argv: readonly string[], print: Print = console.log): Promise<number> {
  try {
    const { positionals, values } = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS })
    const [command, ...rest] = positionals
    if (values.help === true) return (print(USAGE), 0)
    const file = command === 'shrink' ? rest.shift() : undefined
    if (rest.length > 0) throw new Error(`unexpected "${rest[0]}"`)
    const seed = wholeNumber('--seed', values.seed)
    const workers = Math.max(1, wholeNumber('--workers', values.workers))
    switch (command) {
      case 'replay':
        return replay({ ...values, seed }, print)
      case 'explore': {
        const seeds = wholeNumber('--seeds', values.seeds ?? '100')
        const report = await explore({
          families: familiesOf(values.family ?? 'within,calm,pair,beyond'),
          first: seed,
          seeds,
          workers,
          wire: values.wire === true,
          failuresDir: values.failures,
          onPlayed: progress(seeds)
        })
        print(JSON.stringify(report))
        return report.violations === 0 ? 0 : 1
      }
      case 'shrink':
        if (file === undefined) throw new Error('the file of a failing seed is missing')
        print(JSON.stringify(shrinkFile(file)))
        return 0
      case 'mutations': {
        const table = await findMutations({
          workers,
          seeds: wholeNumber('--seeds', values.seeds ?? '400'),
          ...(values.only === undefined ? {} : { only: values.only })
        })
        print(JSON.stringify(table))
        return table.missed.length === 0 ? 0 : 1
      }
      default:
        throw new Error(command === undefined ? 'a command is missing' : `unknown command "${command}"`)
    }
  } catch (error) {
    process.stderr.write(`sim: ${(error as Error).message}\n${USAGE}\n`)
    return 2
  }
}

/** A long run says how far it is, and each broken promise at once. */
function progress(seeds: number): (played: Played) => void {
  let done = 0
  let saidAt = performance.now()
  return ({ outcome: { family, seed, violations } }) => {
    done++
    const [worst] = violations
    if (worst !== undefined) process.stderr.write(`${family} ${seed}: ${worst.checker}: ${worst.text}\n`)
    if (performance.now() - saidAt < PROGRESS_EACH_MS) return
    saidAt = performance.now()
    process.stderr.write(`${done} of ${seeds} seeds played\n`)
  }
}

interface Replay {
  seed: number
  family?: string | undefined
  scenario?: string | undefined
  file?: string | undefined
  until?: string | undefined
  trace?: boolean | undefined
  wire?: boolean | undefined
}

function replay({ seed, family, scenario, file, until, trace, wire }: Replay, print: Print): number {
  if (scenario !== undefined) return replayScenario(scenario, seed, print)
  const plan = file === undefined ? expand(seed, familiesOf(family ?? 'within')[0]!) : readPlan(file)
  const options = {
    wire: wire === true,
    ...(until === undefined ? {} : { untilMs: 1000 * wholeNumber('--until', until) })
  }
  const { lines, outcome } = trace === true ? tell(plan, options) : { lines: undefined, outcome: play(plan, options) }
  const { faults: plannedFaults, jobs: plannedJobs } = plan
  const expanded = { ...plan.options, faults: plannedFaults.length, jobs: plannedJobs.length }
  print(JSON.stringify({ ...outcome, options: expanded, ...(lines === undefined ? {} : { trace: lines }) }))
  return outcome.violations.length === 0 ? 0 : 1
}

/** The fixed stories of before; a run that broke down is a violation too. */
function replayScenario(name: string, seed: number, print: Print): number {
  if (!Object.hasOwn(SCENARIOS, name))
    throw new Error(`--scenario: there is no "${name}"; there are ${Object.keys(SCENARIOS).join(', ')}`)
  const result = SCENARIOS[name as keyof typeof SCENARIOS](seed)
  print(JSON.stringify(result))
  return result.violations.length === 0 ? 0 : 1
}

export function readPlan(file: string): Plan {
  const plan = JSON.parse(readFileSync(file, 'utf8')) as Plan
  if (!Number.isSafeInteger(plan.seed) || !Object.hasOwn(FAMILIES, plan.family) || !Array.isArray(plan.faults))
    throw new Error(`${file} is no plan of this simulator`)
  return plan
}

function familiesOf(text: string): FamilyName[] {
  return text.split(',').map((name) => {
    if (Object.hasOwn(FAMILIES, name)) return name as FamilyName
    throw new Error(`--family: there is no "${name}"; there are ${Object.keys(FAMILIES).join(', ')}`)
  })
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= 0xffff_ffff) return number
  throw new Error(`${option}: "${text}" is not a whole number from 0 to ${0xffff_ffff}`)
}

if (import.meta.main) {
  const [command, ...rest] = process.argv.slice(2)
  // The only command that needs doors: they are loaded for it alone.
  if (command === 'serve') process.exitCode = await (await import('./serve/main.ts')).main(rest)
  else process.exitCode = await main(process.argv.slice(2))
}
