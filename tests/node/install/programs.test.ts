import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { programFile, programVersion } from '../../../node/install/layout.ts'

test.each(['omega', 'sessiond', 'hardware-helper'] as const)(
  'the program %s is where the others look for it',
  (program) => {
    expect(existsSync(programFile(program))).toBe(true)
  }
)

test('the version is the one of package.json', () => {
  expect(programVersion()).toMatch(/^\d+\.\d+\.\d+/)
})
