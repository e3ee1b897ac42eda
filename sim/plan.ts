/**
 * What happens in a run, all of it decided before the run begins: a seed expands to options, timed faults and timed work.
 * Nothing is drawn again while it runs, so an entry can be taken out and the others stay as they are.
 */
import type { Restart } from '../protocols/session/index.ts'
import { familyOf } from './families.ts'
import type { Family, FamilyName } from './families.ts'
import { DRAWN_FAULTS } from './faults.ts'
import type { Fault, FaultClass } from './faults.ts'
import { createRandom } from './random.ts'

export interface PlanOptions {
  peers: number
  /** What each PC gives. */
  cpuMilli: number
  latencyMs: number
  jitterMs: number
  /** The longest flush of the disks. */
  syncMaxMs: number
  /** How fast the clock of each PC goes. */
  rates: number[]
  /** Faults happen within this time, and are over when it is. */
  faultPhaseMs: number
  /** Kinds of faults that this seed may see. */
  classes: FaultClass[]
  /** Frames are no streams. */
  datagrams?: { lossRatio: number; twiceRatio: number; lateMs: number }
}

export interface PlannedJob {
  /** Since the start of the fault phase. */
  atMs: number
  /** Names the job whatever else is in the plan. */
  key: number
  /** Submitted there, or at the next PC that runs. */
  pc: number
  command: string
  restart: Restart
  /** Absent: available. */
  mode?: 'strict'
  cpuMilli: number
  /** So many tasks of it. */
  array?: number
  /** Somebody stops it: when, and at which PC. */
  stop?: { atMs: number; pc: number }
}

export interface Plan {
  seed: number
  family: FamilyName
  options: PlanOptions
  faults: Fault[]
  jobs: PlannedJob[]
}

export interface Dice {
  below(n: number): number
  chance(share: number): boolean
  between(low: number, high: number): number
  /** Every order of magnitude equally likely. */
  log(low: number, high: number): number
  pick<T>(list: readonly T[]): T
}

export function dice(seed: number, ...names: readonly (string | number)[]): Dice {
  const random = createRandom(seed, ...names)
  const below = (n: number): number => Math.floor(random.float() * n)
  return {
    below,
    chance: (share) => random.float() < share,
    between: (low, high) => Math.round((low + random.float() * (high - low)) * 100) / 100,
    log: (low, high) => Math.round(low * (high / low) ** random.float() * 100) / 100,
    pick: (list) => list[below(list.length)]!
  }
}

/** `faultPhaseMs`: a shorter time than the seed would draw. */
export function expand(seed: number, name: FamilyName, faultPhaseMs?: number): Plan {
  const family = familyOf(name)
  const options = drawOptions(seed, name)
  if (faultPhaseMs !== undefined) options.faultPhaseMs = faultPhaseMs
  const jobs =
    family.arrays === true
      ? drawArrays(dice(seed, name, 'arrays'), options)
      : drawJobs(dice(seed, name, 'jobs'), options, family.everyMs)
  const modes = dice(seed, name, 'modes')
  if (family.endless === true)
    for (const job of jobs) [job.command, job.restart] = ['sleep infinity', modes.pick(['always', 'on-node-loss'])]
  for (const job of jobs) if (modes.chance(family.strictShare ?? 0)) job.mode = 'strict'
  const faults: Fault[] = []
  const draw = dice(seed, name, 'faults')
  const [least, most] = family.faultEveryMs ?? [1500, 20_000]
  const everyMs = draw.log(least, most)
  for (
    let atMs = draw.between(500, 5000);
    atMs < options.faultPhaseMs - 2000;
    atMs += draw.between(0.2, 1.8) * everyMs
  ) {
    const kind = draw.pick(options.classes)
    // a stream of its own for each fault: a kind that learns to draw more shifts no other
    faults.push(...DRAWN_FAULTS[kind](dice(seed, name, 'fault', faults.length), Math.round(atMs), options))
  }
  const within = faults.filter((fault) => fault.atMs < options.faultPhaseMs)
  for (const fault of within)
    if ('forMs' in fault)
      fault.forMs = Math.round(Math.min(fault.forMs, Math.max(100, options.faultPhaseMs - fault.atMs)))
  return { seed, family: name, options: { ...options, ...family.fixed }, faults: within, jobs }
}

