/**
 * Stories that a seed tells the same way each time: PCs, work, faults, then quiet, then checks. `omega sim replay` runs one
 * again by its name and seed.
 */
import type { SessionSpec } from '../protocols/session/index.ts'
import { lostSessions, unfinished, untimelyOverlaps } from './checkers.ts'
import type { Disturbance } from './checkers.ts'
import { startMesh } from './mesh.ts'
import type { Job, SimMesh } from './mesh.ts'
import type { SimPc } from './pc.ts'
import { createRandom } from './random.ts'

export interface Outcome {
  scenario: string
  seed: number
  traceHash: string
  simulatedMs: number
  /** What was done to the PCs, in order. */
  faults: string[]
  /** In words; empty when every promise was kept. */
  violations: string[]
}

export const SCENARIOS = { faults, hundred } as const
export type ScenarioName = keyof typeof SCENARIOS

export const replayCommand = (scenario: ScenarioName, seed: number): string =>
  `omega sim replay --scenario ${scenario} --seed ${seed}`

const FORM_MS = 30_000
const FAULT_PHASE_MS = 120_000
const JOB_EVERY_MAX_MS = 6000
const FAULT_EVERY_MAX_MS = 15_000
/** After the last fault: time for suspicion, takeover, syncs each 30 s and redials each 30 s. */
const QUIET_MS = 150_000

/**
 * Three to seven PCs work while one thing after the other happens to them. At most all but one are off at a time; half of
 * the seeds never cut the network, and there nothing may ever run twice.
 */
export function faults(seed: number): Outcome {
  const random = createRandom(seed, 'faults')
  const below = (n: number): number => Math.floor(random.float() * n)
  // large enough that one PC could hold all of the work: what waits in the end waits for no room
  const capacity = { cpuMilli: 64_000, memoryBytes: 64 * 2 ** 30 }
  const mesh = startMesh({ seed, peers: 3 + below(5), capacity, replay: replayCommand('faults', seed) })
  const violations: string[] = []
  const story = new Story(mesh, below(2) === 0, below)
  formMesh(mesh)

  const jobs: Job[] = []
  const endMs = mesh.nowMs + FAULT_PHASE_MS
  let jobAtMs = mesh.nowMs
  let faultAtMs = mesh.nowMs + 2000
  while (mesh.nowMs < endMs) {
    if (mesh.nowMs >= jobAtMs) {
      jobs.push(submitOne(mesh, below))
      jobAtMs += 200 + below(JOB_EVERY_MAX_MS)
    }
    if (mesh.nowMs >= faultAtMs) {
      story.next()
      faultAtMs += 1000 + below(FAULT_EVERY_MAX_MS)
    }
    mesh.run(Math.max(1, Math.min(jobAtMs, faultAtMs, endMs) - mesh.nowMs))
  }
  story.mendAll()
  mesh.run(QUIET_MS)

  if (!mesh.agree()) violations.push(`${QUIET_MS / 1000} s after the last fault the PCs do not agree on who is alive`)
  violations.push(...lostSessions(mesh, jobs), ...unfinished(mesh, jobs), ...untimelyOverlaps(mesh, story.disturbances))
  return outcome('faults', mesh, story.told, violations)
}

/** A hundred PCs form a mesh, and each one hands out a piece of work. */
export function hundred(seed: number, peers = 100): Outcome {
  const mesh = startMesh({ seed, peers, replay: replayCommand('hundred', seed) })
  formMesh(mesh)
  mesh.until(() => mesh.advertised(), { withinMs: FORM_MS, what: 'each PC knows what each other gives' })
  const jobs = mesh.pcs.map((pc) => mesh.submit(pc, 'sleep 5', { cpuMilli: 1000 }))
  mesh.run(20_000)
  return outcome(
    'hundred',
    mesh,
    [],
    [...lostSessions(mesh, jobs), ...unfinished(mesh, jobs), ...untimelyOverlaps(mesh, [])]
  )
}

function formMesh(mesh: SimMesh): void {
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree(), {
    withinMs: FORM_MS,
    what: 'all PCs are members alive'
  })
}

function outcome(scenario: ScenarioName, mesh: SimMesh, told: string[], violations: string[]): Outcome {
  return { scenario, seed: mesh.seed, traceHash: mesh.traceHash(), simulatedMs: mesh.nowMs, faults: told, violations }
}

