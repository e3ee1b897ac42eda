/**
 * A page as it is in both colours and on both widths: what axe finds serious and what does not fit the width. With
 * OMEGA_TEST_PICTURES=folder both colours on both widths, and a picture of each to look at.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { seriousFindings } from './harness/index.ts'

const WIDE = { width: 1440, height: 900 }
const NARROW = { width: 360, height: 760 }
const DARK = 'dark' as const
const LIGHT = 'light' as const
const folder = process.env.OMEGA_TEST_PICTURES
const LOOKS = [
  { viewport: NARROW, colorScheme: LIGHT },
  ...(folder === undefined
    ? []
    : [
        { viewport: NARROW, colorScheme: DARK },
        { viewport: WIDE, colorScheme: LIGHT }
      ]),
  { viewport: WIDE, colorScheme: DARK }
]

/** In words what is wrong with the page that is open, by colours and width. Leaves it dark and wide. */
export async function findings(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const { viewport, colorScheme } of LOOKS) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    const here = `${name}, ${colorScheme}, ${viewport.width} px`
    found.push(...(await seriousFindings(page)).map((finding) => `${here}: ${finding}`))
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (tooWide > 0) found.push(`${here}: ${tooWide} px wider than the screen`)
    await picture(page, `${name}-${colorScheme}-${viewport.width}`)
  }
  return found
}

async function picture(page: Page, name: string): Promise<void> {
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name.replaceAll(' ', '-')}.png`), fullPage: true })
}
