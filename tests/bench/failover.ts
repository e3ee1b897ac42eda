/**
 * How long a session stands still when its PC loses power: from the cut to the first line from elsewhere, with 3 and 5 real
 * peers, and in the simulator with 3 to 100, beside what PROTOCOLS.md 2.4.4 expects.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startMesh } from '../../sim/mesh.ts'
import { createRandom } from '../../sim/random.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import type { SessionView } from '../../node/http/views.ts'
import { between, startBundledMesh } from './mesh.ts'
import { bench, spread } from './report.ts'
import type { Size } from './report.ts'

const NAMES = ['atlas', 'den', 'lark', 'finch', 'moor']
/** The child is frozen 5 s after the owner's last word, nobody takes over before 6.5 s, ranks are 0.5 s apart. */
const EXPECTED_MS = { earliest: 6500, usual: 8700 }
const LOOK_MS = 20
const TAKEOVER_MS = 60_000

await bench('failover', async (size) => ({
  between: between(),
  expectedMs: EXPECTED_MS,
  realPeers: [await real(3, size), await real(5, size)],
  simulatedPeers: [3, 5, 10, 100].map((peers) => simulated(peers, size))
}))

async function real(peers: number, size: Size) {
  await using mesh = await startBundledMesh({ peers: NAMES.slice(0, peers) })
  await mesh.allSeeAll()
  const samples: number[] = []
  for (let i = 0; i < size.count(5, 1); i++) samples.push(await powerCut(mesh, i))
  return { peers, toFirstLineElsewhereMs: spread(samples) }
}

async function powerCut(mesh: Mesh, round: number): Promise<number> {
  const [atlas] = mesh.peers as [Peer]
  const file = join(atlas.folder, '..', `lines${round}`)
  const names = (): string[] => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [])
  const script = `while sleep 0.02; do echo "$OMEGA_PEER_NAME" >> ${file}; done`
  const options = ['--no-files', '--cpu', '0.1', '--restart', 'on-node-loss', '--not-on', atlas.name]
  const { id } = await atlas.json<SessionView>(['submit', ...options, '--', 'sh', '-c', script])
  const first = await mesh.until(() => names()[0], { what: 'first line of the program' })
  const runner = mesh.peer(first)
  await runner.killAll()
  const cutAt = performance.now()
  await mesh.until(() => names().some((name) => name !== first), {
    what: `line of the program from elsewhere than ${first}`,
    everyMs: LOOK_MS,
    withinMs: TAKEOVER_MS
  })
  const tookMs = performance.now() - cutAt
  await atlas.json(['stop', id])
  await runner.up()
  await mesh.allSeeAll()
  return tookMs
}

/** Every seed cuts at another moment between two probes. */
function simulated(peers: number, size: Size) {
  const samples: number[] = []
  const seeds = peers < 100 ? size.count(60, 5) : size.count(4, 1)
  for (let seed = 1; seed <= seeds; seed++) {
    const mesh = startMesh({ seed, peers, replay: 'node tests/bench/failover.ts' })
    mesh.until(() => mesh.running.length === peers && mesh.agree(), { withinMs: 60_000, what: 'formed', everyMs: 250 })
    const job = mesh.submit(0, 'sleep infinity', { restart: 'on-node-loss', notOn: 'pc0' })
    const runs = () => mesh.world.runs.of(job.id ?? '')
    mesh.until(() => runs().length === 1, { withinMs: 30_000, what: 'it runs' })
    mesh.run(5000 + createRandom(seed, 'cut').float() * 2000)
    mesh.kill(mesh.pcs.find((pc) => pc.id === runs()[0]!.peer)!)
    const cutMs = mesh.nowMs
    mesh.until(() => runs().length === 2, { withinMs: TAKEOVER_MS, what: 'it runs elsewhere' })
    samples.push(runs()[1]!.fromMs - cutMs)
  }
  return { peers, toStartElsewhereMs: spread(samples) }
}
