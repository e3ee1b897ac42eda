/** Plans: drawn whole before the run, the same each time, and one entry less shifts no other. */
import { expect, test } from 'vitest'
import { FAMILIES } from '../../sim/families.ts'
import type { FamilyName } from '../../sim/families.ts'
import { DRAWN_FAULTS, strike } from '../../sim/faults.ts'
import type { Fault } from '../../sim/faults.ts'
import { CHURN_SITES } from '../../sim/churn-sites.ts'
import { END_SITES } from '../../sim/end-sites.ts'
import { LEASE_SITES } from '../../sim/lease-sites.ts'
import { RESULT_SITES } from '../../sim/result-sites.ts'
import { startMesh } from '../../sim/mesh.ts'
import type { SimMesh } from '../../sim/mesh.ts'
import { dice, expand } from '../../sim/plan.ts'
import type { Plan } from '../../sim/plan.ts'
import { play } from '../../sim/run.ts'
import { SITES } from '../../sim/sites.ts'

const names = Object.keys(FAMILIES) as FamilyName[]

test('a seed expands to the same plan each time, and survives JSON', () => {
  for (const name of names) {
    const plan = expand(7, name)
    expect(expand(7, name)).toEqual(plan)
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
    expect(expand(8, name)).not.toEqual(plan)
  }
})

test('faults begin and end within the fault phase, at PCs that exist', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const { faults, jobs, options } = expand(seed, names[seed % names.length]!)
    for (const fault of faults) {
      const endMs = fault.atMs + ('forMs' in fault ? fault.forMs : 0)
      expect(endMs, JSON.stringify(fault)).toBeLessThanOrEqual(options.faultPhaseMs + 100)
      if ('pc' in fault) expect(fault.pc).toBeLessThan(options.peers)
    }
    for (const { pc, atMs } of jobs) {
      expect(pc).toBeLessThan(options.peers)
      expect(atMs).toBeLessThan(options.faultPhaseMs)
    }
  }
})

test('every class of faults is drawn by some seed, and so is every site', () => {
  const kinds = new Set<string>()
  const sites = new Set<string>()
  for (let seed = 1; seed <= 1200; seed++) {
    const { options, faults } = expand(seed, names[seed % names.length]!)
    for (const kind of options.classes) kinds.add(kind)
    for (const fault of faults) if (fault.k === 'site') sites.add(fault.site)
  }
  expect([...kinds].sort()).toEqual(Object.keys(DRAWN_FAULTS).sort())
  expect([...sites].sort()).toEqual(
    Object.keys({ ...SITES, ...LEASE_SITES, ...CHURN_SITES, ...END_SITES, ...RESULT_SITES }).sort()
  )
})

const SMALL: Plan = {
  seed: 5,
  family: 'calm',
  options: {
    peers: 3,
    cpuMilli: 4000,
    latencyMs: 0.3,
    jitterMs: 0.4,
    syncMaxMs: 4,
    rates: [1, 1.005, 0.995],
    faultPhaseMs: 20_000,
    classes: ['kill']
  },
  faults: [
    { k: 'kill', atMs: 4000, pc: 1, forMs: 3000 },
    { k: 'powerCut', atMs: 12_000, pc: 2, forMs: 5000, readdress: false }
  ],
  jobs: [
    { atMs: 0, key: 0, pc: 0, command: 'sleep 3', restart: 'no', cpuMilli: 500 },
    {
      atMs: 1000,
      key: 1,
      pc: 1,
      command: 'sleep infinity',
      restart: 'always',
      cpuMilli: 500,
      stop: { atMs: 15_000, pc: 0 }
    },
    { atMs: 5000, key: 2, pc: 2, command: 'work 2 1', restart: 'no', cpuMilli: 500 }
  ]
}

test('a plan plays the same each time, with every message through the codec too', () => {
  const first = play(SMALL)
  expect(first.violations).toEqual([])
  expect(first.faults).toEqual({ kill: 1, powerCut: 1 })
  expect(first.jobs).toEqual({ submitted: 3, accepted: 3 })
  expect(play(SMALL).traceHash).toBe(first.traceHash)
  expect(play(SMALL, { wire: true }).traceHash).toBe(first.traceHash)
})

test('without its last fault a plan runs the same until then', () => {
  const untilMs = 19_000
  const less = { ...SMALL, faults: SMALL.faults.slice(0, 1), jobs: SMALL.jobs }
  expect(play(less, { untilMs }).traceHash).toBe(play(SMALL, { untilMs }).traceHash)
  expect(play(less).traceHash).not.toBe(play(SMALL).traceHash)
})

function formed(): SimMesh {
  const mesh = startMesh({ seed: 3, peers: 3 })
  mesh.until(() => mesh.running.length === 3 && mesh.agree(), { withinMs: 30_000, what: 'all are here' })
  return mesh
}

test('each fault strikes a mesh, mends itself, and the PCs find each other again', { timeout: 120_000 }, () => {
  const options = SMALL.options
  for (const kind of Object.keys(DRAWN_FAULTS) as (keyof typeof DRAWN_FAULTS)[]) {
    const mesh = formed()
    const faults: Fault[] = DRAWN_FAULTS[kind](dice(1, kind), 0, options)
    expect(faults.length, kind).toBeGreaterThan(0)
    for (const fault of faults) {
      if ('forMs' in fault) fault.forMs = Math.min(fault.forMs, 8000)
      if ('sleepMs' in fault) fault.sleepMs = 20_000
      strike(mesh, fault)
    }
    mesh.run(60_000)
    mesh.until(() => mesh.running.length === mesh.left.length && mesh.agree(), {
      withinMs: 90_000,
      what: `all are well after ${kind}`
    })
  }
})

test('what a paused peer is told waits, and its children stand still once its leash is over', () => {
  const mesh = formed()
  const job = mesh.submit(0, 'sleep infinity', { on: 'pc1' })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 10_000, what: 'it runs' })
  mesh.pcs[1]!.pause(20_000)
  mesh.run(4000)
  expect(mesh.world.runs.of(job.id!)[0]!.toMs).toBeUndefined()
  mesh.run(2000)
  expect(mesh.world.runs.of(job.id!)[0]!.toMs).toBeDefined()
  mesh.run(20_000)
  expect(mesh.pcs[1]!.paused).toBe(false)
})

test('a sleeping PC does nothing; woken, it runs for half a second at most before it has asked', () => {
  const mesh = formed()
  const job = mesh.submit(0, 'sleep infinity', { on: 'pc2', restart: 'no' })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 10_000, what: 'it runs' })
  mesh.pcs[2]!.suspend(3_600_000)
  const asleepAtMs = mesh.nowMs
  mesh.run(3_600_000 + 60_000)
  const [before, woken] = mesh.world.runs.of(job.id!)
  expect(before!.toMs).toBe(asleepAtMs)
  expect(woken!.fromMs).toBeGreaterThanOrEqual(asleepAtMs + 3_600_000)
  expect((woken!.toMs ?? Infinity) - woken!.fromMs).toBeLessThanOrEqual(500)
})
