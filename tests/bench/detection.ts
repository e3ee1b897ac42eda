/**
 * Ten real peers beside ten agents of serf, in the same places, in the same run: one is cut off (both hear nothing any more)
 * or killed (its host answers, its programs do not), and the time is taken until the first and until all of each hold it for
 * failed. Each says the moment itself, in its events or its log. Serf is looked for on the PATH; Debian has it.
 */
import { namespacesMissing } from '../mesh/harness/index.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import type { EventView } from '../../node/http/views.ts'
import { startBundledMesh } from './mesh.ts'
import { bench, ratio, spread } from './report.ts'
import { Serf, serfMissing } from './serf.ts'
import type { Word } from './serf.ts'

const PEERS = 10
/** From BASELINES.md, in other minutes: LAN profile, ten agents. */
const SERF_BEFORE_MS = { killFirst: 6200, killAll: 6300 }
const WITHIN_MS = 120_000
/** Peer id -> name. */
const idsKnown = new Map<string, string>()

interface Seen {
  firstMs: number
  allMs: number
}
await bench('detection', async (size) => {
  const missing = namespacesMissing()
  if (missing !== undefined) return { skipped: missing }
  const names = Array.from({ length: size.count(PEERS, 3) }, (_, i) => `pc${i}`)
  await using mesh = await startBundledMesh({ peers: names })
  const serf = serfMissing() ? undefined : new Serf(mesh)
  await serf?.start()
  const rounds = size.count(5, 1)
  const cut = { omega: [] as Seen[], serf: [] as Seen[] }
  const killed = { omega: [] as Seen[], serf: [] as Seen[] }
  for (let round = 0; round < rounds; round++) {
    const victim = mesh.peers[1 + ((4 * round) % (names.length - 1))]!
    await mark(mesh, serf, cut, victim, () => mesh.lan.cut(victim.name))
    mesh.lan.heal(victim.name)
    await whole(mesh, serf)
    await mark(mesh, serf, killed, victim, async () => await victim.killAll())
    await Promise.all([victim.up(), serf?.up(victim)])
    await whole(mesh, serf)
  }
  return {
    peers: names.length,
    between: 'network namespaces on a bridge',
    cutOff: figures(cut),
    processesKilled: figures(killed),
    serfBeforeMs: SERF_BEFORE_MS,
    ...(serf === undefined && { serf: 'not installed: Debian has it as package serf' })
  }
})

async function mark(
  mesh: Mesh,
  serf: Serf | undefined,
  into: { omega: Seen[]; serf: Seen[] },
  victim: Peer,
  strike: () => void | Promise<void>
): Promise<void> {
  // each at another moment between two probes of both
  await new Promise((resolve) => setTimeout(resolve, 3000 + 1000 * Math.random()))
  const others = mesh.peers.filter((peer) => peer !== victim)
  const since = Date.now()
  await strike()
  const all = async (words: () => Promise<Word[]> | Word[]): Promise<Seen> => {
    const first = new Map<string, number>()
    await mesh.until(
      async () => {
        for (const { by, of, failed, at } of await words())
          if (failed && of === victim.name && by !== of && at >= since && !first.has(by)) first.set(by, at - since)
        return first.size === others.length
      },
      { what: `${victim.name} failed for all`, everyMs: 500, withinMs: WITHIN_MS }
    )
    const times = [...first.values()]
    return { firstMs: Math.min(...times), allMs: Math.max(...times) }
  }
  const [omega, theirs] = await Promise.all([
    all(async () => (await Promise.all(others.map((peer) => wordsOf(mesh, peer)))).flat()),
    serf === undefined ? undefined : all(() => serf.words)
  ])
  into.omega.push(omega)
  if (theirs !== undefined) into.serf.push(theirs)
}

async function wordsOf(mesh: Mesh, peer: Peer): Promise<Word[]> {
  const events = await peer.ask<EventView[]>('/api/v1/events')
  const ids = await namesById(mesh, peer)
  return events.flatMap(({ kind, text, subject, at }) => {
    if (kind !== 'node' || !text.includes(' cannot be reached')) return []
    return [{ by: peer.name, of: ids.get(subject ?? '') ?? '', failed: true, at }]
  })
}

async function namesById(mesh: Mesh, peer: Peer): Promise<ReadonlyMap<string, string>> {
  if (idsKnown.size < mesh.peers.length) for (const { peerId, name } of await peer.nodes()) idsKnown.set(peerId, name)
  return idsKnown
}

/** All of both systems hold all for alive again. */
async function whole(mesh: Mesh, serf: Serf | undefined): Promise<void> {
  await mesh.allSeeAll(mesh.peers, WITHIN_MS)
  await mesh.until(() => serf === undefined || serf.agree(), {
    what: 'all agents of serf see all',
    everyMs: 200,
    withinMs: WITHIN_MS
  })
}

function figures({ omega, serf }: { omega: Seen[]; serf: Seen[] }) {
  const list = (seen: Seen[]) => ({
    firstMs: spread(seen.map(({ firstMs }) => firstMs)),
    allMs: spread(seen.map(({ allMs }) => allMs))
  })
  if (serf.length === 0) return { omega: list(omega) }
  const all = (seen: Seen[]) => seen.map(({ allMs }) => allMs)
  return { omega: list(omega), serf: list(serf), allOverSerf: ratio(all(omega), all(serf)) }
}
