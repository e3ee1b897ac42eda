/**
 * A storm over a small simulated mesh, drawn from a seed: work comes, is stopped, and its PCs are killed, cut off from
 * power, restarted, paused and shut down. Then everything is mended, what runs for ever is stopped, and the promises are
 * looked at from outside.
 */
import { lostSessions } from '../../../sim/checkers.ts'
import { startMesh } from '../../../sim/mesh.ts'
import type { Job, SimMesh } from '../../../sim/mesh.ts'
import type { SimPc } from '../../../sim/pc.ts'
import { createRandom } from '../../../sim/random.ts'
import { FINAL_STATES } from '../../../protocols/session/index.ts'
import type { SessionSpec } from '../../../protocols/session/index.ts'

const OFFER = { cpuMilli: 4000, memoryBytes: 8 * 2 ** 30 }
const STORM_MS = 60_000
const QUIET_MS = 90_000

/** `cut` parts the PCs in two; then both sides may run the same session, until they are healed. */
export type Deed =
  | 'cut'
  | 'heal'
  | 'killProcess'
  | 'powerCut'
  | 'restart'
  | 'pause'
  | 'resume'
  | 'stop'
  | 'down'
  | 'submit'
  | 'submitAndKill'

export interface StormOptions {
  peers?: number
  deeds: Partial<Record<Deed, number>>
  /** Deeds come at most so far apart. */
  everyMs?: number
}

interface Work {
  job: Job
  cpuMilli: number
  endless: boolean
  stopped: boolean
}

export interface Aftermath {
  mesh: SimMesh
  told: string[]
  violations: string[]
  accepted: number
}

export function storm(seed: number, options: StormOptions): Aftermath {
  return new Storm(seed, options).blow()
}

class Storm {
  readonly mesh: SimMesh
  readonly told: string[] = []
  readonly violations = new Set<string>()
  readonly #random
  readonly #options: StormOptions
  readonly #work: Work[] = []
  readonly #off = new Set<SimPc>()
  readonly #going = new Set<SimPc>()
  #cut = false

  constructor(seed: number, options: StormOptions) {
    this.#options = options
    this.#random = createRandom(seed, 'storm')
    this.mesh = startMesh({ seed, peers: options.peers ?? 4, capacity: OFFER, replay: `storm ${seed}` })
  }

