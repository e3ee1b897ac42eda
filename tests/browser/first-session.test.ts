/**
 * A person's first hour with three PCs, in a browser that trusts the mesh: the first account, a PC let in by an invite made
 * on the page, programs started, watched and stopped, the door, the stop button, and the page that goes on at another PC
 * when its own dies. The tests are one story and build on each other.
 */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NodeView, SessionView, StatusView } from '../../node/http/views.ts'
import { startMesh } from '../mesh/harness/index.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import { Complaints, whoAmI } from './complaints.ts'
import { browserMissing, launchBrowser } from './harness/index.ts'
import type { Browser } from './harness/index.ts'
import { findings } from './looks.ts'
import {
  addressesOf,
  addressOf,
  authorityOf,
  firstRunLink,
  localAddressOf,
  makeAccount,
  readMachines,
  signedIn,
  signIn
} from './person.ts'
import type { Figure } from './person.ts'

const LONG = 300_000
/** The page is at most this much behind what the peer itself says: a delta each second, at most 2 s old, and the look. */
const BEHIND_MS = 6_000

describe.skipIf(browserMissing(true))('a first session in a browser that trusts the mesh', { timeout: LONG }, () => {
  let mesh: Mesh
  let [atlas, den, lark]: Peer[] = []
  /** At the first PC itself, by http://localhost. */
  let home: Browser
  /** Somewhere on the LAN. */
  let desk: Browser
  let page: Page
  let complaints: Complaints

  beforeAll(async () => {
    mesh = await startMesh({ peers: ['atlas', 'den', 'lark'], join: 'none' })
    ;[atlas, den, lark] = mesh.peers
    await atlas!.up(['--new'])
    const { invite } = await atlas!.json<{ invite: string }>(['invite'])
    await den!.up(['--join', invite])
    await mesh.allSeeAll([atlas!, den!])
  }, LONG)
  /** A step that failed leaves the next ones nothing to build on. */
  let broken = false
  beforeEach(({ skip, onTestFailed }) => {
    if (broken) skip('an earlier step of the story failed')
    onTestFailed(async () => {
      broken = true
      for (const open of [home, desk].flatMap((browser) => browser?.context.pages() ?? []))
        console.log(`${open.url()} when it failed:\n${await open.innerText('body').catch(String)}`)
      console.log([home, desk].flatMap((browser) => browser?.errors ?? []).join('\n'))
      console.log(mesh.peers.map((peer) => peer.log()).join('\n'))
    })
  })
  afterAll(async () => {
    await home?.[Symbol.asyncDispose]()
    await desk?.[Symbol.asyncDispose]()
    await mesh?.stop()
  })

  test('the one-time link makes the first account on http://localhost, and an invite made there lets a third PC in', async () => {
    home = await launchBrowser({ enter: atlas!.enter })
    const complaintsAtHome = new Complaints(home)
    const first = await home.newPage()
    await first.goto(await firstRunLink(atlas!))
    await first.getByRole('heading', { name: 'Make your account' }).waitFor()
    expect(first.url()).toBe(`${localAddressOf(atlas!)}/#/`)
    expect(await findings(first, 'first run')).toEqual([])
    await makeAccount(first)
    await first.getByRole('heading', { name: 'Two PCs ready.' }).waitFor()

    await first.goto(`${localAddressOf(atlas!)}/#/nodes/add`)
    await first.getByRole('button', { name: 'Make an invite' }).click()
    const command = await first.getByText('omega up --join ').innerText()
    await lark!.up(command.split(' ').slice(2))
    await mesh.allSeeAll()
    await first.goto(`${localAddressOf(atlas!)}/#/`)
    await first.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()

    // The link was good once.
    await first.getByRole('button', { name: 'ada' }).click()
    await first.getByRole('button', { name: 'Sign out' }).click()
    await first.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(complaintsAtHome.except()).toEqual([])
    await first.goto('about:blank')
    await first.goto(await firstRunLink(atlas!))
    await first.getByText('This link is used up').waitFor()
  })

  test('the same account signs in at another PC over HTTPS, without a warning', async () => {
    desk = await launchBrowser({ trust: authorityOf(atlas!) })
    complaints = new Complaints(desk)
    page = await desk.newPage()
    await page.goto(addressOf(den!))
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await findings(page, 'sign in')).toEqual([])
    await signIn(page)
    await page.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()
    expect(await findings(page, 'dashboard empty')).toEqual([])
  })

  test('three PCs stand on the dashboard with the figures that omega nodes tells, each with whose it is and how old', async () => {
    const said: { at: number; nodes: NodeView[] }[] = []
    const agreeing = new Set<string>()
    const agree = async (note: (observation: unknown) => void) => {
      said.push({ at: performance.now(), nodes: await den!.json<NodeView[]>(['nodes']) })
      const machines = await readMachines(page)
      const now = performance.now()
      for (const [name, figures] of machines) {
        const lately = said.filter(({ at }) => now - at < BEHIND_MS).flatMap(({ nodes }) => nodes)
        if (lately.some((node) => node.name === name && tells(figures, node))) agreeing.add(name)
      }
      note({
        agreeing: [...agreeing],
        onScreen: [...machines].map(([name, f]) => [name, f.map(({ text }) => text)]),
        said
      })
      return agreeing.size === 3
    }
    await mesh.until(agree, { what: 'agreement of the page with omega nodes', everyMs: 300 })
    for (const [name, figures] of await readMachines(page)) {
      expect(figures.length, name).toBeGreaterThanOrEqual(6)
      for (const { text, title } of figures) {
        expect(title, `${name}: ${text}`).toMatch(
          new RegExp(
            `^${name}, |^probe from den, |^not available: .+ \\((probe from den|${name}), |^This PC serves the page`
          )
        )
      }
    }
  })

  test('a program started from the form runs on the chosen PC, its output comes as it is written, and it can be stopped', async () => {
    await page.getByRole('link', { name: 'Start something' }).click()
    await page.getByRole('heading', { name: 'Start a session' }).waitFor()
    const ticking = `sh -c 'n=0; while :; do n=$((n+1)); echo tick $n; echo note $n >&2; sleep 0.2; done'`
    await page.getByLabel('Command').fill(ticking)
    await page.getByLabel('On', { exact: true }).selectOption('lark')
    expect(await findings(page, 'start')).toEqual([])
    await page.getByRole('button', { name: 'Start', exact: true }).click()

    const output = page.getByRole('region', { name: /^Output of sh -c/ })
    await output.getByText('tick 1').first().waitFor()
    await page.getByText('running', { exact: true }).first().waitFor()
    // It goes on coming while the program runs.
    const seen = (await output.innerText()).match(/tick \d+/g)!.length
    await output
      .getByText(`tick ${seen + 10}`, { exact: false })
      .first()
      .waitFor()
    expect(await output.innerText()).toMatch(/^err\s+note \d+$/m)
    await page.getByRole('link', { name: 'lark', exact: true }).first().waitFor()
    expect(lark!.processes().some(({ command }) => command.includes('echo tick'))).toBe(true)
    const why = page.getByRole('region', { name: 'Where and why' })
    for (const other of ['atlas', 'den']) await why.getByRole('rowheader', { name: other }).waitFor()
    expect(await findings(page, 'session')).toEqual([])

    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByRole('button', { name: 'Stop it' }).click()
    await page.getByText('stopped', { exact: true }).first().waitFor()
    await page.getByText('The output is complete').waitFor()
    await mesh.until(() => !lark!.processes().some(({ command }) => command.includes('echo tick')), {
      what: 'end of the program on lark'
    })
  })

  test('what omega run starts on one PC appears on the page with where and why', async () => {
    const program = 'echo begun; while :; do sleep 1; done'
    const running = atlas!.spawn(['run', '--no-files', '--on', 'lark', '--', 'sh', '-c', program])
    await running.prints('begun')
    await page.goto(`${addressOf(den!)}/#/sessions`)
    const row = page.getByRole('row').filter({ hasText: 'echo begun' })
    await row.getByText('running').waitFor()
    expect(await row.innerText()).toContain('lark')
    expect(await findings(page, 'sessions')).toEqual([])
    await page.goto(`${addressOf(den!)}/#/`)
    const now = page
      .getByRole('region', { name: 'Running now' })
      .getByRole('listitem')
      .filter({ hasText: 'echo begun' })
    await now.waitFor()
    const [told] = await den!.json<SessionView[]>(['ps'])
    const why = told!.placement!.sentence.replace('lark: ', '')
    expect(why).not.toBe('')
    expect(await now.innerText()).toContain(why)
    expect(await findings(page, 'dashboard')).toEqual([])
    running.kill('SIGINT')
    await running.end(30_000)
    await page.getByText('Nothing runs and nothing waits.').waitFor()
  })

  test('a PC has a page of its own with what it has and what it gives', async () => {
    await page.goto(`${addressOf(den!)}/#/nodes`)
    await page.getByRole('heading', { name: 'PCs of the mesh' }).waitFor()
    expect(await findings(page, 'nodes')).toEqual([])
    await page.getByRole('link', { name: 'lark', exact: true }).click()
    await page.getByRole('heading', { name: 'lark', exact: true }).waitFor()
    await page.getByText('asked of lark itself').waitFor()
    const told = (await den!.json<NodeView[]>(['nodes'])).find(({ name }) => name === 'lark')!
    const about = await page.getByRole('main').innerText()
    expect(about).toContain(told.peerId)
    expect(about).toContain(valueOf(told.os))
    expect(about).toContain(`of ${valueOf(told.cores)} core`)
    // Pausing is up to whoever sits at that PC.
    expect(await page.getByRole('button', { name: 'Pause this PC' }).count()).toBe(0)
    expect(await findings(page, 'node')).toEqual([])
  })

  test('an opened door is told on every page and by omega status on every PC, and a closed one by none', async () => {
    // PCs are let in where the mesh was made; another one says so.
    await page.goto(`${addressOf(den!)}/#/nodes/add`)
    await page.getByRole('button', { name: 'Open the door for 10 minutes' }).click()
    await page.getByText('do it on the PC where the mesh was made').waitFor()
    expect(await findings(page, 'add a PC elsewhere')).toEqual([])

    const first = await home.newPage()
    await first.goto(localAddressOf(atlas!))
    await signIn(first)
    await first.getByRole('link', { name: 'Nodes' }).click()
    await first.getByRole('link', { name: 'Add a PC' }).click()
    await first.getByRole('button', { name: 'Open the door for 10 minutes' }).click()
    const told = 'The door of atlas is open'
    await first.getByText(told).waitFor()
    await page.getByText(told).waitFor()
    const open = async () => (await lark!.omega(['status'])).stdout.includes('open at atlas')
    await mesh.until(open, { what: 'open door of atlas in omega status of lark' })
    await first.getByRole('button', { name: 'Make an invite' }).click()
    await first.getByText('omega up --join ').waitFor()
    expect(await findings(first, 'add a PC')).toEqual([])

    await first.getByRole('button', { name: 'Close it' }).click()
    await first.getByText(told).waitFor({ state: 'detached' })
    await page.getByText(told).waitFor({ state: 'detached' })
    const doors = async () => (await lark!.json<StatusView>(['status'])).doors
    await mesh.until(async () => (await doors()).length === 0, { what: 'closed door in omega status of lark' })
  })

  test('the stop button of a PC is seen by the others, and so is the end of the pause', async () => {
    await page.goto(`${addressOf(den!)}/#/nodes/den`)
    await page.getByRole('button', { name: 'Pause this PC' }).click()
    await page.getByRole('button', { name: 'Pause it' }).click()
    await page.getByText('den is paused:').waitFor()
    const seenPaused = async () => (await atlas!.nodes()).find(({ name }) => name === 'den')?.offer?.paused
    await mesh.until(async () => (await seenPaused()) === true, { what: 'paused den on atlas' })
    expect(await findings(page, 'paused node')).toEqual([])
    await page.goto(`${addressOf(den!)}/#/`)
    await page.getByRole('heading', { name: 'Two PCs ready, one paused.' }).waitFor()
    await page.getByRole('button', { name: 'Resume', exact: true }).click()
    await page.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()
    await mesh.until(async () => (await seenPaused()) === false, { what: 'resumed den on atlas' })
  })

  test('nothing went wrong unseen: no error, no violation of the policy of the page, no failed request', () => {
    const refusedDoor = `${addressOf(den!)}/api/v1/door`
    expect(complaints.except(whoAmI(page), refusedDoor)).toEqual([])
  })

  test('when the PC that serves the page dies, the page goes on by itself at another one: login, place and draft are kept', async () => {
    await page.goto(`${addressOf(den!)}/#/sessions/start`)
    await page.getByLabel('Command').fill('python3 half-ty')
    await page.getByLabel('Memory').fill('3 GiB')
    const asked = whoAmI(page)
    await den!.killPeerProcess('SIGKILL')
    await page.waitForURL((url) => !url.href.startsWith(addressOf(den!)), { timeout: 60_000 })
    await signedIn(page)
    await page.getByRole('heading', { name: 'Start a session' }).waitFor()
    expect(await addressesOf([atlas!, lark!], '/sessions/start')).toContain(page.url())
    expect(await page.getByLabel('Command').inputValue()).toBe('python3 half-ty')
    expect(await page.getByLabel('Memory').inputValue()).toBe('3 GiB')

    await page.getByRole('link', { name: 'Dashboard' }).click()
    await page.getByRole('heading', { name: 'Two PCs ready, one away.' }).waitFor({ timeout: 60_000 })
    expect(await findings(page, 'dashboard one away')).toEqual([])
    // It tried who answers, and by which address.
    expect(complaints.except(asked, new URL(addressOf(den!)).host, '/health')).toEqual([])
  })
})

