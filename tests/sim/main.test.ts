/** The simulator as people call it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { main } from '../../sim/main.ts'
import { faults } from '../../sim/scenarios.ts'
import { expand } from '../../sim/plan.ts'

const dir = mkdtempSync(join(tmpdir(), 'omega-sim-'))
afterAll(() => rmSync(dir, { recursive: true }))

async function call(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  try {
    return { code: await main(argv, (text) => (out += text)), out, err }
  } finally {
    stderr.mockRestore()
  }
}

test(
  'replay prints one document with the trace hash of that seed, the same each time',
  { timeout: 60_000 },
  async () => {
    const [first, again] = [
      await call('replay', '--seed', '2'),
      await call('replay', '--seed', '2', '--family', 'within')
    ]
    const outcome = JSON.parse(first.out) as { seed: number; traceHash: string; violations: object[]; options: object }
    expect(outcome).toMatchObject({ family: 'within', seed: 2, traceHash: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(outcome.options).toMatchObject({ peers: expect.any(Number), classes: expect.any(Array) })
    expect(first.code).toBe(outcome.violations.length === 0 ? 0 : 1)
    expect(again.out).toBe(first.out)
  }
)

test('replay of a file plays that plan, until a time, and tells what happened', { timeout: 60_000 }, async () => {
  const file = join(dir, 'plan.json')
  writeFileSync(file, JSON.stringify(expand(3, 'calm')))
  const seed = JSON.parse((await call('replay', '--seed', '3', '--family', 'calm', '--until', '20')).out) as object
  const told = JSON.parse((await call('replay', '--file', file, '--until', '20', '--trace')).out) as {
    trace: string[]
    simulatedMs: number
  }
  expect(told).toMatchObject(seed)
  expect(told.simulatedMs).toBe(20_000)
  expect(told.trace.some((line) => /pc\d -> pc\d put/.test(line))).toBe(true)
})

test('a fixed story is replayed by its name', { timeout: 60_000 }, async () => {
  const { out, code } = await call('replay', '--seed', '2', '--scenario', 'faults')
  expect(JSON.parse(out)).toMatchObject({ scenario: 'faults', seed: 2, violations: [] })
  expect(code).toBe(0)
})

test('a wrong command line is one clear line, an example and exit code 2', async () => {
  for (const [argv, what] of [
    [['play'], 'unknown command "play"'],
    [[], 'a command is missing'],
    [['replay', '--seed', 'seven'], '--seed: "seven" is not a whole number'],
    [['replay', '--seed', '-1'], '--seed'],
    [['replay', '--scenario', 'moon'], 'there is no "moon"'],
    [['replay', '--family', 'moon'], 'there is no "moon"'],
    [['replay', '--speed', '9'], '--speed'],
    [['replay', 'twice'], 'unexpected "twice"'],
    [['shrink'], 'the file of a failing seed is missing']
  ] as const) {
    const { code, out, err } = await call(...argv)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(what)
    expect(err).toContain('example: omega sim replay --seed 7')
  }
})

test('a plan that breaks nothing cannot be shrunk', { timeout: 60_000 }, async () => {
  const file = join(dir, 'sound.json')
  writeFileSync(file, JSON.stringify({ ...expand(3, 'calm'), faults: [], jobs: [] }))
  const { code, err } = await call('shrink', file)
  expect(code).toBe(2)
  expect(err).toContain('breaks no promise')
  expect(readFileSync(file, 'utf8')).toContain('"family":"calm"')
})

/**
 * 1 to 3 are any mixture of kills, restarts, cuts and broken links. Each of the others once broke a promise: an exit
 * forgotten, a start before asking, twin takeovers, a bind to a PC with a frozen run, an answer lost after hello.
 */
test.each([1, 2, 3, 6, 9, 16, 20, 24, 38, 43, 53, 81])(
  'faults with seed %i: nothing accepted is lost, nothing runs twice without a partition',
  { timeout: 60_000 },
  (seed) => {
    const { violations } = faults(seed)
    expect(violations, `again: omega sim replay --scenario faults --seed ${seed}`).toEqual([])
  }
)
