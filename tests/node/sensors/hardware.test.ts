/** The hardware helper as sessiond meets it: a program that prints one document and ends. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { HardwareReport, toRows } from '../../../node/sensors/hardware-rows.ts'

test('the helper prints one report of at most 256 KiB and exits', { timeout: 30_000 }, async () => {
  const helper = new URL('../../../node/sensors/hardware-helper.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [helper], { timeout: 25_000, maxBuffer: 2 ** 20 })
  expect(Buffer.byteLength(stdout)).toBeLessThanOrEqual(256 * 1024)
  const report = HardwareReport.parse(JSON.parse(stdout))
  expect(Object.keys(report.sections)).toContain('Operating system')
  for (const rows of Object.values(report.sections)) expect(rows.length).toBeGreaterThan(0)
  expect(stdout).not.toMatch(/"(uuid|serial|serialNum)"/i)
})

test('rows are plain: nested fields get dotted names, empty and identifying ones are left out', () => {
  const rows = toRows({
    model: ' X1 ',
    serial: 'ABC123',
    sku: '',
    cache: { l1d: 32, l3: null },
    modes: ['a', 'b'],
    speed: 0,
    on: false
  })
  expect(rows).toEqual([{ model: 'X1', 'cache.l1d': 32, modes: 'a, b', on: false }])
})

test('a section of nothing but empty fields has no rows', () => {
  expect(toRows({ vendor: '', version: 'To Be Filled By O.E.M.', date: null })).toEqual([])
  expect(toRows(undefined)).toEqual([])
  expect(toRows([])).toEqual([])
})