function submitOne(mesh: SimMesh, below: (n: number) => number): Job {
  const from = mesh.running[below(mesh.running.length)]!
  const restart = (['no', 'on-node-loss', 'always'] as const)[below(3)]!
  const seconds = 1 + below(20)
  const spec: Partial<SessionSpec> = { restart, cpuMilli: 500 * (1 + below(4)) }
  // what restarts always is stopped by nobody here, so it may not end by itself
  return mesh.submit(from, restart === 'always' ? 'sleep infinity' : `sleep ${seconds}`, spec)
}

/** Draws faults, remembers what is broken, and mends all of it at the end. */
class Story {
  readonly told: string[] = []
  readonly disturbances: Disturbance[] = []
  readonly #mesh: SimMesh
  readonly #cuts: boolean
  readonly #below: (n: number) => number
  readonly #off = new Set<SimPc>()
  #cut: Disturbance | undefined

  constructor(mesh: SimMesh, cuts: boolean, below: (n: number) => number) {
    this.#mesh = mesh
    this.#cuts = cuts
    this.#below = below
  }

  next(): void {
    const mends = [
      ...(this.#off.size > 0 ? [() => this.#restartOne()] : []),
      ...(this.#cut === undefined ? [] : [() => this.#heal()])
    ]
    const room = this.#mesh.running.length > 1
    const breaks = [
      ...(room ? [() => this.#kill(), () => this.#killProcess()] : []),
      ...(this.#cuts && this.#cut === undefined ? [() => this.#split(), () => this.#oneWay()] : []),
      () => this.#breakLink()
    ]
    const from = mends.length > 0 && (breaks.length === 1 || this.#below(2) === 0) ? mends : breaks
    from[this.#below(from.length)]!()
  }

  mendAll(): void {
    if (this.#cut !== undefined) this.#heal()
    while (this.#off.size > 0) this.#restartOne()
  }

  #kill(): void {
    const pc = this.#running()
    this.#note(`power cut of ${pc.name}`)
    this.#mesh.kill(pc)
    this.#off.add(pc)
  }

  #killProcess(): void {
    const pc = this.#running()
    this.#note(`peer of ${pc.name} killed`)
    this.#mesh.killPeerProcess(pc)
    this.#off.add(pc)
  }

  #restartOne(): void {
    const pc = [...this.#off][this.#below(this.#off.size)]!
    const readdress = this.#below(3) === 0
    this.#note(`${pc.name} starts${readdress ? ' at a new address' : ''}`)
    this.#off.delete(pc)
    this.#mesh.restart(pc, { readdress })
  }

  #split(): void {
    const left = this.#mesh.pcs.filter(() => this.#below(2) === 0)
    const right = this.#mesh.pcs.filter((pc) => !left.includes(pc))
    this.#note(`cut: ${left.map((pc) => pc.name).join(' ')} | ${right.map((pc) => pc.name).join(' ')}`)
    this.#mesh.cut(left, right)
    this.#disturbed()
  }

  #oneWay(): void {
    const [a, b] = [this.#any(), this.#any()]
    this.#note(`one way cut: ${a.name} is not heard by ${b.name}`)
    this.#mesh.cutOneWay([a], [b])
    this.#disturbed()
  }

  #heal(): void {
    this.#note('healed')
    this.#mesh.heal()
    if (this.#cut !== undefined) this.#cut.toMs = this.#mesh.nowMs
    this.#cut = undefined
  }

  #breakLink(): void {
    const [a, b] = [this.#any(), this.#any()]
    this.#note(`link reset: ${a.name} - ${b.name}`)
    a.station.program?.breakLink(b.id)
  }

  #disturbed(): void {
    this.#cut = { fromMs: this.#mesh.nowMs, toMs: Infinity }
    this.disturbances.push(this.#cut)
  }

  #running(): SimPc {
    const { running } = this.#mesh
    return running[this.#below(running.length)]!
  }
  #any(): SimPc {
    return this.#mesh.pcs[this.#below(this.#mesh.pcs.length)]!
  }
  #note(what: string): void {
    this.told.push(`${(this.#mesh.nowMs / 1000).toFixed(3)} s ${what}`)
  }
}
