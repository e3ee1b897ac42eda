/**
 * Large meshes in the simulator: how long until a dead PC is known to be dead, to one and to all, by power loss and by the
 * end of its process alone; what each peer sends when nothing happens; how fast one change is with all. Beside it what
 * PROTOCOLS.md 1.1 and 2.1 expect. `--peers 100` measures one size only.
 */
import { startMesh } from '../../sim/mesh.ts'
import type { SimMesh } from '../../sim/mesh.ts'
import type { SimPc } from '../../sim/pc.ts'
import { bench, goal, rounded, spread } from './report.ts'
import type { Size } from './report.ts'

const SIZES = [3, 10, 100, 1000]
/** PROTOCOLS.md 2.1: wait for the next probe, 0.3 + 0.4 s, suspicion; B3: the 99th percentile of each. */
const EXPECTED_MS = {
  powerLoss: { 10: 4000, 100: 3000, 1000: 3000 },
  processKill: 1300,
  p99: { powerLoss: 6000, processKill: 2500 },
  memberlistSuspicion: { 10: 4000, 100: 8000, 1000: 12_000 },
  /** A rumour on eight rings, until all have it. */
  rumourToAll: { 10: 350, 100: 710, 1000: 1060 }
}
const SETTLE_MS = 10_000
/** A reading of each comes at least each 30 s. */
const IDLE_MS = 30_000
const LOOK_MS = 10
const WATCH_MS = 60_000

const at = process.argv.indexOf('--peers')
const sizes = at < 0 ? SIZES : [Number(process.argv[at + 1])]

await bench('scale', (size) => ({
  expectedMs: EXPECTED_MS,
  meshes: sizes.filter((peers) => !size.quick || peers <= 100).map((peers) => measured(peers, size))
}))

function measured(peers: number, size: Size) {
  const startedAt = performance.now()
  const mesh = startMesh({ seed: 1, peers, warm: true, discovery: false })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 120_000,
    what: 'formed',
    everyMs: 500
  })
  mesh.run(size.count(SETTLE_MS, 5000))
  const idle = traffic(mesh, peers, size.count(IDLE_MS, 10_000))
  const degrees = spread(mesh.running.map((pc) => [...pc.peer!.members()].filter((member) => member.linked).length))
  const rounds = size.count(peers >= 1000 ? 3 : 10, 2)
  const changes = repeated(rounds, (round) => change(mesh, round))
  const readings = repeated(rounds, (round) => reading(mesh, round))
  const powerLoss = repeated(rounds, (round) => death(mesh, round, 'kill'))
  const processKill = repeated(rounds, (round) => death(mesh, round, 'killPeerProcess'))
  const simulatedS = mesh.nowMs / 1000
  const wallS = (performance.now() - startedAt) / 1000
  return {
    peers,
    links: degrees,
    idlePerPeer: idle,
    changeMs: {
      toHalf: spread(changes.map(({ half }) => half)),
      to95: spread(changes.map(({ most }) => most)),
      toAll: spread(changes.map(({ all }) => all))
    },
    readingMs: { to95: spread(readings.map(({ most }) => most)), toAll: spread(readings.map(({ all }) => all)) },
    powerLossMs: { first: spread(powerLoss.map(({ first }) => first)), all: spread(powerLoss.map(({ all }) => all)) },
    processKillMs: {
      first: spread(processKill.map(({ first }) => first)),
      all: spread(processKill.map(({ all }) => all))
    },
    goals: [
      goal('bytes a second and peer', idle.bytesPerS, 20_000),
      goal('one change with 95 % of all, ms', spread(changes.map(({ most }) => most)).max, 5000),
      goal('power loss known to all, p99, ms', spread(powerLoss.map(({ all }) => all)).p99, EXPECTED_MS.p99.powerLoss),
      goal(
        'process end known to all, p99, ms',
        spread(processKill.map(({ all }) => all)).p99,
        EXPECTED_MS.p99.processKill
      )
    ],
    simulatedS: rounded(simulatedS),
    wallS: rounded(wallS),
    simulatedPeerSecondsPerWallS: rounded((peers * simulatedS) / wallS),
    heapMib: rounded(process.memoryUsage().heapUsed / 2 ** 20)
  }
}

