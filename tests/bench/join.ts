/**
 * How long a new PC takes to become one of three: `omega up --join` with an invite, and `omega up --accept-open-door`, which
 * finds the door over mDNS. From the start of the process until all three hold all three for alive; then it leaves again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import { between, startBundledMesh } from './mesh.ts'
import { bench, ratio, spread } from './report.ts'

const MEMBERS = ['atlas', 'den']
/** How often is looked, so the times are this much too long at most. */
const LOOK_MS = 10

interface Joined {
  /** The local socket answers: the program has started. */
  answersMs: number
  activeMs: number
  aliveOnAllMs: number
  bareNodeMs: number
}

await bench('join', async (size) => {
  const count = size.count(5, 1)
  const newcomers = (kind: string) => Array.from({ length: count }, (_, i) => `${kind}${i + 1}`)
  const [invited, passing] = [newcomers('guest'), newcomers('passer')]
  await using mesh = await startBundledMesh({ peers: [...MEMBERS, ...invited, ...passing], join: 'none' })
  const [atlas, den] = MEMBERS.map((name) => mesh.peer(name)) as [Peer, Peer]
  await atlas.up(['--new'])
  await den.up(['--join', (await atlas.json<{ invite: string }>(['invite'])).invite])
  await mesh.allSeeAll([atlas, den])
  const byInvite: Joined[] = []
  for (const name of invited) {
    const { invite } = await atlas.json<{ invite: string }>(['invite'])
    byInvite.push(await joins(mesh, mesh.peer(name), ['--join', invite]))
  }
  await atlas.json(['invite', '--open', '10m'])
  const byOpenDoor: Joined[] = []
  for (const name of passing) byOpenDoor.push(await joins(mesh, mesh.peer(name), ['--accept-open-door']))
  return { between: between(), byInvite: figures(byInvite), byOpenDoor: figures(byOpenDoor) }
})

function figures(all: Joined[]) {
  const list = (key: keyof Joined) => all.map((one) => one[key])
  return {
    answersMs: spread(list('answersMs')),
    activeMs: spread(list('activeMs')),
    aliveOnAllMs: spread(list('aliveOnAllMs')),
    /** A Node that does nothing, from start to end, in the same minute. */
    bareNodeMs: spread(list('bareNodeMs')),
    aliveOnAllOverBareNode: ratio(list('aliveOnAllMs'), list('bareNodeMs'))
  }
}

async function joins(mesh: Mesh, newcomer: Peer, args: string[]): Promise<Joined> {
  const three = [...MEMBERS.map((name) => mesh.peer(name)), newcomer]
  const nodeStartedAt = performance.now()
  await newcomer.exec([process.execPath, '-e', '0']).end(30_000)
  const startedAt = performance.now()
  const bareNodeMs = startedAt - nodeStartedAt
  await newcomer.up(args, { phase: 'any' })
  await seen(async () => (await newcomer.status()).phase !== undefined)
  const answersMs = performance.now() - startedAt
  await seen(async () => (await newcomer.status()).phase === 'active')
  const activeMs = performance.now() - startedAt
  await seen(
    async () => {
      const views = await Promise.all(three.map((peer) => peer.nodes()))
      return views.every((nodes) => nodes.filter(({ state }) => state === 'alive').length === three.length)
    },
    () => mesh.peers.map((peer) => peer.log()).join('\n')
  )
  const aliveOnAllMs = performance.now() - startedAt
  await newcomer.json(['leave'])
  await mesh.until(async () => (await mesh.peer('den').status()).members.alive === MEMBERS.length, {
    what: `${newcomer.name} gone from the mesh`
  })
  await newcomer.killAll()
  return { answersMs, activeMs, aliveOnAllMs, bareNodeMs }
}

/** Looks closer than the tests do. A look that fails counts as "not yet". */
async function seen(look: () => Promise<boolean>, more = () => ''): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!(await look().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`a newcomer did not become a member in two minutes\n${more()}`)
    await sleep(LOOK_MS)
  }
}
