/** Carries out what the kernels of a peer ask for: frames, timers, dials. */
import { encodeFrame } from '../codec.ts'
import type { Env, KernelEffect, Message } from '../kernel.ts'
import type { PeerId, Plane } from '../ports.ts'
import type { PeerPorts } from './context.ts'
import type { Journal } from './journal.ts'

/** Planes of work: their frames make a link where there is none, and keep it. Those of `chan` wait in their channels. */
const WORK: ReadonlySet<Plane> = new Set(['sched', 'reg', 'ctl'])

type Kernel = 'hello' | 'mem' | 'gossip'

/** Links, as those who send see them. */
export interface Gate {
  /** Only who passes hears more than hello. */
  isAdmitted(peer: PeerId): boolean
  /** Work goes over that link. */
  use(peer: PeerId): void
  /** There is no link: one is made and takes the frame. False: it will not. */
  later(peer: PeerId, plane: Plane, frame: Uint8Array): boolean
}

export interface KernelHost {
  timer(tag: string): void
}

export class Effects {
  readonly #ports: PeerPorts
  readonly #journal: Journal
  readonly #hosts = new Map<Kernel, KernelHost>()
  readonly #timers: Record<Kernel, Map<string, unknown>> = { hello: new Map(), mem: new Map(), gossip: new Map() }
  #gate: Gate = { isAdmitted: () => false, use: () => {}, later: () => false }

  constructor(ports: PeerPorts, journal: Journal) {
    this.#ports = ports
    this.#journal = journal
  }

  /** Who wakes when a timer of that kernel is due. */
  host(kernel: Kernel, host: KernelHost): void {
    this.#hosts.set(kernel, host)
  }

  guard(gate: Gate): void {
    this.#gate = gate
  }

  carry(kernel: Kernel, effect: KernelEffect): void {
    switch (effect.e) {
      case 'send':
        this.send(effect.to, effect.plane, effect.msg)
        return
      case 'timer':
        return this.#arm(kernel, effect.tag, effect.inMs)
      case 'clear': {
        const timers = this.#timers[kernel]
        this.#ports.clock.clearTimeout(timers.get(effect.tag))
        timers.delete(effect.tag)
        return
      }
      case 'dial':
        return this.#ports.network.dial(effect.peer, effect.addresses)
      case 'close':
        return this.#ports.network.close(effect.peer, effect.why)
      case 'count':
        return this.#journal.count(effect.name, effect.by)
    }
  }

  send(to: PeerId, plane: Plane, message: Message): boolean {
    if (plane !== 'hello' && !this.#gate.isAdmitted(to))
      return WORK.has(plane) && this.#gate.later(to, plane, encodeFrame(message))
    if (plane === 'chan' || WORK.has(plane)) this.#gate.use(to)
    const { network } = this.#ports
    if (network.hand !== undefined && plane !== 'hello') return network.hand(to, plane, message)
    return network.send(to, plane, encodeFrame(message))
  }

  env(): Env {
    const { clock, random } = this.#ports
    return { self: this.#ports.network.self, now: clock.mono(), wall: clock.wall(), random }
  }

  #arm(kernel: Kernel, tag: string, inMs: number): void {
    const timers = this.#timers[kernel]
    this.#ports.clock.clearTimeout(timers.get(tag))
    const fire = (): void => {
      timers.delete(tag)
      this.#hosts.get(kernel)?.timer(tag)
    }
    timers.set(tag, this.#ports.clock.setTimeout(fire, inMs))
  }

  /** No kernel is woken any more. */
  end(): void {
    for (const timers of Object.values(this.#timers)) {
      for (const timer of timers.values()) this.#ports.clock.clearTimeout(timer)
      timers.clear()
    }
  }
}
