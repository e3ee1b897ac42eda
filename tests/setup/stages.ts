/** The stages of a test run: which commands, how long each may take, and how their results are counted. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sweep } from '../mesh/harness/journal.ts'
import { root, runCommand } from './run-command.ts'
import type { Ran } from './run-command.ts'
import { provideTools } from './tools.ts'

export interface Result {
  name: string
  passed: number
  failed: number
  skipped: number
  seconds: number
}

export const PARTS = ['checks', 'unit', 'mesh', 'browser'] as const
export type Part = (typeof PARTS)[number]

const MINUTE_MS = 60_000
const node = (script: string, ...args: string[]) => [process.execPath, script, ...args]
const OWN_CHECKS = ['imports', 'purity', 'access', 'metrics']
const hasPage = existsSync(join(root, 'ui', 'tsconfig.json'))

const CHECKS: Record<string, string[]> = {
  types: node('node_modules/@typescript/native/bin/tsc', '-p', 'tsconfig.json'),
  lint: node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings=0'),
  format: node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'),
  ...(hasPage && {
    page: node('node_modules/svelte-check/bin/svelte-check', '--tsconfig', 'ui/tsconfig.json')
  }),
  ...Object.fromEntries(OWN_CHECKS.map((name) => [name, node('tests/checks/main.ts', name)]))
}

/** Runs a part and tells of each stage as it ends. */
export async function runPart(part: Part, filters: string[]): Promise<Result[]> {
  switch (part) {
    case 'checks':
      return await runChecks(filters)
    case 'unit':
      return [await runVitest('unit', ['unit', 'ui'], filters, 15 * MINUTE_MS)]
    case 'mesh':
      await provideTools('mesh')
      return [await runVitest('mesh', ['mesh'], filters, 15 * MINUTE_MS)]
    case 'browser':
      await provideTools('browser')
      return [await buildStage(), await runVitest('browser', ['browser'], filters, 12 * MINUTE_MS)]
  }
}

async function runChecks(filters: string[]): Promise<Result[]> {
  const results: Result[] = []
  for (const [name, command] of Object.entries(CHECKS)) {
    if (filters.length === 0 || filters.includes(name)) results.push(await checkStage(name, command))
  }
  return results
}

const buildStage = () => checkStage('build', node('node/install/build.mjs'))

async function checkStage(name: string, command: string[]): Promise<Result> {
  const ran = await runCommand(command, { limitMs: 5 * MINUTE_MS })
  const ok = ran.code === 0 && !ran.timedOut
  if (!ok) console.log(`\n--- ${name}${ended(ran)} ---\n${ran.output.trim()}\n`)
  return { name, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, seconds: ran.seconds }
}

async function runVitest(name: string, projects: string[], filters: string[], limitMs: number): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'omega-test-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const chosen = projects.map((project) => `--project=${project}`)
  const command = node(
    'node_modules/vitest/vitest.mjs',
    'run',
    ...chosen,
    ...reporters,
    '--passWithNoTests',
    ...filters
  )
  console.log(`\n--- ${name} ---`)
  const ran = await runCommand(command, { limitMs, live: true, env: { OMEGA_TEST_JOURNAL: folder } })
  if (ran.timedOut) console.log(`--- ${name}${ended(ran)} ---`)
  const counts = count(report, ran)
  for (const left of readdirSync(folder).filter((file) => file.endsWith('.mesh.json'))) {
    console.log(`${name}: left a mesh behind (${left}); removing it`)
    await sweep(join(folder, left))
    if (!ran.timedOut) counts.failed++
  }
  rmSync(folder, { recursive: true, force: true })
  return { name, ...counts, seconds: ran.seconds }
}

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

/** A file that does not load, an error outside of any test and a hung run count as one failure each. */
function count(reportFile: string, ran: Ran): { passed: number; failed: number; skipped: number } {
  if (!existsSync(reportFile)) return { passed: 0, failed: ran.code === 0 && !ran.timedOut ? 0 : 1, skipped: 0 }
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')
  ).length
  const failed = report.numFailedTests + broken
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && (ran.code !== 0 || ran.timedOut) ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests
  }
}

const ended = (ran: Ran): string => (ran.timedOut ? `: hung, ended after ${Math.round(ran.seconds)} s` : '')
