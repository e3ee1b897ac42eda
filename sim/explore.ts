/**
 * Many seeds on all cores: a seed a task, a thread a core. What they found is the same for any number of threads; only
 * the speed differs.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { familyOf } from './families.ts'
import type { FamilyName } from './families.ts'
import { expand } from './plan.ts'
import type { Outcome } from './run.ts'
import { SOMETIMES, STRICT } from './sometimes.ts'
import type { Patch, Played, Task } from './worker.ts'

/** One seed in so many is played twice. */
const TWICE_EACH = 100

export interface ExploreOptions {
  families: readonly FamilyName[]
  first: number
  seeds: number
  workers: number
  wire?: boolean
  /** Shorter than the seeds would draw. */
  faultPhaseMs?: number
  /** Where failing seeds are written; undefined: nowhere. */
  failuresDir?: string
  patches?: readonly Patch[]
  /** End at the first violation. */
  stopAtFirst?: boolean
  /** Only what these checkers find counts. Default: all. */
  checkers?: readonly string[]
  onPlayed?: (played: Played) => void
}

export interface Report {
  families: readonly FamilyName[]
  first: number
  seeds: number
  /** Seeds that broke a promise. */
  failing: number
  violations: number
  /** Struck, by kind, all seeds together. */
  faults: Record<string, number>
  jobs: { submitted: number; accepted: number }
  /** Seeds in which each rare thing happened; never: none. */
  sometimes: Record<string, number>
  never: string[]
  /** Until all agree on who is alive, after the last fault. */
  convergedMs: { p50: number; p99: number; max: number }
  speed: {
    workers: number
    wallS: number
    /** Without the nights in which all PCs slept. */
    simulatedS: number
    /** Simulated seconds for each second of one thread. */
    timesRealTime: number
    nodeSecondsPerS: number
    entriesPerS: number
    seedsPerS: number
    /** What a simulated peer takes of the heap at the end of a seed, its disk and its PC included: the middle of those measured. */
    bytesPerPeer: number
  }
  failures: { family: string; seed: number; file?: string; replay: string; first: string }[]
}

export async function explore(options: ExploreOptions): Promise<Report> {
  const { families, first, seeds } = options
  const tasks: Task[] = []
  // a family may stand in the list more than once: then more of its seeds are played, not the same ones again
  const next = new Map<FamilyName, number>()
  for (let i = 0; i < seeds; i++) {
    const family = families[i % families.length]!
    const seed = next.get(family) ?? first
    next.set(family, seed + 1)
    tasks.push({
      family,
      seed,
      twice: i % TWICE_EACH === 0,
      wire: options.wire === true,
      ...(options.faultPhaseMs === undefined ? {} : { faultPhaseMs: options.faultPhaseMs })
    })
  }
  const startedAt = performance.now()
  const played: Played[] = []
  const { checkers } = options
  await playAll(tasks, options, (one) => {
    played.push(one)
    const { outcome } = one
    if (checkers !== undefined)
      outcome.violations = outcome.violations.filter(({ checker }) => checkers.includes(checker))
    options.onPlayed?.(one)
    return options.stopAtFirst === true && one.outcome.violations.length > 0
  })
  const turn = ({ outcome }: Played): number => families.indexOf(outcome.family as FamilyName)
  played.sort((a, b) => a.outcome.seed - b.outcome.seed || turn(a) - turn(b))
  return report(options, played, (performance.now() - startedAt) / 1000)
}

