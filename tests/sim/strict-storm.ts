/**
 * Two PCs, or two and a witness, and one strict session, through deaths, cuts, sleeps and returns in an order drawn from a
 * seed; the rule of the mesh changes, and a person says that a PC is off where it really is.
 */
import { startMesh } from '../../sim/mesh.ts'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import type { SimPc } from '../../sim/pc.ts'
import { dice } from '../../sim/plan.ts'
import type { Dice } from '../../sim/plan.ts'
import type { Tie } from '../../protocols/session/index.ts'

/** A PC that wakes goes on with what it ran until sessiond has looked at the clock. */
const WAKE_MS = 50
const STEPS = 14

export interface Aftermath {
  told: string[]
  /** In words; none is right. */
  wrong: string[]
  /** What happened on the way, by kind. */
  deeds: Record<string, number>
}

export function pairStorm(seed: number, witness: boolean): Aftermath {
  return new PairStorm(seed, witness).blow()
}

class PairStorm {
  readonly mesh: SimMesh
  readonly #draw: Dice
  readonly #told: string[] = []
  readonly #deeds: Record<string, number> = {}
  #job!: Job
  #cut = false

  constructor(seed: number, witness: boolean) {
    this.#draw = dice(seed, 'pair storm')
    const peers = witness ? ['den', 'attic', 'shelf'] : ['den', 'attic']
    this.mesh = startMesh({ seed, peers, witnesses: ['shelf'], replay: `pairStorm(${seed}, ${witness})` })
  }

  blow(): Aftermath {
    const { mesh } = this
    mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
      withinMs: 60_000,
      what: 'the mesh has formed'
    })
    this.#tie()
    mesh.run(this.#draw.below(3_000))
    this.#job = mesh.submit(this.#draw.below(2), 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
    mesh.run(this.#draw.below(6_000))
    for (let i = 0; i < STEPS; i++) {
      this.#step()
      mesh.run(this.#draw.log(50, 30_000))
    }
    this.#mend()
    return { told: this.#told, wrong: this.#wrong(), deeds: this.#deeds }
  }

  #step(): void {
    const { mesh } = this
    const pc = this.#draw.pick(mesh.pcs)
    const deed = this.#draw.pick([
      'kill',
      'program',
      'start',
      'start',
      'cut',
      'heal',
      'suspend',
      'pause',
      'tie',
      'word'
    ])
    switch (deed) {
      case 'kill':
        return this.#say(deed, pc, () => mesh.kill(pc))
      case 'program':
        return this.#say(deed, pc, () => mesh.killPeerProcess(pc))
      case 'start':
        return this.#say(deed, pc, () => mesh.restart(pc))
      case 'suspend':
        return this.#say(deed, pc, () => pc.suspend(this.#draw.log(300, 40_000)))
      case 'pause':
        return this.#say(deed, pc, () => pc.pause(this.#draw.log(300, 20_000)))
      case 'cut':
        this.#cut = true
        return this.#say(deed, pc, () =>
          mesh.cut(
            [pc],
            mesh.pcs.filter((one) => one !== pc)
          )
        )
      case 'heal':
        this.#cut = false
        return this.#say(deed, pc, () => mesh.heal())
      case 'tie':
        return this.#tie()
      case 'word':
        return this.#word(pc)
    }
  }

  #tie(): void {
    const pc = this.mesh.running.find((one) => one.peer?.phase === 'active' && !one.paused)
    if (pc === undefined) return
    const rule = this.#draw.pick(['runner', 'anchor', 'both'] as const)
    const tie: Tie = rule === 'anchor' ? { rule, anchor: this.mesh.pc(this.#draw.below(2)).id } : { rule }
    this.#say(`tie ${rule}`, pc, () => pc.peer!.setTie(tie, () => {}))
  }

  /** A person who has looked: the PCs that are waited for are off. They come back to a network that is whole. */
  #word(pc: SimPc): void {
    const { peer } = pc
    const record = this.mesh.session(this.#job.id)
    if (peer?.phase !== 'active' || pc.paused || record === undefined) return
    const awaited = peer.sessions.awaitsWordOn(record)
    const off = awaited
      .map((id) => this.mesh.pcs.find((one) => one.id === id)!)
      .every((one) => !one.running && !one.asleep && !one.station.powered)
    const others = this.mesh.pcs.filter((one) => one !== pc && !one.witness)
    if (awaited.length === 0 || !off || others.some((one) => one.station.powered || one.asleep)) return
    this.mesh.heal()
    this.#cut = false
    this.#say('word', pc, () => peer.sessions.takeOver(record, 'ann', () => {}))
    // It is on the disk of the one that takes over, and both hear of it before either can be lost again.
    this.mesh.run(3_000)
    for (const one of this.mesh.pcs) this.mesh.restart(one)
    this.mesh.run(20_000)
  }

  #mend(): void {
    const { mesh } = this
    while (mesh.pcs.some((pc) => pc.asleep || pc.paused)) mesh.run(1_000)
    mesh.heal()
    for (const pc of mesh.pcs) mesh.restart(pc)
    mesh.run(150_000)
  }

  #wrong(): string[] {
    const { mesh } = this
    const { id } = this.#job
    if (id === undefined) return []
    const wrong: string[] = []
    for (const [a, b] of mesh.world.runs.overlaps()) {
      const fromMs = Math.max(a.fromMs, b.fromMs)
      const toMs = Math.min(a.toMs ?? mesh.nowMs, b.toMs ?? mesh.nowMs)
      const [one, two] = [a, b].map((run) => mesh.pcs.find((pc) => pc.id === run.peer)!)
      if (toMs - fromMs <= WAKE_MS && [one, two].some((pc) => pc!.host.wokeBefore(fromMs, toMs))) continue
      wrong.push(`ran twice at ${fromMs} ms for ${toMs - fromMs} ms: epochs ${a.epoch} and ${b.epoch}`)
    }
    const open = mesh.world.runs.of(id).filter((run) => run.toMs === undefined)
    const record = mesh.session(id)
    if (record === undefined) wrong.push('nobody knows it any more')
    else if (record.state !== 'running' || open.length !== 1)
      wrong.push(`it is ${record.state} and ${open.length} processes of it run: ${record.reason}`)
    return wrong
  }

  #say(deed: string, pc: SimPc, act: () => void): void {
    this.#deeds[deed] = (this.#deeds[deed] ?? 0) + 1
    this.#told.push(`${(this.mesh.nowMs / 1000).toFixed(1)} s ${deed} ${pc.name}${this.#cut ? ' (cut)' : ''}`)
    act()
  }
}
