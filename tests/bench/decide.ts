/**
 * How long a submitter thinks: one decision is `choose` and `explain` over its view of 10, 100 and 1,000 peers, beside a bare
 * loop that reads the same columns. Between two decisions one peer's reading changes, as it does in a mesh.
 */
import { choose, explain, PlacementView } from '../../protocols/placement/index.ts'
import type { Ask, ViewRow } from '../../protocols/placement/index.ts'
import { createRandom } from '../../sim/random.ts'
import { bench, goal, rounded, spread } from './report.ts'
import type { Size } from './report.ts'

const GOAL_P99_MS = 0.2
const PEERS = [10, 100, 1000]
const GIB = 2 ** 30
const NOW_MS = 1e6
const NO_REFUSALS: ReadonlyMap<string, string> = new Map()

await bench('decide', (size) => {
  const atPeers = PEERS.map((peers) => decisions(peers, size))
  const thousand = atPeers.at(-1)!
  return { atPeers, goals: [goal('p99 of a decision at 1,000 known peers, ms', thousand.decisionMs.p99, GOAL_P99_MS)] }
})

function decisions(peers: number, size: Size) {
  const random = createRandom(1, 'decide', peers)
  const float = () => random.float()
  const view = new PlacementView()
  for (let i = 0; i < peers; i++) view.put(row(i, float))
  const asks = [ask(1000, 1), ask(4000, 8), ask(500, 0.25, [['room', 'office']]), { ...ask(1000, 1), near: nameOf(3) }]
  const samples = {
    choose: [] as number[],
    explain: [] as number[],
    decision: [] as number[],
    bareLoop: [] as number[]
  }
  let checksum = 0
  const count = peers < 1000 ? size.count(20_000, 2000) : size.count(5000, 500)
  // The first tenth warms the compiler up; a peer that has run for a minute has done that.
  for (let n = -count / 10; n < count; n++) {
    view.put(row((n + count) % peers, float))
    const wanted = asks[(n + count) % asks.length]!
    const startedAt = performance.now()
    const choice = choose(view, wanted, NOW_MS, float)
    const chosenAt = performance.now()
    const why = explain(view, wanted, choice, choice.ranked[0]?.peer, NO_REFUSALS, NOW_MS)
    const explainedAt = performance.now()
    checksum += readColumns(view, wanted) + why.candidates.length
    const readAt = performance.now()
    if (n < 0) continue
    samples.choose.push(chosenAt - startedAt)
    samples.explain.push(explainedAt - chosenAt)
    samples.decision.push(explainedAt - startedAt)
    samples.bareLoop.push(readAt - explainedAt)
  }
  const [decisionMs, bareLoopMs] = [spread(samples.decision), spread(samples.bareLoop)]
  return {
    peers,
    /** Of what was only read, so that no compiler leaves the reading out. */
    checksum: rounded(checksum),
    decisionMs,
    chooseMs: spread(samples.choose),
    explainMs: spread(samples.explain),
    bareLoopMs,
    decisionOverBareLoop: rounded(mean(samples.decision) / mean(samples.bareLoop))
  }
}

/** The floor: every column of every peer is looked at once, and nothing is kept. */
function readColumns(view: PlacementView, { cpuMilli, memoryBytes }: Ask): number {
  let best = 0
  for (let i = 0; i < view.size; i++) {
    if ((view.flags[i]! & 1) === 0 || NOW_MS - view.at[i]! > 60_000) continue
    if (view.freeCpu[i]! < cpuMilli || view.freeMemory[i]! < memoryBytes) continue
    const free = view.freeCpu[i]! / view.offerCpu[i]! + view.freeMemory[i]! / view.offerMemory[i]! - view.busy[i]!
    if (free > best) best = free
  }
  return best
}

function ask(cpuMilli: number, memoryGib: number, labels: Ask['labels'] = []): Ask {
  return { cpuMilli, memoryBytes: memoryGib * GIB, labels }
}

function nameOf(i: number): string {
  return `12D3KooW${String(i).padEnd(44, 'x')}`
}

/** Most take work; some are paused, gone, full or old, as on a day in an office. */
function row(i: number, float: () => number): ViewRow {
  const cores = [2, 4, 8, 16][i & 3]!
  return {
    peer: nameOf(i),
    name: `pc${i}`,
    alive: float() > 0.05,
    paused: float() < 0.05,
    draining: false,
    offerCpuMilli: cores * 1000,
    offerMemoryBytes: cores * 2 * GIB,
    grantedCpuMilli: Math.floor(float() * cores) * 1000,
    grantedMemoryBytes: Math.floor(float() * cores) * GIB,
    busy: float(),
    at: NOW_MS - float() * 8000,
    labels: i % 3 === 0 ? { room: 'office' } : {}
  }
}

function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}
