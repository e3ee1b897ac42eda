import { expect, test } from 'vitest'
import { findIn } from './planted.ts'
import { checkPurity } from './purity.ts'

const wrong = (text: string) => findIn(checkPurity, { 'protocols/gossip/kernel.ts': text })

test.each([
  'export const at = Date.now()',
  'export const at = new Date()',
  'export const at = performance.now()',
  'setTimeout(() => {}, 5)',
  'export const later = { setTimeout }',
  'const x = Math.random()',
  'crypto.getRandomValues(new Uint8Array(4))',
  'export const home = process.env.HOME',
  'export const home = globalThis.process',
  "export const bytes = Buffer.from('a')",
  "console.log('x')",
  "const fs = require('fs')",
  "fetch('http://example')",
  'export async function step() {}',
  'export const step = async () => 1',
  'export function step(): Promise<void> { return never }\ndeclare const never: never',
  'for await (const x of list) use(x)',
  "const late = import('./wire.ts')",
  'export const where = import.meta.url',
  "export const order = ['b', 'a'].sort((a, b) => a.localeCompare(b))",
  'export const shown = (5).toLocaleString()',
  "import { fromPromise } from 'xstate'",
  "import { createActor } from 'xstate'\nimport { machine } from './m.ts'\ncreateActor(machine).start()",
  "import { createActor } from 'xstate'\nimport { machine } from './m.ts'\ncreateActor(machine, { input: 1 }).start()"
])('what a kernel may not do is found: %s', (text) => {
  expect(wrong(text).length).toBeGreaterThan(0)
})

test.each([
  '/** Uses no Date, no Promise, and never calls setTimeout. */\nexport const x = 1',
  "export const text = 'Date.now() and process'",
  'export interface Clock { setTimeout(fn: () => void): unknown; process: number }',
  'export function step(clock: { setTimeout(fn: () => void): void }) { clock.setTimeout(() => {}) }',
  'export function step(env: { self: string }) { const { self } = env; const process = self; return { process, self } }',
  "import { createActor } from 'xstate'\nexport const start = (m: never, clock: never) => createActor(m, { clock }).start()",
  'export const big = Math.max(1, 2)'
])('what a kernel may do is let through: %s', (text) => {
  expect(wrong(text)).toEqual([])
})