  blow(): Aftermath {
    const { mesh } = this
    mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
      withinMs: 30_000,
      what: 'the mesh has formed'
    })
    const endMs = mesh.nowMs + STORM_MS
    for (let i = 0; i < 3; i++) this.#submit()
    while (mesh.nowMs < endMs) {
      this.#next()
      const sliceMs = 1 + this.#below(this.#options.everyMs ?? 3000)
      this.#watch(sliceMs)
    }
    this.#mend()
    this.#watch(15_000)
    for (const work of this.#work) if (work.endless && !work.stopped) this.#stop(work)
    this.#watch(QUIET_MS)
    this.#judge()
    return {
      mesh,
      told: this.told,
      violations: [...this.violations],
      accepted: this.#work.filter((work) => work.job.id !== undefined).length
    }
  }

  /** Lets time pass; what may never be wrong, even for a moment, is looked at again and again. */
  #watch(ms: number): void {
    for (let left = ms; left > 0; left -= 200) {
      this.mesh.run(Math.min(200, left))
      for (const { name, peer } of this.mesh.running) {
        const granted = peer?.sessions.granted()
        if (granted === undefined) continue
        if (granted.cpuMilli > OFFER.cpuMilli || granted.memoryBytes > OFFER.memoryBytes) {
          this.violations.add(`${name} has given ${granted.cpuMilli} of ${OFFER.cpuMilli} thousandths of a core`)
        }
      }
    }
  }

  #next(): void {
    const { deeds } = this.#options
    const able = (Object.entries(deeds) as [Deed, number][]).filter(([deed]) => this.#can(deed))
    let at = this.#random.float() * able.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [deed, weight] of able) {
      at -= weight
      if (at < 0) return this.#do(deed)
    }
  }

  #can(deed: Deed): boolean {
    if (deed === 'cut') return !this.#cut
    if (deed === 'heal') return this.#cut
    if (deed === 'restart') return this.#off.size > 0
    if (deed === 'stop') return this.#work.some((work) => work.job.id !== undefined && !work.stopped)
    if (deed === 'submit') return this.#up().length > 0
    return this.#up().length > 1
  }

  #do(deed: Deed): void {
    const pc = this.#pick(this.#up())
    switch (deed) {
      case 'submit':
        return void this.#submit()
      case 'submitAndKill':
        return this.#submitAndKill(pc)
      case 'stop':
        return this.#stop(this.#pick(this.#work.filter((work) => work.job.id !== undefined && !work.stopped)))
      case 'restart': {
        const gone = this.#pick([...this.#off])
        this.#note(`${gone.name} starts`)
        this.#off.delete(gone)
        return gone.start()
      }
      case 'cut': {
        const left = this.mesh.pcs.filter(() => this.#below(2) === 0)
        this.#note(`${left.map((one) => one.name).join(' ')} are cut off`)
        this.mesh.cut(
          left,
          this.mesh.pcs.filter((one) => !left.includes(one))
        )
        this.#cut = true
        return
      }
      case 'heal':
        return this.#heal()
      case 'pause':
        this.#note(`${pc.name} is paused by its owner`)
        return pc.peer?.sessions.pause()
      case 'resume':
        this.#note(`${pc.name} gives again`)
        return pc.peer?.sessions.resume()
      case 'down':
        this.#note(`${pc.name} is shut down`)
        this.#going.add(pc)
        return pc.down({ drain: true, forever: false }, () => {
          this.#going.delete(pc)
          this.#off.add(pc)
          // as `omega down` does: whatever still runs ends with it
          pc.host.powerCut()
        })
      default:
        this.#note(`${deed} at ${pc.name}`)
        return this.#kill(pc, deed === 'powerCut')
    }
  }

  #kill(pc: SimPc, power: boolean): void {
    if (power) pc.powerCut()
    else pc.killPeerProcess()
    this.#off.add(pc)
  }

  #submit(from = this.#pick(this.#up())): Work {
    const endless = this.#below(4) === 0
    const restart = endless
      ? (['always', 'on-node-loss'] as const)[this.#below(2)]!
      : (['no', 'on-failure', 'on-node-loss'] as const)[this.#below(3)]!
    const cpuMilli = 500 * (1 + this.#below(3))
    const command = endless
      ? 'sleep infinity'
      : this.#below(5) === 0
        ? `work ${1 + this.#below(5)} 1`
        : `sleep ${1 + this.#below(15)}`
    const spec: Partial<SessionSpec> = { restart, cpuMilli }
    const work = { job: this.mesh.submit(from, command, spec), cpuMilli, endless, stopped: false }
    this.#work.push(work)
    return work
  }

  #submitAndKill(pc: SimPc): void {
    const { job } = this.#submit(pc)
    for (let ms = 0; ms < 200 && job.id === undefined && job.error === undefined; ms++) this.mesh.run(1)
    this.mesh.run(this.#below(40))
    if (!this.#up().includes(pc)) return
    this.#note(`${pc.name} loses power right after it accepted ${job.id?.slice(0, 6)}`)
    this.#kill(pc, true)
  }

  /** At any PC that can reach one that keeps it, as a person would. */
  #stop(work: Work): void {
    const record = this.mesh.session(work.job.id)
    const pc = this.#pick(this.#up())
    if (record === undefined || pc.peer === undefined) return
    const known = pc.peer.sessions.records.all.get(record.id) ?? pc.peer.summary(record.id)
    if (known === undefined) return
    this.#note(`${record.id.slice(0, 6)} is stopped at ${pc.name}`)
    pc.peer.sessions.stop(known, 'ann', (error) => {
      if (error === undefined) work.stopped = true
    })
  }

  #heal(): void {
    this.#note('the network is whole')
    this.mesh.heal()
    this.#cut = false
  }

  #mend(): void {
    const { mesh } = this
    if (this.#cut) this.#heal()
    mesh.until(() => this.#going.size === 0, { withinMs: 130_000, what: 'what was shut down is down' })
    for (const pc of this.#off) pc.start()
    this.#off.clear()
    mesh.run(2000)
    for (const { peer } of mesh.running) peer?.sessions.resume()
    this.#note('all mended')
  }

  #judge(): void {
    const { mesh } = this
    const jobs = this.#work.map((work) => work.job)
    const found = lostSessions(mesh, jobs)
    for (const [a, b] of this.#options.deeds.cut === undefined ? mesh.world.runs.overlaps() : []) {
      found.push(
        `${a.session.slice(0, 6)} ran twice at ${(b.fromMs / 1000).toFixed(3)} s: epochs ${a.epoch} and ${b.epoch}`
      )
    }
    for (const { job, stopped, endless } of this.#work) {
      const record = mesh.session(job.id)
      if (record === undefined) continue
      const id = record.id.slice(0, 6)
      const open = mesh.world.runs.of(record.id).filter((run) => run.toMs === undefined).length
      if (open > 1) found.push(`${id} has ${open} processes in the end`)
      if (stopped && open > 0) found.push(`${id} was stopped and ${open} processes of it run`)
      if (stopped || !endless) {
        if (!FINAL_STATES.has(record.state))
          found.push(
            `${id} is still "${record.state}" (${record.reason ?? ''})${stopped ? ' though it was stopped' : ''}`
          )
      }
    }
    found.push(...this.#overfull())
    for (const violation of found) this.violations.add(violation)
  }

  /** Moments at which the processes of one PC were promised more than it gives. */
  #overfull(): string[] {
    const asks = new Map(this.#work.map((work) => [work.job.id, work.cpuMilli]))
    const found: string[] = []
    for (const pc of this.mesh.pcs) {
      const steps = this.mesh.world.runs.runs
        .filter((run) => run.peer === pc.id)
        .flatMap((run) => [
          { at: run.fromMs, cpu: asks.get(run.session) ?? 0 },
          { at: run.toMs ?? Infinity, cpu: -(asks.get(run.session) ?? 0) }
        ])
        .sort((a, b) => a.at - b.at || a.cpu - b.cpu)
      let used = 0
      for (const { at, cpu } of steps) {
        used += cpu
        if (used > OFFER.cpuMilli)
          found.push(`${pc.name} ran ${used} of ${OFFER.cpuMilli} thousandths of a core at ${(at / 1000).toFixed(3)} s`)
      }
    }
    return found
  }

  #up(): SimPc[] {
    return this.mesh.pcs.filter((pc) => pc.running && !this.#going.has(pc) && pc.peer?.phase === 'active')
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }
  #below(n: number): number {
    return Math.floor(this.#random.float() * n)
  }
  #note(text: string): void {
    this.told.push(`${(this.mesh.nowMs / 1000).toFixed(3)} s ${text}`)
  }
}
