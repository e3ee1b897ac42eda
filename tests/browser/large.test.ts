/** The page over a mesh of a thousand PCs of which each one has news each second: the worst that a large mesh can send. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeView } from '../../node/http/views.ts'
import { MemoryPeer, nodeOf } from '../node/http/memory-peer.ts'
import { closeAll, openDoors, PASSWORD } from '../node/http/open-doors.ts'
import { browserMissing, launchBrowser } from './harness/index.ts'
import { findings } from './looks.ts'
import { LONG_TASK_MS, steady, told } from './steady.ts'

const PEERS = 1000
const dir = mkdtempSync(join(tmpdir(), 'omega-large-'))

beforeAll(async () => {
  const configFile = fileURLToPath(new URL('../../ui/vite.config.ts', import.meta.url))
  await build({ configFile, logLevel: 'error', mode: 'production', build: { outDir: dir, emptyOutDir: true } })
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function thousand(second: number): NodeView[] {
  return Array.from({ length: PEERS }, (_, i) => ({
    ...nodeOf(`12D3KooW${String(i).padStart(44, 'x')}`, `pc${i}`, i === 0),
    state: i % 97 === 5 ? 'dead' : i % 89 === 7 ? 'suspect' : 'alive',
    cpu: { value: ((i * 37 + second * 11) % 100) / 100 },
    ageMs: 300,
    lastSeenMs: Date.now() - 300,
    history: { cpu: Array(30).fill(0.5), memory: Array(30).fill(0.5) }
  }))
}

describe.skipIf(browserMissing())('in Chromium', () => {
  test('no place of the page is busy for long, and none is a barrier', { timeout: 300_000 }, async () => {
    const api = new MemoryPeer('pc0')
    let second = 0
    api.nodesNow = thousand(second)
    const peer = await openDoors({ api, uiDir: dir })
    const timer = setInterval(() => {
      api.nodesNow = thousand(++second)
      api.changed('nodes')
    }, 1000)
    try {
      await using browser = await launchBrowser({ viewport: { width: 1440, height: 900 } })
      const page = await browser.newPage()
      await page.goto(peer.doors.firstRunLink()!)
      await page.getByLabel('Your name').fill('ada')
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
      await page.getByLabel('Password again').fill(PASSWORD)
      await page.getByRole('button', { name: 'Make account and enter' }).click()
      await page.getByRole('group', { name: 'All PCs' }).waitFor()
      for (const place of ['/', '/nodes', '/sessions']) {
        await page.goto(`${peer.loopbackOrigin}/#${place}`)
        await page.locator('h1').waitFor()
        const found = await steady(page)
        const words = `${place}: ${told(found)}`
        console.log(words)
        expect(found.longestMs, words).toBeLessThanOrEqual(LONG_TASK_MS)
      }
      await page.goto(`${peer.loopbackOrigin}/#/`)
      await page.getByRole('group', { name: 'All PCs' }).waitFor()
      expect(await page.getByRole('group', { name: 'All PCs' }).getByRole('link').count()).toBe(PEERS)
      expect(await findings(page, `dashboard ${PEERS}`)).toEqual([])
      // The arrows walk the grid, Enter opens the PC.
      await page.locator('a[data-peer][aria-label^="pc0,"]').focus()
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('ArrowDown')
      const name = await page.evaluate(() => document.activeElement?.getAttribute('aria-label')?.split(',')[0] ?? '')
      expect(Number(name.slice(2))).toBeGreaterThan(10)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
      expect(browser.errors.filter((error) => !error.includes('status of 404'))).toEqual([])
    } finally {
      clearInterval(timer)
      await closeAll()
    }
  })
})
