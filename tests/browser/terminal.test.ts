/** A terminal in the page: started from the form on another PC, typed into, resized, found again after a reload and a restart. */
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

describe.skipIf(browserMissing())('a terminal in the page', { timeout: LONG }, () => {
  let mesh: Mesh
  let atlas: Peer | undefined
  let browser: Browser
  let page: Page
  let complaints: Complaints

  beforeAll(async () => {
    mesh = await startMesh({ peers: ['atlas', 'den'] })
    atlas = mesh.peer('atlas')
    browser = await launchBrowser({ enter: atlas!.enter })
    complaints = new Complaints(browser)
    page = await browser.newPage()
    await page.goto(await firstRunLink(atlas!))
    await makeAccount(page)
  }, LONG)
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await mesh?.stop()
  })

  const rows = () => page.locator('.xterm-rows')
  const text = async () => (await rows().locator('> div').allInnerTexts()).map((row) => row.trimEnd()).join('\n')
  const shows = async (what: string | RegExp) => {
    const found = async (note: (seen: unknown) => void) => {
      const seen = (await text()).replaceAll('\u00a0', ' ')
      note(seen)
      return (typeof what === 'string' ? seen.includes(what) : what.test(seen)) ? seen : undefined
    }
    return await until(found, { what: `${what} in the page's terminal`, more: () => browser.errors.join('\n') })
  }
  const type = async (line: string) => {
    await page.getByRole('button', { name: 'Type here' }).click()
    await page.keyboard.type(line)
    await page.keyboard.press('Enter')
  }

  test('the form starts a program in a terminal on another PC, and keys reach it', async () => {
    await page.goto(`${localAddressOf(atlas!)}/#/sessions/start`)
    await page.getByLabel('Command').fill('bash --norc')
    await page.getByLabel('In a terminal').check()
    await page.getByLabel('On', { exact: true }).selectOption('den')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByRole('heading', { name: 'Terminal' }).waitFor()
    await shows(/bash-\S+[#$]/)
    await type('echo "$((6 * 7)) $OMEGA_PEER_NAME $TERM"')
    await shows('42 den xterm-256color')
    await type('cat')
    await page.keyboard.press('Control+c')
    await type('echo "ended by $?"')
    await shows('ended by 130')
    await type(`printf '\\033[31mred \\033[38;2;20;200;90mtrue colour\\033[0m\\n'`)
    await shows(/^red true colour/m)
    expect(complaints.except()).toEqual([])
  })

  test('it is as large as the page has room for, in both colours and on both widths without a barrier', async () => {
    const columns = async () => {
      await type('clear; echo "wide $(stty size | cut -d " " -f 2)."')
      return Number(/wide (\d+)\./.exec(await shows(/^wide \d+\./m))![1])
    }
    await page.setViewportSize({ width: 1440, height: 900 })
    const wide = await until(
      async () => {
        const now = await columns()
        return now > 100 ? now : undefined
      },
      { what: 'more than 100 columns' }
    )
    await page.setViewportSize({ width: 700, height: 900 })
    await until(
      async (note) => {
        const narrow = await columns()
        note(narrow)
        return narrow < wide - 20
      },
      { what: 'fewer columns on a narrow page' }
    )
    expect(await findings(page, 'terminal')).toEqual([])
    expect(complaints.except()).toEqual([])
  })

  test('Shift Esc leaves it to the page, whose keys it does not take', async () => {
    await type('echo g?')
    await shows('g?')
    expect(await page.locator('dialog[open]').count()).toBe(0)
    await page.keyboard.press('Shift+Escape')
    expect(await page.evaluate(() => document.activeElement?.className)).not.toContain('xterm')
  })

  test('a full-screen program is there as it was after a reload, and after its peer was killed and came back', async () => {
    await type('vim -u NONE')
    await shows(/~\n~/)
    await type('ikept in the page')
    await shows(/^kept in the page/)
    await page.reload()
    await shows(/^kept in the page/)
    await atlas!.killPeerProcess('SIGKILL')
    await atlas!.up()
    const place = page.url()
    await page.goto('about:blank')
    await page.goto(place)
    await shows(/^kept in the page/)
    await page.keyboard.press('Escape')
    await type(' and after it')
    await shows('and after it')
  })

  test('a flood does not fill the page, and Ctrl-C ends it at once', async () => {
    await page.getByRole('button', { name: 'Type here' }).click()
    await page.keyboard.press('Escape')
    await type(':q!')
    await type('yes flood')
    await shows(/flood\nflood\nflood/)
    await page.keyboard.press('Control+c')
    await type('echo "over $?"')
    await shows('over 130')
    await type('exit 4')
    await page.getByText('exit code 4').first().waitFor()
    await page.getByText('this is what it showed last').waitFor()
  })
})
