/**
 * The simulator as a program: `replay` runs one scenario by its seed, `explore` many seeds in a row. Prints one JSON document.
 * `serve` shows a mesh on the page (serve/main.ts). Exit code 1 when a promise was broken, 2 for a wrong command line.
 */
import { parseArgs } from 'node:util'
import { SCENARIOS } from './scenarios.ts'
import type { Outcome, ScenarioName } from './scenarios.ts'

const USAGE = `usage: omega sim replay --seed S [--scenario ${Object.keys(SCENARIOS).join('|')}]
       omega sim explore [--seeds N] [--seed FIRST] [--scenario …]
       omega sim serve [--peers N] [--seed S] [--port P] [--no-browser]
example: omega sim replay --seed 7`

export function main(argv: readonly string[], print: (text: string) => void = console.log): number {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seed: { type: 'string', default: '1' },
        seeds: { type: 'string', default: '20' },
        scenario: { type: 'string', default: 'faults' },
        json: { type: 'boolean' },
        help: { type: 'boolean' }
      }
    })
    const [command, ...rest] = positionals
    if (values.help === true) return (print(USAGE), 0)
    if (rest.length > 0) throw new Error(`unexpected "${rest[0]}"`)
    const scenario = scenarioOf(values.scenario)
    const seed = wholeNumber('--seed', values.seed)
    if (command === 'replay') return replay(scenario, seed, print)
    if (command === 'explore') return explore(scenario, seed, wholeNumber('--seeds', values.seeds), print)
    throw new Error(command === undefined ? 'a command is missing' : `unknown command "${command}"`)
  } catch (error) {
    process.stderr.write(`sim: ${(error as Error).message}\n${USAGE}\n`)
    return 2
  }
}

function replay(scenario: ScenarioName, seed: number, print: (text: string) => void): number {
  const result = play(scenario, seed)
  print(JSON.stringify(result))
  return result.violations.length === 0 ? 0 : 1
}

function explore(scenario: ScenarioName, first: number, seeds: number, print: (text: string) => void): number {
  let faults = 0
  const failing: { seed: number; violations: string[] }[] = []
  for (let seed = first; seed < first + seeds; seed++) {
    const result = play(scenario, seed)
    faults += result.faults.length
    if (result.violations.length > 0) failing.push({ seed, violations: result.violations })
  }
  const violations = failing.reduce((sum, { violations: found }) => sum + found.length, 0)
  print(JSON.stringify({ scenario, seeds, violations, faults, failing }))
  return violations === 0 ? 0 : 1
}

/** A run that broke down is a violation too. */
function play(scenario: ScenarioName, seed: number): Outcome {
  try {
    return SCENARIOS[scenario](seed)
  } catch (error) {
    return { scenario, seed, traceHash: '', simulatedMs: 0, faults: [], violations: [(error as Error).message] }
  }
}

function scenarioOf(name: string): ScenarioName {
  if (Object.hasOwn(SCENARIOS, name)) return name as ScenarioName
  throw new Error(`--scenario: there is no "${name}"; there are ${Object.keys(SCENARIOS).join(', ')}`)
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
  else process.exitCode = main(process.argv.slice(2))
}
