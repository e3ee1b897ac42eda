/** The simulator as people call it, and seeds of the fault scenario that every change must keep. */
import { expect, test, vi } from 'vitest'
import { main } from '../../sim/main.ts'
import { faults } from '../../sim/scenarios.ts'

function call(...argv: string[]): { code: number; out: string; err: string } {
  let [out, err] = ['', '']
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  try {
    return { code: main(argv, (text) => (out += text)), out, err }
  } finally {
    stderr.mockRestore()
  }
}

test('replay prints one document with the trace hash of that seed, the same each time', { timeout: 60_000 }, () => {
  const [first, again] = [call('replay', '--seed', '2'), call('replay', '--seed', '2', '--scenario', 'faults')]
  const outcome = JSON.parse(first.out) as { seed: number; traceHash: string; violations: string[] }
  expect(outcome).toMatchObject({ scenario: 'faults', seed: 2, traceHash: expect.stringMatching(/^[0-9a-f]{16}$/) })
  expect(first.code).toBe(outcome.violations.length === 0 ? 0 : 1)
  expect(again.out).toBe(first.out)
})

test('a wrong command line is one clear line, an example and exit code 2', () => {
  for (const [argv, what] of [
    [['play'], 'unknown command "play"'],
    [[], 'a command is missing'],
    [['replay', '--seed', 'seven'], '--seed: "seven" is not a whole number'],
    [['replay', '--seed', '-1'], '--seed'],
    [['replay', '--scenario', 'moon'], 'there is no "moon"'],
    [['replay', '--speed', '9'], '--speed'],
    [['replay', 'twice'], 'unexpected "twice"']
  ] as const) {
    const { code, out, err } = call(...argv)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(what)
    expect(err).toContain('example: omega sim replay --seed 7')
  }
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
    expect(violations, `again: omega sim replay --seed ${seed}`).toEqual([])
  }
)
