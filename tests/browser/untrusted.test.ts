/**
 * A person who has not installed the mesh's certificate authority: the browser warns, goes on after the person's own click,
 * and when the PC that serves the page dies, one click leads to another one, where the same warning waits.
 */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { startMesh } from '../mesh/harness/index.ts'
import { Complaints, whoAmI } from './complaints.ts'
import { browserMissing, launchBrowser, proceedPastWarning } from './harness/index.ts'
import { findings } from './looks.ts'
import { addressesOf, addressOf, firstRunLink, makeAccount, signedIn, signIn } from './person.ts'

test.skipIf(browserMissing())(
  'without trust one signs in past the warning, and goes on at another PC by one click, with login, place and draft',
  { timeout: 300_000 },
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
    {
      await using home = await launchBrowser({ enter: atlas.enter })
      const first = await home.newPage()
      await first.goto(await firstRunLink(atlas))
      await makeAccount(first)
    }
    await using browser = await launchBrowser()
    const complaints = new Complaints(browser)
    const page = await browser.newPage()
    await warned(page, () => page.goto(addressOf(den)))
    await signIn(page)
    await page.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()
    const asked = whoAmI(page)
    expect(complaints.except(asked, 'ERR_CERT_AUTHORITY_INVALID')).toEqual([])

    await page.goto(`${addressOf(den)}/#/sessions/start`)
    await page.getByLabel('Command').fill('make -j')
    await den.killPeerProcess('SIGKILL')
    const wayOut = page.getByRole('link', { name: /^Go on at (atlas|lark)$/ })
    await wayOut.waitFor({ timeout: 60_000 })
    // It waits for the click: behind it may stand a warning that only the person may pass.
    expect(page.url()).toBe(`${addressOf(den)}/#/sessions/start`)
    expect(await page.getByLabel('Command').inputValue()).toBe('make -j')
    expect(await findings(page, 'peer gone')).toEqual([])

    await warned(page, () => wayOut.click())
    await signedIn(page)
    expect(await addressesOf([atlas, lark], '/sessions/start')).toContain(page.url())
    expect(await page.getByLabel('Command').inputValue()).toBe('make -j')
    await page.getByRole('link', { name: 'Dashboard' }).click()
    await page.getByRole('heading', { name: 'Two PCs ready, one away.' }).waitFor({ timeout: 60_000 })
  }
)

/** The step leads to the browser's own warning, and the person goes on. */
async function warned(page: Page, step: () => Promise<unknown>): Promise<void> {
  await step().catch((error: Error) => expect(error.message).toContain('ERR_CERT_AUTHORITY_INVALID'))
  await page.locator('#details-button').waitFor()
  await proceedPastWarning(page)
}
