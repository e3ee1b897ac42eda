/** What a door asks for, as a session: what cannot be is refused in words. */
import { expect, test } from 'vitest'
import { SpecInput } from '../../protocols/session/index.ts'
import { specOf } from '../../node/session-spec.ts'

const ANN = { name: 'ann', role: 'user', via: 'local' } as const
const asked = (more: Partial<SpecInput>) => () => specOf(SpecInput.parse({ app_uri: 'exec:true', ...more }), ANN)

test('an array is a session with a number of tasks', () => {
  expect(asked({ array: 100 })().array).toBe(100)
  expect(asked({ kind: 'array', array: 1 })().array).toBe(1)
  expect(asked({})()).not.toHaveProperty('array')
})

test('who asks for a terminal gives input to it', () => {
  const terminal = { columns: 80, rows: 24, required: true }
  expect(asked({ terminal })()).toMatchObject({ terminal, stdin: true })
  expect(asked({})()).not.toHaveProperty('terminal')
})

test('a priority is a class, and the usual one need not be said', () => {
  expect(asked({ priority: 0 })().class).toBe(0)
  expect(asked({})()).not.toHaveProperty('class')
  expect(asked({ priority: 5 })).toThrow()
})

test.each<[Partial<SpecInput>, string]>([
  [{ kind: 'array' }, 'says how many tasks'],
  [{ array: 5, mode: 'strict' }, 'never strict'],
  [{ array: 5, stdin: true }, 'take no input'],
  [{ array: 5, terminal: { columns: 80, rows: 24, required: true } }, 'tasks of an array have none']
])('%j is refused: %s', (input, why) => {
  expect(asked(input)).toThrow(why)
})
