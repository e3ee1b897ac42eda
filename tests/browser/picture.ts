/**
 * The picture of the README: `node tests/browser/picture.ts FILE.png`. The dashboard of a real mesh of three peers with three
 * real sessions, after a minute of history. Run by hand, best on an idle PC; needs what the mesh and browser tests need, and
 * make, cc and python3.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { startMesh } from '../mesh/harness/index.ts'
import type { Peer, Running } from '../mesh/harness/index.ts'
import { launchBrowser } from './harness/index.ts'
import { addressOf, firstRunLink, makeAccount } from './person.ts'

const SIZE = { width: 1440, height: 900 }
/** The page keeps the place of a scroll bar free; the picture is taken beside it. */
const SCROLL_BAR = 15
const BYTES_MAX = 250_000
/** A minute, a sample each two seconds, less what a busy PC may miss. */
const SAMPLES = 28

const file = process.argv[2]
if (file === undefined) throw new Error('picture: say where to, as in: node tests/browser/picture.ts dashboard.png')

await using mesh = await startMesh({
  peers: [{ name: 'atlas', env: { OMEGA_CLUSTER_NAME: 'home' } }, 'den', 'lark']
})
const atlas = mesh.peer('atlas')
await using browser = await launchBrowser({
  enter: atlas.enter,
  viewport: { width: SIZE.width + SCROLL_BAR, height: SIZE.height },
  colorScheme: 'dark'
})
const page = await browser.newPage()
await page.goto(await firstRunLink(atlas))
await makeAccount(page)
await page.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()

const token = await makeToken(page)
const running = startWork(atlas, token)
await mesh.until(() => running.every((one) => one.stdout !== ''), { what: 'first output of every session' })
await mesh.until(
  async (note) => {
    const samples = (await atlas.nodes()).map((node) => node.history.cpu.filter((sample) => sample !== null).length)
    note(samples)
    return samples.every((count) => count >= SAMPLES)
  },
  { what: 'a minute of history', withinMs: 180_000 }
)
// Where the pointer rests, a row is lit.
await page.mouse.move(0, SIZE.height - 1)
await page.getByText('Three sessions run.').waitFor()
await page.screenshot({ path: resolve(file), clip: { x: 0, y: 0, ...SIZE } })
const { size } = statSync(resolve(file))
console.log(`${file}: ${SIZE.width} x ${SIZE.height}, ${Math.round(size / 1000)} kB`)
if (size > BYTES_MAX)
  throw new Error(`picture: ${size} bytes are more than the ${BYTES_MAX} that a README should carry`)

/** Work of a person, not of the PC's own user. */
async function makeToken(page: Page): Promise<string> {
  return await page.evaluate(async () => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch('/api/v1/tokens', { method: 'POST', headers, body: '{"label":"terminal"}' })
    return ((await answer.json()) as { token: string }).token
  })
}

function startWork(from: Peer, token: string): Running[] {
  const folder = (name: string, files: Record<string, string>): string => {
    const cwd = join(from.workDir, name)
    mkdirSync(cwd)
    for (const [path, text] of Object.entries(files)) writeFileSync(join(cwd, path), text)
    return cwd
  }
  const as = ['--url', addressOf(from), '--token', token, '--ca', join(from.dataDir, 'mesh-ca.pem'), 'run']
  const run = (cwd: string, ...words: string[]) => from.spawn([...as, ...words], { cwd })
  const [player, photos, survey] = [
    folder('player', makeProject()),
    folder('photos', { 'contact_sheet.py': steps(`f'page {n} done'`) }),
    folder('survey', { 'train.py': steps(`f'epoch {n}: loss {3 / n:.4f}'`) })
  ]
  return [
    run(player, '--cpu', '2', '--memory', '2G', '--', 'make', '-j2'),
    run(survey, '--cpu', '1', '--memory', '4G', '--', 'python3', 'train.py', '--epochs', '40'),
    run(photos, '--cpu', '1', '--memory', '512M', '--', 'python3', 'contact_sheet.py', 'summer-2026')
  ]
}

/** A C program of many small parts; each is compiled with a breath between, so that it builds for some minutes. */
function makeProject(): Record<string, string> {
  const names = Array.from({ length: 240 }, (_, i) => `part${String(i + 1).padStart(3, '0')}`)
  const parts = names.map((name) => [`${name}.c`, `int ${name}(int n) { return n * ${name.length}; }\n`])
  const objects = names.map((name) => `${name}.o`).join(' ')
  const rules = `player: ${objects}\n\tar rcs $@ $^\n%.o: %.c\n\tcc -O2 -c $< -o $@ && sleep 1\n`
  return { ...Object.fromEntries(parts), Makefile: rules }
}

/** Bursts of work and a line of progress, for some minutes. */
function steps(each: string): string {
  return `import time\nfor n in range(1, 400):\n    begin = time.time()\n    while time.time() - begin < 0.3: sum(range(1000))\n    print(${each}, flush=True)\n    time.sleep(0.7)\n`
}