function drawOptions(seed: number, name: FamilyName): PlanOptions {
  const family = familyOf(name)
  const draw = dice(seed, name, 'options')
  const peers = draw.pick(family.peers)
  const classes = family.classes.filter(() => draw.chance(0.4))
  return {
    peers,
    cpuMilli: draw.pick([4000, 8000, 64_000]),
    latencyMs: draw.log(0.1, 5),
    jitterMs: draw.log(0.1, 5),
    syncMaxMs: draw.log(1, 40),
    rates: Array.from({ length: peers }, () => 1 + drawError(draw, family)),
    faultPhaseMs: 1000 * draw.pick([40, 60, 90]),
    classes: classes.length > 0 ? classes : [draw.pick(family.classes)],
    ...(family.datagrams && draw.chance(0.3)
      ? { datagrams: { lossRatio: draw.between(0, 0.3), twiceRatio: draw.between(0, 0.2), lateMs: draw.log(1, 400) } }
      : {})
  }
}

function drawError(draw: Dice, { rateError, extreme }: Family): number {
  if (extreme !== true) return draw.between(-rateError, rateError)
  return draw.chance(0.5) ? rateError : -rateError
}

function drawJobs(
  draw: Dice,
  { faultPhaseMs, peers }: PlanOptions,
  [least, most]: readonly [number, number] = [700, 8000]
): PlannedJob[] {
  const jobs: PlannedJob[] = []
  const everyMs = draw.log(least, most)
  for (let atMs = 0; atMs < faultPhaseMs - 1000;) {
    // now and then many at once
    const burst = draw.chance(0.05) ? 2 + draw.below(12) : 1
    for (let i = 0; i < burst; i++) jobs.push(drawJob(draw, Math.round(atMs), jobs.length, peers, faultPhaseMs))
    atMs += draw.between(0.1, 1.9) * everyMs
  }
  return jobs
}

/** A few, of short tasks: what they are about is being handed out, not running. */
function drawArrays(draw: Dice, { faultPhaseMs, peers }: PlanOptions): PlannedJob[] {
  const jobs: PlannedJob[] = []
  const count = 1 + draw.below(4)
  for (let key = 0; key < count; key++) {
    const atMs = Math.round(draw.between(0, 0.6) * faultPhaseMs)
    const seconds = draw.pick([0.05, 0.3, 1, 4])
    const fails = draw.chance(0.2)
    const job: PlannedJob = {
      atMs,
      key,
      pc: draw.below(peers),
      command: fails ? `work ${seconds} 1` : `sleep ${seconds}`,
      restart: draw.pick(['no', 'on-failure']),
      cpuMilli: 500 * (1 + draw.below(3)),
      array: Math.max(1, Math.round(draw.log(5, 300) / Math.max(1, seconds) / (fails ? 6 : 1)))
    }
    if (draw.chance(0.15))
      job.stop = { atMs: Math.round(atMs + draw.between(0.02, 1) * (faultPhaseMs - atMs)), pc: draw.below(peers) }
    jobs.push(job)
  }
  return jobs
}

function drawJob(draw: Dice, atMs: number, key: number, peers: number, faultPhaseMs: number): PlannedJob {
  const endless = draw.chance(0.3)
  const seconds = 1 + draw.below(20)
  const job: PlannedJob = {
    atMs,
    key,
    pc: draw.below(peers),
    command: endless ? 'sleep infinity' : draw.chance(0.25) ? `work ${seconds} 1` : `sleep ${seconds}`,
    restart: draw.pick(endless ? ['always', 'on-node-loss'] : ['no', 'on-failure', 'on-node-loss']),
    cpuMilli: 500 * (1 + draw.below(3))
  }
  if (endless || draw.chance(0.15))
    job.stop = { atMs: Math.round(atMs + draw.between(0.02, 1) * (faultPhaseMs - atMs)), pc: draw.below(peers) }
  return job
}
