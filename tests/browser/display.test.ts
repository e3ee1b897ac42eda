/** Programs with windows, opened from the page of another PC: seen, typed into, resized, come back to, stopped. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMesh, until } from '../mesh/harness/index.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import { Complaints } from './complaints.ts'
import { browserMissing, launchBrowser } from './harness/index.ts'
import type { Browser } from './harness/index.ts'
import { findings } from './looks.ts'
import { firstRunLink, localAddressOf, makeAccount } from './person.ts'

const LONG = 240_000

describe.skipIf(browserMissing())('windows in the page', { timeout: LONG }, () => {
  let mesh: Mesh
  let atlas: Peer
  let den: Peer
  let browser: Browser
  let page: Page
  let complaints: Complaints

  beforeAll(async () => {
    mesh = await startMesh({ peers: ['atlas', 'den'] })
    atlas = mesh.peer('atlas')
    den = mesh.peer('den')
    browser = await launchBrowser({ enter: atlas.enter })
    complaints = new Complaints(browser)
    page = await browser.newPage()
    await page.goto(await firstRunLink(atlas))
    await makeAccount(page)
  }, LONG)
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await mesh?.stop()
  })

  /** The picture that the page draws: how many colours it has, and the share of pixels that have another than the most frequent. */
  const drawn = async () =>
    await page.locator('[role="application"] canvas').evaluate((canvas: HTMLCanvasElement) => {
      const { width, height } = canvas
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, width, height)
      const counts = new Map<number, number>()
      for (let at = 0; at < data.length; at += 4) {
        const colour = (data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!
        counts.set(colour, (counts.get(colour) ?? 0) + 1)
      }
      return { width, height, colours: counts.size, share: 1 - Math.max(...counts.values()) / (width * height) }
    })
  const shows = async (what: string, is: (picture: Awaited<ReturnType<typeof drawn>>) => boolean) =>
    await until(
      async (note: (seen: unknown) => void) => {
        const picture = await drawn().catch((error: Error) => ({ error: error.message }))
        note(picture)
        return 'error' in picture || !is(picture) ? undefined : picture
      },
      { what, more: () => browser.errors.join('\n') }
    )
  const place = () => page.locator('[role="application"] canvas')

  test('a program of another PC opens from the list, and its window fills the box', async () => {
    await page.goto(`${localAddressOf(atlas)}/#/apps`)
    await page.getByLabel('PC', { exact: true }).selectOption({ label: 'On den' })
    await page.getByRole('button', { name: 'Mousepad' }).waitFor()
    expect(await findings(page, 'apps')).toEqual([])
    await page.getByRole('button', { name: 'Mousepad' }).click()
    await page.getByRole('heading', { name: 'Windows' }).waitFor()
    await shows('the window of mousepad', ({ colours, share }) => colours > 8 && share > 0.02)
    expect((await den.json<{ command: string; state: string }[]>(['ps'])).map(({ command }) => command)).toEqual([
      'org.xfce.mousepad'
    ])
    expect(complaints.except()).toEqual([])
  })

  test('what is typed arrives there, and what is copied there is in the clipboard here', async () => {
    await place().click({ position: { x: 200, y: 200 } })
    await page.keyboard.type('from another PC')
    await page.keyboard.press('Control+a')
    await page.keyboard.press('Control+c')
    const copied = async (note: (seen: unknown) => void) => {
      const text = await page.evaluate(() => navigator.clipboard.readText()).catch((error: Error) => error.message)
      note(text)
      return text === 'from another PC' ? text : undefined
    }
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await until(copied, { what: 'the copied text in the clipboard of the page' })
  })

  test('the display takes the size of the box, in both colours and on both widths without a barrier', async () => {
    for (const size of [
      { width: 1440, height: 900 },
      { width: 700, height: 800 }
    ]) {
      await page.setViewportSize(size)
      const box = (await page.getByRole('application').boundingBox())!
      await shows(
        `a display of ${Math.floor(box.width)} pixels`,
        ({ width, height }) => Math.abs(width - box.width) <= 4 && Math.abs(height - box.height) <= 4
      )
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    expect(await findings(page, 'display')).toEqual([])
  })

  test('it goes on without the page, and is found again', async () => {
    const before = await shows('the window', ({ share }) => share > 0.02)
    await page.reload()
    await page.getByRole('heading', { name: 'Windows' }).waitFor()
    const after = await shows('the window after the reload', ({ share }) => share > 0.02)
    expect(after.colours).toBeGreaterThan(before.colours / 4)
  })

  test('a stop takes the program and its display away', async () => {
    const id = (await atlas.json<{ id: string }[]>(['ps']))[0]!.id
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByRole('button', { name: 'Stop it' }).click()
    await page.getByText('It has ended; its windows are gone.').waitFor()
    const left = async (note: (seen: unknown) => void) => {
      const found = den.processes().filter(({ command }) => /Xtigervnc|openbox|mousepad/.test(command))
      note(found)
      return found.length === 0
    }
    await until(left, { what: `nothing left of session ${id}` })
  })

  test('a program that shows no window says so', async () => {
    const { session } = await atlas
      .json<{ session?: { id: string }; id: string }>(['open', '--on', 'den', '--', 'true'])
      .then((found) => ({ session: found }))
    const ended = async (note: (seen: unknown) => void) => {
      const found = await atlas.json<{ state: string; exit: { code: number } | null }>(['show', session.id])
      note(found)
      return found.state === 'finished' ? found : undefined
    }
    expect((await until(ended, { what: 'the end of a program without windows' })).exit).toEqual({
      code: 1,
      signal: null
    })
    expect((await atlas.omega(['logs', session.id])).stderr).toContain('true showed no window')
  })
})
