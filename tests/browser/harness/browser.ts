/**
 * A real Chromium at a peer's place: a fresh home and profile, certificate errors never ignored. With `trust` the mesh's
 * certificate authority stands in the browser's own store, as after a person has installed it; without, a warning is a
 * warning.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { BrowserContext, Page } from 'playwright-core'
import { browserPath, onPath } from '../../setup/tools.ts'

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

export interface BrowserOptions {
  /** PEM of the certificate authority to trust; none: nothing is trusted but what the system trusts. */
  trust?: string
  /** Words that bring a program to a place: `peer.enter` for the PC of that peer. Default: the test's own place. */
  enter?: string[]
  viewport?: { width: number; height: number }
  colorScheme?: 'light' | 'dark'
}

export class Browser implements AsyncDisposable {
  readonly context: BrowserContext
  readonly #folder: string
  /** Errors and rejections of every page, and what the console called an error. */
  readonly errors: string[] = []

  constructor(context: BrowserContext, folder: string) {
    this.context = context
    this.#folder = folder
    for (const page of context.pages()) this.#listen(page)
    context.on('page', (page) => this.#listen(page))
  }

  async newPage(): Promise<Page> {
    return await this.context.newPage()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #listen(page: Page): void {
    page.on('pageerror', (error) => this.errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(`${message.text()} (${message.location().url})`)
    })
  }
}

/** Why no browser can be tested with here, or undefined. `trusting`: also what trusting an authority needs. */
export function browserMissing(trusting = false): string | undefined {
  if (browserPath() === undefined) return 'no Chromium'
  return trusting && onPath('certutil') === undefined ? 'no certutil' : undefined
}

export async function launchBrowser(options: BrowserOptions = {}): Promise<Browser> {
  const missing = browserMissing(options.trust !== undefined)
  if (missing !== undefined) throw new Error(`a browser cannot be started: ${missing}`)
  const folder = mkdtempSync(join(tmpdir(), 'omega-browser-'))
  const home = join(folder, 'home')
  mkdirSync(home)
  if (options.trust !== undefined) trustAuthority(home, options.trust)
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: programAt(options.enter ?? [], folder),
    // Chromium's own sandbox cannot be set up by root.
    args: process.getuid?.() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS,
    chromiumSandbox: process.getuid?.() !== 0,
    env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8', HOME: home, XDG_RUNTIME_DIR: folder },
    ignoreHTTPSErrors: false,
    viewport: options.viewport ?? { width: 1280, height: 800 },
    colorScheme: options.colorScheme ?? 'light'
  })
  context.setDefaultTimeout(30_000)
  return new Browser(context, folder)
}

/** The one click of a person who reads the warning and goes on. Resolves when the page behind it is there. */
export async function proceedPastWarning(page: Page): Promise<void> {
  await page.locator('#details-button').click()
  const loaded = page.waitForEvent('load')
  await page.locator('#proceed-link').click()
  await loaded
}

/** Chromium on Linux reads the NSS database in the home of its user. */
function trustAuthority(home: string, pem: string): void {
  const database = join(home, '.pki', 'nssdb')
  mkdirSync(database, { recursive: true })
  const file = join(home, 'authority.pem')
  writeFileSync(file, pem)
  const certutil = (...args: string[]) =>
    execFileSync('certutil', ['-d', `sql:${database}`, ...args], { stdio: 'pipe' })
  certutil('-N', '--empty-password')
  certutil('-A', '-n', 'mesh', '-t', 'C,,', '-i', file)
}

/** Playwright starts one file; at another place that is a script which goes there first. */
function programAt(enter: string[], folder: string): string {
  const browser = browserPath() ?? ''
  if (enter.length === 0) return browser
  const script = join(folder, 'chromium')
  const words = [...enter, browser].map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
  writeFileSync(script, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`)
  chmodSync(script, 0o755)
  return script
}
