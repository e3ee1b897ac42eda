/**
 * A page as it is in both colours and on both widths: what axe finds serious, what does not fit the width, and, with
 * OMEGA_TEST_PICTURES=folder, a picture of each to look at.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { seriousFindings } from './harness/index.ts'

const SIZES = [
  { width: 1440, height: 900 },
  { width: 360, height: 760 }
]

/** In words what is wrong with the page that is open, by colours and width. Leaves it light and wide. */
export async function findings(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const viewport of SIZES.toReversed()) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      const here = `${name}, ${colorScheme}, ${viewport.width} px`
      found.push(...(await seriousFindings(page)).map((finding) => `${here}: ${finding}`))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      if (wide > 0) found.push(`${here}: ${wide} px wider than the screen`)
      await picture(page, `${name}-${colorScheme}-${viewport.width}`)
    }
  }
  return found
}

async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.OMEGA_TEST_PICTURES
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name.replaceAll(' ', '-')}.png`), fullPage: true })
}