/** `enough` is asked after each; true ends it. */
function playAll(tasks: readonly Task[], options: ExploreOptions, enough: (played: Played) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0
    let open = 0
    const threads: Worker[] = []
    const end = (error?: Error): void => {
      for (const thread of threads) void thread.terminate()
      if (error === undefined) resolve()
      else reject(error)
    }
    for (let i = Math.min(options.workers, tasks.length); i > 0; i--) {
      const thread = new Worker(new URL('./worker.ts', import.meta.url), {
        workerData: { patches: options.patches ?? [] },
        // the young are many and die young
        resourceLimits: { maxYoungGenerationSizeMb: 64 }
      })
      threads.push(thread)
      const give = (): void => {
        const task = tasks[next++]
        if (task === undefined) return
        open++
        thread.postMessage(task)
      }
      thread.on('message', (played: Played) => {
        open--
        if (enough(played)) return end()
        give()
        if (open === 0) end()
      })
      thread.on('error', end)
      give()
    }
  })
}

function report(options: ExploreOptions, played: readonly Played[], wallS: number): Report {
  const faults: Record<string, number> = {}
  const isStrict = options.families.some((name) => (familyOf(name).strictShare ?? 0) > 0)
  const names = Object.keys(SOMETIMES).filter((name) => isStrict || !Object.hasOwn(STRICT, name))
  const sometimes: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]))
  const jobs = { submitted: 0, accepted: 0 }
  let [simulatedMs, nodeMs, entries, threadMs] = [0, 0, 0, 0]
  for (const { outcome, wallMs } of played) {
    for (const [kind, times] of Object.entries(outcome.faults)) faults[kind] = (faults[kind] ?? 0) + times
    for (const name of outcome.sometimes) sometimes[name] = sometimes[name]! + 1
    jobs.submitted += outcome.jobs.submitted
    jobs.accepted += outcome.jobs.accepted
    const awakeMs = outcome.simulatedMs - outcome.asleepMs
    simulatedMs += awakeMs
    nodeMs += awakeMs * outcome.peers
    entries += outcome.entries
    threadMs += wallMs
  }
  const converged = played.flatMap(({ outcome }) => outcome.convergedMs ?? []).sort((a, b) => a - b)
  const at = (share: number): number => Math.round(converged[Math.floor(share * (converged.length - 1))] ?? 0)
  const heaps = played.flatMap(({ bytesPerPeer }) => bytesPerPeer ?? []).sort((a, b) => a - b)
  const failing = played.filter(({ outcome }) => outcome.violations.length > 0)
  return {
    families: options.families,
    first: options.first,
    seeds: played.length,
    failing: failing.length,
    violations: failing.reduce((sum, { outcome }) => sum + outcome.violations.length, 0),
    faults: Object.fromEntries(Object.entries(faults).sort(([a], [b]) => (a < b ? -1 : 1))),
    jobs,
    sometimes,
    never: Object.keys(sometimes).filter((name) => sometimes[name] === 0),
    convergedMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
    speed: {
      workers: options.workers,
      wallS: rounded(wallS),
      simulatedS: Math.round(simulatedMs / 1000),
      timesRealTime: rounded(simulatedMs / threadMs),
      nodeSecondsPerS: rounded(nodeMs / threadMs),
      entriesPerS: rounded((1000 * entries) / threadMs),
      seedsPerS: rounded(played.length / wallS),
      bytesPerPeer: Math.round(heaps[heaps.length >> 1] ?? 0)
    },
    failures: failing.map(({ outcome }) => failure(options, outcome))
  }
}

function failure({ failuresDir, patches, faultPhaseMs }: ExploreOptions, outcome: Outcome): Report['failures'][number] {
  const { family, seed, violations } = outcome
  const [worst] = violations
  const told = {
    family,
    seed,
    replay: `omega sim replay --family ${family} --seed ${seed}`,
    first: `${worst!.checker}: ${worst!.text}`
  }
  if (failuresDir === undefined || (patches?.length ?? 0) > 0) return told
  mkdirSync(failuresDir, { recursive: true })
  const file = join(failuresDir, `${family}-${seed}.json`)
  writeFileSync(
    file,
    `${JSON.stringify({ ...expand(seed, family as FamilyName, faultPhaseMs), firstViolation: worst }, null, 1)}\n`
  )
  return { ...told, file }
}

const rounded = (n: number): number => Number(n.toPrecision(4))
