/**
 * The built page in real Chromium, against a peer that only speaks: the ways a person goes, under the real security
 * headers, with nothing on the console and no barrier for anyone. Real peers are in tests/browser.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing, launchBrowser, seriousFindings, type Browser } from './harness/index.ts'
import { FakePeer, PASSWORD, TOKEN, type Options } from '../ui/fake-peer.ts'

const dir = mkdtempSync(join(tmpdir(), 'omega-page-'))
const TIME = { timeout: 60_000 }

beforeAll(async () => {
  const configFile = fileURLToPath(new URL('../../ui/vite.config.ts', import.meta.url))
  await build({ configFile, logLevel: 'error', mode: 'production', build: { outDir: dir, emptyOutDir: true } })
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Loaded when somebody looks at a terminal, or at windows, not before. */
const isLate = (name: string) => /^(terminal|display)-window-/.test(name)

test('the first view is small: script and style under 120 KB gzipped, font under 50 KB', () => {
  const files = readdirSync(join(dir, 'assets')).map((name) => ({
    name,
    bytes: readFileSync(join(dir, 'assets', name))
  }))
  const packed = files
    .filter(({ name }) => /\.(js|css)$/.test(name) && !isLate(name))
    .reduce((sum, { bytes }) => sum + gzipSync(bytes).length, 0)
  const fonts = files.filter(({ name }) => name.endsWith('.woff2'))
  expect(packed).toBeLessThan(120_000)
  expect(fonts.map(({ name }) => name.replace(/-[^-]*$/, ''))).toEqual(['inter-latin-wght-normal'])
  expect(fonts.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(50_000)
})

describe.skipIf(browserMissing())('in Chromium', TIME, () => {
  async function visit(options: Partial<Options>, view: Parameters<typeof launchBrowser>[0] = {}) {
    const peer = await FakePeer.start({ scenario: 'office', dir, tickMs: 0, ...options })
    const browser = await launchBrowser(view)
    const page = await browser.newPage()
    return {
      peer,
      browser,
      page,
      [Symbol.asyncDispose]: async () => (await browser[Symbol.asyncDispose](), await peer.kill())
    }
  }
  async function signIn(peer: FakePeer, page: Page, place = '/'): Promise<void> {
    await page.context().addCookies([{ name: 'omega', value: '1', url: peer.url, httpOnly: true, sameSite: 'Strict' }])
    await page.goto(`${peer.url}/#${place}`)
    await page.locator('h1').waitFor()
  }
  /** What a browser says by itself of a peer that is down or a refused login is no fault of the page. */
  const faults = (browser: Browser) =>
    browser.errors.filter((error) => !/ERR_CONNECTION|status of (401|403|409)|Content Security Policy/.test(error))

  const PLACES = [
    '/',
    '/nodes',
    '/nodes/add',
    '/sessions',
    '/sessions/start',
    `/sessions/7${'1'.padStart(31, '0')}`,
    '/nowhere'
  ]
  const VIEWS = [
    { scenario: 'office', colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
    { scenario: 'full', colorScheme: 'light', viewport: { width: 360, height: 800 } }
  ] as const
  test.each(VIEWS)(
    'every place is drawn without a fault or a barrier: $scenario, $colorScheme, $viewport.width',
    async ({ scenario, ...view }) => {
      await using at = await visit({ scenario }, view)
      await signIn(at.peer, at.page)
      const [busy, away] = [at.peer.mesh.nodes[1], at.peer.mesh.nodes.find((n) => n.state === 'dead')]
      for (const place of [...PLACES, `/nodes/${busy?.name}`, `/nodes/${away?.name}`]) {
        await at.page.goto(`${at.peer.url}/#${place}`)
        await at.page.locator('h1').waitFor()
        expect(await seriousFindings(at.page), place).toEqual([])
        const [wide, seen] = await at.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
        expect(wide, `${place} scrolls sideways`).toBeLessThanOrEqual(seen ?? 0)
      }
      expect(faults(at.browser)).toEqual([])
      expect(at.browser.errors.filter((e) => e.includes('Content Security Policy'))).toEqual([])
    }
  )

  test('no number stands without its source: every reading of a PC says whose it is and how old', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page)
    const cell = at.page.getByRole('row', { name: /atlas/ }).getByText('93%')
    expect(await cell.getAttribute('title')).toMatch(/^atlas, (just now|\d+ s ago)$/)
    await at.page.goto(`${at.peer.url}/#/nodes/studio`)
    await at.page.getByText('not available: macOS tells temperatures only to root').waitFor()
    await at.page.getByText('not available: macOS does not tell it for each core').waitFor()
  })

  test('with two PCs left the page says who decides about strict sessions, and an admin changes it', async () => {
    await using at = await visit({})
    const [first, second] = at.peer.mesh.nodes
    at.peer.mesh.nodes = [first!, second!]
    await signIn(at.peer, at.page, '/nodes')
    const rule = at.page.getByLabel('Who goes on with it')
    await rule.waitFor()
    expect(await at.page.getByRole('button', { name: 'Change' }).isDisabled()).toBe(true)
    expect(await seriousFindings(at.page)).toEqual([])
    await rule.selectOption({ label: `${second!.name} alone; without it none runs` })
    await at.page.getByRole('button', { name: 'Change' }).click()
    await at.page.getByRole('button', { name: 'Change', disabled: true }).waitFor()
    expect(at.peer.tie).toEqual({ rule: 'anchor', anchor: second!.peerId, witnesses: [] })
    at.peer.failing.set('PUT /tie', 'no keeper took it')
    await rule.selectOption('both')
    await at.page.getByRole('button', { name: 'Change' }).click()
    await at.page.getByText('no keeper took it').waitFor()
    expect(faults(at.browser)).toEqual([])
  })

  test('an array shows how far it has come, what failed, and what any task wrote', async () => {
    await using at = await visit({})
    const tasks = { total: 1000, done: 412, failed: 4, running: 12, failing: [7, 8, 12, 15] }
    const array = { ...at.peer.mesh.sessions[0]!, runner: null, placement: null, exit: null, tasks }
    at.peer.mesh.sessions[0] = array
    await signIn(at.peer, at.page, `/sessions/${array.id}`)
    await at.page.getByText('412 of 1,000 tasks done, 4 failed, 12 running').waitFor()
    await at.page.getByText('Failed: 7, 12–14').waitFor()
    at.peer.setSession({ ...array, tasks: { ...tasks, done: 500 } })
    await at.page.getByText('500 of 1,000 tasks done, 4 failed, 12 running').waitFor()
    await at.page.getByLabel('What task').fill('13')
    await at.page.getByRole('button', { name: 'Show what it wrote' }).click()
    await at.page.getByRole('heading', { name: 'Output of task 13' }).waitFor()
    await at.page.getByText('step 1').first().waitFor()
    expect(await seriousFindings(at.page)).toEqual([])
    await at.page.goto(`${at.peer.url}/#/sessions`)
    await at.page.getByRole('row', { name: array.command }).getByText('12 tasks').waitFor()
    expect(faults(at.browser)).toEqual([])
  })

  test('a wrong password is refused with its reason, the right one enters, signing out ends it', async () => {
    await using at = await visit({})
    await at.page.goto(at.peer.url)
    await at.page.getByLabel('Name').fill('anna')
    await at.page.getByLabel('Password').fill('wrong')
    await at.page.getByRole('button', { name: 'Sign in' }).click()
    await at.page.getByText('Name or password is wrong.').waitFor()
    await at.page.getByLabel('Password').fill(PASSWORD)
    await at.page.getByRole('button', { name: 'Sign in' }).click()
    await at.page.getByRole('heading', { name: 'Four PCs ready, one away.' }).waitFor()
    await at.page.getByRole('button', { name: 'anna' }).click()
    await at.page.getByRole('button', { name: 'Sign out' }).click()
    await at.page.getByText('You are signed out.').waitFor()
    expect(faults(at.browser)).toEqual([])
  })

  test('a fresh PC makes a mesh and its owner by the one-time link, which does not stay in the address', async () => {
    await using at = await visit({ scenario: 'looking' })
    await at.page.goto(`${at.peer.url}/#first-run=${TOKEN}`)
    await at.page.getByText("the neighbour's mesh").first().waitFor()
    expect(at.page.url()).not.toContain(TOKEN)
    expect(await seriousFindings(at.page)).toEqual([])
    await at.page.getByRole('button', { name: 'Make a new mesh on this PC' }).click()
    await at.page.getByLabel('Your name').fill('Anna')
    await at.page.getByLabel('Password', { exact: true }).fill('short')
    await at.page.getByRole('button', { name: 'Make account and enter' }).click()
    await at.page.getByText('this one has 5').waitFor()
    await at.page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await at.page.getByLabel('Password again').fill(PASSWORD)
    await at.page.getByRole('button', { name: 'Make account and enter' }).click()
    await at.page.getByRole('heading', { name: 'This PC is ready.' }).waitFor()
    expect(at.peer.asked.find((a) => a.what === 'POST /auth/first-run')?.body).toEqual({
      token: TOKEN,
      name: 'anna',
      password: PASSWORD
    })
  })

  test('a fresh PC joins the mesh whose six words it shows', async () => {
    await using at = await visit({ scenario: 'looking' })
    await at.page.goto(`${at.peer.url}/#first-run=${TOKEN}`)
    const offer = at.page.getByRole('listitem').filter({ hasText: "workbench's mesh" })
    expect((await offer.innerText()).replace(/\s+/g, ' ')).toContain('apple river stone candle window forest')
    await offer.getByRole('button', { name: 'Join' }).click()
    await at.page.getByRole('heading', { name: 'Make your account' }).waitFor()
    expect(at.peer.asked.some((a) => a.what === 'POST /offers/o1/accept')).toBe(true)
  })

  test('a session is started from the form, its output comes live, and it is stopped', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page, '/sessions/start')
    await at.page.getByLabel('Command').fill('make -j8 "two words"')
    await at.page.getByLabel('Cores').fill('2')
    await at.page.getByRole('button', { name: 'Start' }).click()
    await at.page.getByRole('heading', { name: 'make -j8 two words' }).waitFor()
    expect(at.peer.asked.find((a) => a.what === 'POST /sessions')?.body).toMatchObject({
      app_uri: 'exec:make',
      args: ['-j8', 'two words'],
      cpu_cores: 2
    })
    const output = at.page.getByRole('region', { name: /^Output of/ })
    await output.getByText('step 2').waitFor()
    expect(await output.locator('.err .mark').first().innerText()).toBe('err')
    expect(await output.innerText()).not.toContain('\x1b')
    await at.page.getByRole('button', { name: 'Stop' }).click()
    await at.page.getByRole('button', { name: 'Stop it' }).click()
    await at.page.getByText('The output is complete').waitFor()
    await at.page.getByText('stopped by anna').first().waitFor()
    expect(await at.page.evaluate(() => sessionStorage.getItem('omega.drafts'))).toBe('{}')
    expect(faults(at.browser)).toEqual([])
  })

  test('a strict session says who may run it; one that waits for a PC asks, says what follows, and is taken over', async () => {
    await using at = await visit({})
    const { nodes, sessions } = at.peer.mesh
    const [here, away] = [nodes[0]!, nodes.find((node) => node.state === 'dead')!]
    const session = {
      ...sessions[0]!,
      state: 'lost' as const,
      mode: 'strict' as const,
      user: 'anna',
      strict: {
        voters: [away.peerId],
        lease: { holder: away.peerId, endsInMs: 0, ageMs: 61_000, from: here.peerId },
        awaits: [away.peerId],
        takenOver: null
      }
    }
    at.peer.mesh.sessions[0] = session
    await signIn(at.peer, at.page, `/sessions/${session.id}`)
    await at.page.getByText(`Is ${away.name} off?`).waitFor()
    await at.page.getByText('strict: never two runs of it').waitFor()
    await at.page.getByText(`nobody: ${away.name} renewed it last`).waitFor()
    expect(await seriousFindings(at.page)).toEqual([])
    await at.page.getByRole('button', { name: 'Take over' }).click()
    const dialog = at.page.getByRole('dialog', { name: `Is ${away.name} really off?` })
    await dialog.getByText('it runs twice until the PCs hear of each other').waitFor()
    await dialog.getByRole('button', { name: `Wait for ${away.name}` }).click()
    expect(at.peer.asked.some((asked) => asked.what.endsWith('/takeover'))).toBe(false)
    await at.page.getByRole('button', { name: 'Take over' }).click()
    await dialog.getByRole('button', { name: 'Take over' }).click()
    await at.page.getByText(`by anna at ${here.name}`).waitFor()
    await at.page.getByText(`Is ${away.name} off?`).waitFor({ state: 'detached' })
    expect(at.peer.asked.filter((asked) => asked.what === `POST /sessions/${session.id}/takeover`)).toHaveLength(1)
    expect(faults(at.browser)).toEqual([])
  })

  test('a refused start says why and keeps what was typed, also through a reload', async () => {
    await using at = await visit({})
    at.peer.failing.set('POST /sessions', 'no PC has 64 free cores: the most is 40, at atlas')
    await signIn(at.peer, at.page, '/sessions/start')
    await at.page.getByLabel('Command').fill('stress-ng')
    await at.page.getByRole('button', { name: 'Start' }).click()
    await at.page.getByText('No PC has 64 free cores').waitFor()
    await at.page.reload()
    await at.page.locator('h1').waitFor()
    expect(await at.page.getByLabel('Command').inputValue()).toBe('stress-ng')
  })

  test('six thousand lines of output leave at most five thousand in the page, and say so', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page, `/sessions/7${'2'.padStart(31, '0')}`)
    await at.page.getByText(/earlier lines left the page/).waitFor()
    await at.page.getByText('step 1', { exact: false }).first().waitFor()
    const shown = await at.page
      .getByRole('region', { name: /^Output of/ })
      .evaluate((box) =>
        [...box.querySelectorAll('pre')].reduce((sum, pre) => sum + (pre.textContent ?? '').split('\n').length, 0)
      )
    expect(shown).toBeLessThanOrEqual(5_000)
    expect(shown).toBeGreaterThan(4_000)
  })

  test('the door is opened and shown on every tab with its knocks, and closed', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page, '/nodes/add')
    await at.page.getByRole('button', { name: 'Open the door for 10 minutes' }).click()
    await at.page.getByRole('link', { name: 'Sessions' }).click()
    const notices = at.page.getByRole('region', { name: 'Notices' })
    expect((await notices.innerText()).replace(/\s+/g, ' ')).toMatch(
      /The door of workbench is open for another (10:00|9:5\d).*newcomer.*apple river stone candle window forest/
    )
    await notices.getByRole('button', { name: 'Close it' }).click()
    await notices.getByText('The door of').waitFor({ state: 'detached' })
  })

  test('an invite is shown once with the command to type', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page, '/nodes/add')
    await at.page.getByRole('button', { name: 'Make an invite' }).click()
    await at.page.getByText(/^omega up --join omega-invite:/).waitFor()
    await at.page.getByRole('link', { name: 'Dashboard' }).click()
    await at.page.goBack()
    await at.page.getByRole('heading', { name: 'Add a PC' }).waitFor()
    expect(await at.page.getByText('omega-invite:').count()).toBe(0)
  })

  test('the own PC is paused after the consequence was said, and resumed', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page, '/nodes/workbench')
    await at.page.getByRole('button', { name: 'Pause this PC' }).click()
    await at.page.getByText('1 session runs here and is stopped').waitFor()
    await at.page.getByRole('button', { name: 'Pause it' }).click()
    await at.page.getByRole('button', { name: 'Resume this PC' }).click()
    await at.page.getByRole('button', { name: 'Pause this PC' }).waitFor()
  })

  test('a viewer is offered nothing that would be refused', async () => {
    await using at = await visit({ role: 'viewer' })
    await signIn(at.peer, at.page, '/sessions')
    for (const place of [
      '/',
      '/nodes',
      '/nodes/workbench',
      '/nodes/add',
      '/sessions',
      '/sessions/start',
      `/sessions/7${'1'.padStart(31, '0')}`
    ]) {
      await at.page.goto(`${at.peer.url}/#${place}`)
      await at.page.locator('h1').waitFor()
      expect(
        await at.page
          .getByRole('button', { name: /^(Start|Stop|Pause this PC|Open the door.*|Make an invite)$/ })
          .count(),
        place
      ).toBe(0)
    }
  })

  test('keys lead to tabs, rows and anything by name, and do nothing in a field', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page)
    await at.page.keyboard.press('g')
    await at.page.keyboard.press('n')
    await at.page.getByRole('heading', { name: 'PCs of the mesh' }).waitFor()
    await at.page.keyboard.press('j')
    await at.page.keyboard.press('j')
    await at.page.keyboard.press('Enter')
    await at.page.getByRole('heading', { name: 'atlas', exact: true }).waitFor()
    await at.page.keyboard.press('Control+k')
    await at.page.keyboard.type('start a')
    await at.page.keyboard.press('Enter')
    await at.page.getByLabel('Command').focus()
    await at.page.keyboard.type('gs?/jk')
    expect(await at.page.getByLabel('Command').inputValue()).toBe('gs?/jk')
    expect(await at.page.getByRole('dialog').count()).toBe(0)
  })

  test('when the peer dies the last figures stay, and one click goes on at another with login, place and draft', async () => {
    await using at = await visit({})
    const other = await FakePeer.start({ scenario: 'office', dir, tickMs: 0 })
    other.mesh.status = { ...other.mesh.status, name: 'atlas', peerId: at.peer.mesh.nodes[1]?.peerId ?? '' }
    // Another host name, so that the login of the first is worth nothing there.
    at.peer.others = [
      { peerId: other.mesh.status.peerId, name: 'atlas', url: other.url.replace('127.0.0.1', 'localhost') }
    ]
    await signIn(at.peer, at.page, '/sessions/start')
    await at.page.getByLabel('Command').fill('make -j9 & co')
    await at.peer.kill()
    await at.page.getByText('Cannot reach workbench').waitFor()
    const way = at.page.getByRole('link', { name: 'Go on at atlas' })
    await way.waitFor()
    expect(await seriousFindings(at.page)).toEqual([])
    await way.click()
    await at.page.getByLabel('Command').waitFor()
    expect(await at.page.getByLabel('Command').inputValue()).toBe('make -j9 & co')
    expect(at.page.url()).toBe(`${other.url.replace('127.0.0.1', 'localhost')}/#/sessions/start`)
    expect(other.tickets).toEqual(['ticket-of-workbench'])
    await other.kill()
  })

  test('where the page may try other members, it goes by itself to the one that answers', async () => {
    const alive = await FakePeer.start({ scenario: 'office', dir, tickMs: 0, mayTry: [] })
    const url = alive.url.replace('127.0.0.1', 'localhost')
    const dead = 'http://localhost:9'
    await using at = await visit({ mayTry: [url, dead] })
    const [, atlas, studio] = at.peer.mesh.nodes
    at.peer.others = [
      { peerId: atlas?.peerId ?? '', name: 'atlas', url: dead },
      { peerId: studio?.peerId ?? '', name: 'studio', url }
    ]
    alive.mesh.status = { ...alive.mesh.status, name: 'studio', peerId: studio?.peerId ?? '' }
    await signIn(at.peer, at.page, '/sessions?state=open')
    await at.peer.kill()
    await at.page.waitForURL(`${url}/#/sessions?state=open`)
    await at.page.getByText('As seen from studio').waitFor()
    expect(alive.tickets).toEqual(['ticket-of-workbench'])
    await alive.kill()
  })

  test('when no member answers, the page stays where it is', async () => {
    await using at = await visit({ mayTry: ['http://localhost:9'] })
    at.peer.others = [{ peerId: at.peer.mesh.nodes[1]?.peerId ?? '', name: 'atlas', url: 'http://localhost:9' }]
    await signIn(at.peer, at.page)
    await at.peer.kill()
    await at.page.getByRole('link', { name: 'Go on at atlas' }).waitFor()
    await at.page.getByRole('heading', { name: 'Four PCs ready, one away.' }).waitFor()
  })

  test('a ticket that is refused leads to a sign-in that says why and keeps the draft', async () => {
    await using at = await visit({})
    const draft = encodeURIComponent(JSON.stringify({ start: JSON.stringify({ command: 'kept' }) }))
    await at.page.goto(`${at.peer.url}/#handover=forged&route=%2Fsessions%2Fstart&draft=${draft}`)
    await at.page.getByText('Your login was not carried over').waitFor()
    expect(at.page.url()).not.toContain('forged')
    await at.page.getByLabel('Name').fill('anna')
    await at.page.getByLabel('Password').fill(PASSWORD)
    await at.page.getByRole('button', { name: 'Sign in' }).click()
    await at.page.getByLabel('Command').waitFor()
    expect(await at.page.getByLabel('Command').inputValue()).toBe('kept')
  })

  test('a peer that comes back is used again, and the page says nothing more of it', async () => {
    await using at = await visit({})
    await signIn(at.peer, at.page)
    const port = Number(new URL(at.peer.url).port)
    await at.peer.kill()
    await at.page.getByText('Cannot reach workbench').waitFor()
    const again = await FakePeer.start({ scenario: 'office', dir, tickMs: 0, port })
    await at.page.getByText('Cannot reach workbench').waitFor({ state: 'detached' })
    await again.kill()
  })
})
