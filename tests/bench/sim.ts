/**
 * How fast the simulator is, in processor time of one core, and what a simulated peer takes in memory: meshes that have
 * formed and idle, the forming of a small one, and seeds with faults, beside the goals of PROTOCOLS.md 2.8.2. `--peers 1000`
 * measures one size only.
 */
import { Timeline } from '../../sim/clock.ts'
import { heapBytes } from '../../sim/memory.ts'
import { startMesh } from '../../sim/mesh.ts'
import type { SimMesh } from '../../sim/mesh.ts'
import { expand } from '../../sim/plan.ts'
import { play } from '../../sim/run.ts'
import { bench, rounded } from './report.ts'

const SIZES = [10, 100, 300, 1000]
const FORM_MS = 60_000
/** Until links stand and lists were compared. */
const SETTLE_MS = 10_000
const SEEDS_PEERS = 5
/** More plans than these are not looked through for some of that size. */
const SEEDS_MAX = 1000
/** 1,000 peers for ten minutes in 30 s; a seed of five peers with faults at 3,000 times real time. */
const GOALS = { peerSecondsPerS: 20_000, seedTimesRealTime: 3000 }

const at = process.argv.indexOf('--peers')
const sizes = at < 0 ? SIZES : [Number(process.argv[at + 1])]

await bench('sim', (size) => ({
  goals: GOALS,
  formed: sizes
    .filter((peers) => !size.quick || peers <= 100)
    .map((peers) => idle(peers, size.count(Math.max(20, Math.round(6000 / peers)), 5))),
  ...(at < 0 ? { forming: [10, 40].map(forming), faultSeeds: faultSeeds(size.count(20, 3)) } : {})
}))

function idle(peers: number, seconds: number) {
  const startedS = cpuS()
  const mesh = startMesh({ seed: 1, peers, warm: true, discovery: false })
  mesh.until(() => isWhole(mesh, peers), { withinMs: FORM_MS, what: 'all are up', everyMs: 500 })
  const upS = cpuS() - startedS
  mesh.run(SETTLE_MS)
  const { timeline } = mesh.world
  const firedBefore = timeline.fired
  const beganS = cpuS()
  mesh.run(seconds * 1000)
  const tookS = cpuS() - beganS
  const entries = timeline.fired - firedBefore
  return {
    peers,
    upCpuS: rounded(upS),
    simulatedS: seconds,
    cpuS: rounded(tookS),
    peerSecondsPerCpuS: rounded((peers * seconds) / tookS),
    tenMinutesCpuS: rounded((600 * tookS) / seconds),
    entriesPerPeerSecond: rounded(entries / peers / seconds),
    microsecondsPerEntry: rounded((1e6 * tookS) / entries),
    timesBareClock: rounded(tookS / bareClockS(peers, entries)),
    heapBytesPerPeer: Math.round(heapBytes() / peers),
    traceHash: mesh.traceHash()
  }
}

function forming(peers: number) {
  const startedS = cpuS()
  const mesh = startMesh({ seed: 1, peers })
  mesh.until(() => isWhole(mesh, peers), { withinMs: FORM_MS, what: 'formed', everyMs: 250 })
  return { peers, simulatedMs: rounded(mesh.nowMs), cpuS: rounded(cpuS() - startedS) }
}

/** The first ones of five peers among the seeds of `within`. As many go before, for the compiler. */
function faultSeeds(count: number) {
  const plans = []
  for (let seed = 1; seed <= SEEDS_MAX && plans.length < 2 * count; seed++) {
    const plan = expand(seed, 'within')
    if (plan.options.peers === SEEDS_PEERS) plans.push(plan)
  }
  for (const plan of plans.slice(count)) play(plan)
  const beganS = cpuS()
  const outcomes = plans.slice(0, count).map((plan) => play(plan))
  const tookS = cpuS() - beganS
  const simulatedS = outcomes.reduce((sum, one) => sum + (one.simulatedMs - one.asleepMs) / 1000, 0)
  const entries = outcomes.reduce((sum, one) => sum + one.entries, 0)
  return {
    peers: SEEDS_PEERS,
    seeds: count,
    simulatedS: rounded(simulatedS),
    cpuS: rounded(tookS),
    timesRealTime: rounded(simulatedS / tookS),
    microsecondsPerEntry: rounded((1e6 * tookS) / entries)
  }
}

function isWhole(mesh: SimMesh, peers: number): boolean {
  return mesh.running.length === peers && mesh.agree()
}

/** Of this process, garbage collection included: the machine may be busy with other things. */
function cpuS(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The floor: as many entries through the same heap, each arming the next. */
function bareClockS(lines: number, entries: number): number {
  const timeline = new Timeline()
  let left = entries
  const again = (): void => {
    if (left-- > 0) timeline.at(1 + (left % 7), again)
  }
  for (let i = 0; i < lines * 4; i++) timeline.at(i / 8, again)
  const startedS = cpuS()
  while (timeline.step(Infinity));
  return cpuS() - startedS
}