const valueOf = <T>(reading: { value: T } | { missing: string }): T | undefined =>
  'value' in reading ? reading.value : undefined

/** Whether these figures are that node's, each within what rounding for the screen does. */
function tells(figures: Figure[], node: NodeView): boolean {
  const texts = figures.map(({ text }) => text)
  const near = (shown: number, value: number, by: number) => Math.abs(shown - value) <= by
  const cpu = texts.map((text) => /^<?(\d+)%$/.exec(text)).find(Boolean)
  const memory = texts.map((text) => /^([\d.]+) of ([\d.]+) GiB$/.exec(text)).find(Boolean)
  const disk = texts.map((text) => /^([\d.]+) (GB|TB)$/.exec(text)).find(Boolean)
  const [used, whole, free] = [valueOf(node.memoryUsedBytes), valueOf(node.memoryBytes), valueOf(node.diskFreeBytes)]
  if (!cpu || !memory || !disk || used === undefined || whole === undefined || free === undefined) return false
  return (
    texts.includes(String(valueOf(node.cores))) &&
    near(Number(cpu[1]), (valueOf(node.cpu) ?? NaN) * 100, 1) &&
    near(Number(memory[1]), used / 2 ** 30, 0.05 * Math.max(1, used / 2 ** 30)) &&
    near(Number(memory[2]), whole / 2 ** 30, 0.5) &&
    near(Number(disk[1]) * (disk[2] === 'TB' ? 1000 : 1), free / 1e9, 0.05 * (free / 1e9))
  )
}