/** Payload and frames by plane while nothing happens; what TCP, Noise and yamux add is in the bench `gossip`. */
function traffic(mesh: SimMesh, peers: number, ms: number) {
  const counts = () => new Map([...mesh.world.fabric.traffic].map(([plane, sum]) => [plane, { ...sum }]))
  const before = counts()
  mesh.run(ms)
  const planes = [...counts()].map(([plane, { frames, bytes }]) => ({
    plane,
    messagesPerS: rounded(((frames - (before.get(plane)?.frames ?? 0)) * 1000) / ms / peers),
    bytesPerS: rounded(((bytes - (before.get(plane)?.bytes ?? 0)) * 1000) / ms / peers)
  }))
  const sum = (of: 'messagesPerS' | 'bytesPerS') => rounded(planes.reduce((total, plane) => total + plane[of], 0))
  return { seconds: ms / 1000, bytesPerS: sum('bytesPerS'), messagesPerS: sum('messagesPerS'), planes }
}

/** One entry of the ledger, written anywhere. */
function change(mesh: SimMesh, round: number) {
  const author = mesh.pcs[(17 * round) % mesh.pcs.length]!
  const key = `bench/${round}`
  author.peer!.ledgerPut(key, new Uint8Array([1]), () => {})
  return arrival(mesh, (pc) => pc.peer!.ledger(key) !== undefined)
}

/** One new label of one PC: the lazy way of readings. */
function reading(mesh: SimMesh, round: number) {
  const author = mesh.pcs[(23 * round) % mesh.pcs.length]!
  const { static: known } = author.peer!.ad(author.id)!
  author.peer!.advertise({ static: { ...known!, labels: { round: String(round) } } })
  return arrival(mesh, (pc) => pc.peer!.ad(author.id)?.static?.labels['round'] === String(round))
}

function arrival(mesh: SimMesh, has: (pc: SimPc) => boolean) {
  const since = mesh.nowMs
  const waiting = new Set(mesh.running)
  const total = waiting.size
  const reached: number[] = []
  const look = (): boolean => {
    for (const pc of waiting) {
      if (!has(pc)) continue
      waiting.delete(pc)
      reached.push(mesh.nowMs - since)
    }
    return waiting.size === 0
  }
  watch(mesh, look, `a change with all ${total}`)
  const share = (part: number) => reached[Math.ceil(part * total) - 1]!
  return { half: share(0.5), most: share(0.95), all: share(1) }
}

function death(mesh: SimMesh, round: number, how: 'kill' | 'killPeerProcess') {
  const victim = mesh.pcs[(29 * round + 1) % mesh.pcs.length]!
  // Each death at another moment between two probes.
  mesh.run(5000 + 137 * round)
  const since = mesh.nowMs
  mesh[how](victim)
  const others = mesh.running
  const sees = (): number => others.filter((pc) => pc.peer!.member(victim.id)?.state === 'dead').length
  watch(mesh, () => sees() > 0, 'somebody misses it')
  const first = mesh.nowMs - since
  watch(mesh, () => sees() === others.length, 'all miss it')
  const all = mesh.nowMs - since
  mesh.restart(victim)
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree(), {
    withinMs: 120_000,
    what: 'it is back',
    everyMs: 500
  })
  return { first, all }
}

/** Looks on a beat of its own: in a small mesh events are far apart. */
function watch(mesh: SimMesh, holds: () => boolean, what: string): void {
  const until = mesh.nowMs + WATCH_MS
  while (!holds()) {
    if (mesh.nowMs >= until) throw mesh.failure(`not within ${WATCH_MS} ms: ${what}`)
    mesh.run(LOOK_MS)
  }
}

function repeated<T>(times: number, once: (round: number) => T): T[] {
  return Array.from({ length: times }, (_, round) => once(round))
}
