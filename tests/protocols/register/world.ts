/**
 * A world for registers: peers with clocks of their own rate, disks that forget what was not flushed, links that lose,
 * double, delay and cut one way, sleep and power cuts, all drawn from a seed, and crashes triggered by what the protocol
 * does. The kernels are those of production; the leash stands in for sessiond. Violations are sentences.
 */
import { decodeAs, encodeFrame } from '../../../protocols/codec.ts'
import type { Env, Message } from '../../../protocols/kernel.ts'
import type { PeerId, Random } from '../../../protocols/ports.ts'
import {
  createRegisters,
  decodeSlot,
  encodeSlot,
  LEASE,
  leaseOf,
  mayRun,
  nextName,
  RegisterFrame,
  step
} from '../../../protocols/register/index.ts'
import type {
  Change,
  Config,
  RegisterEffect,
  RegisterEvent,
  RegisterState,
  Rules,
  Slot,
  Value
} from '../../../protocols/register/index.ts'
import { Timeline } from '../../../sim/clock.ts'
import type { Entry } from '../../../sim/clock.ts'
import { violation } from '../../../sim/linearizable.ts'
import type { Operation } from '../../../sim/linearizable.ts'
import { createRandom } from '../../../sim/random.ts'

export const ID = '0123456789abcdef0123456789abcdef'
/** sessiond looks at its leases this often. */
const LEASH_TICK_MS = 100
const CUTS = ['alone', 'oneWay', 'partial', 'split'] as const

/**
 * `any`: all kinds of faults. `churn`: keepers that change all the time. `gasp`: proposers, voters or not, that die with
 * their word half said and are back at once.
 */
export const FAMILIES = ['any', 'churn', 'gasp'] as const
export type Family = (typeof FAMILIES)[number]

export interface Settings {
  voters: number
  /** Members that want to run it and do not vote. */
  /** Members that do not vote at first, and want to run it all the same. */
  others: number
  /** One PC of three or more loses what it wrote, and knows it. */
  damage: boolean
  faultMs: number
  quietMs: number
  loss: number
  double: number
  delayMs: number
  /** Share of messages that take up to 400 ms. */
  slow: number
  flushMs: number
  /** Mean time between faults of each kind, ms; Infinity: none. */
  everyMs: {
    cut: number
    crash: number
    pause: number
    sleep: number
    reshape: number
    give: number
    read: number
    bump: number
  }
  /** Probability at each site. */
  sites: {
    atFlush: number
    afterAccept: number
    beforeStart: number
    atLeaseEnd: number
    dropAccepted: number
    dropRefuse: number
  }
}

/** Each seed has faults of its own: some kinds often, some never. */
export function drawSettings(seed: number, family: Family = FAMILIES[seed % 5] ?? 'any'): Settings {
  const random = createRandom(seed, 'settings')
  const some = (p: number, value: () => number, none = 0): number => (random.float() < p ? value() : none)
  const every = (p: number, ms: number): number => some(p, () => ms * (0.5 + random.float()), Infinity)
  const churn = family === 'churn'
  const gasp = family === 'gasp'
  const voters = gasp ? 3 : [2, 3, 3, 5][random.u32() % 4]!
  return {
    voters,
    others: gasp ? 2 : random.u32() % 3,
    damage: !churn && voters > 2 && random.u32() % 4 === 0,
    faultMs: 150_000,
    quietMs: 30_000,
    loss: gasp ? 0.1 + 0.3 * random.float() : some(churn ? 1 : 0.6, () => 0.4 * random.float() ** 2),
    double: some(0.5, () => 0.2 * random.float()),
    delayMs: 0.2 + 5 * random.float() ** 3,
    slow: some(0.4, () => 0.1 * random.float()),
    flushMs: 1 + some(0.3, () => 40 * random.float()),
    everyMs: {
      cut: churn ? 4_000 : every(0.6, 12_000),
      crash: every(gasp ? 0.2 : 0.6, 15_000),
      pause: every(gasp ? 0.2 : 0.6, 12_000),
      sleep: every(gasp ? 0.1 : 0.4, 25_000),
      reshape: churn ? 500 + 2_000 * random.float() : gasp ? Infinity : every(0.3, 15_000),
      give: every(0.5, 15_000),
      read: every(0.7, 3_000),
      bump: gasp ? 200 : Infinity
    },
    sites: {
      atFlush: some(0.4, () => 0.01),
      afterAccept: gasp ? 0.1 : some(0.4, () => 0.04),
      beforeStart: some(0.4, () => 0.25),
      atLeaseEnd: some(0.4, () => 0.1),
      dropAccepted: some(0.4, () => 0.1),
      dropRefuse: gasp ? 0.5 : 0
    }
  }
}

interface Child {
  epoch: number
  /** By the clock of its PC. */
  until: number
  running: boolean
}

class Pc {
  readonly id: PeerId
  readonly rate: number
  /** Clocks that stand still while the PC sleeps. */
  readonly stops: boolean
  readonly random: Random
  offset: number
  /** Undefined while the peer is down. */
  state: RegisterState | undefined
  life = 0
  asleep = false
  pausedUntil = 0
  inbox: (() => void)[] = []
  timers = new Map<string, Entry>()
  disk = new Map<string, Slot>()
  unflushed: { op: number; id: string; slot: Slot }[] = []
  flushedAt = 0
  child: Child | undefined
  wants = false
  /** What its disk has of the register cannot be read any more. */
  damaged = false
  /** What it says in this life comes late. */
  late = false
  readonly rank: number

  constructor(id: PeerId, rank: number, random: Random) {
    this.id = id
    this.rank = rank
    this.random = random
    this.rate = 1 + LEASE.driftRatio * (2 * random.float() - 1)
    // Half of the seeds have clocks at the very edge.
    if (random.u32() % 2 === 0) this.rate = 1 + LEASE.driftRatio * (random.u32() % 2 === 0 ? 1 : -1)
    this.stops = random.u32() % 2 === 0
    this.offset = 1e6 * random.float()
  }
}

export interface Tally {
  held: number
  runs: number
  changes: number
  reshaped: number
  faults: number
}

export class World {
  readonly violations: string[] = []
  readonly tally: Tally = { held: 0, runs: 0, changes: 0, reshaped: 0, faults: 0 }
  readonly settings: Settings
  readonly trace: string[] | undefined
  readonly #rules: Rules
  readonly #timeline = new Timeline()
  readonly #random: Random
  readonly #pcs: Pc[] = []
  readonly #byId = new Map<PeerId, Pc>()
  /** From > to: cut until then. */
  readonly #cuts = new Map<string, number>()
  readonly #history = new Map<string, Operation>()
  readonly #ownerOf = new Map<number, PeerId>()
  readonly #running = new Map<PeerId, number>()
  #quiet = false
  #frames = 0
  #initial: Value | undefined
  /** As it was read last, by anybody. */
  #cfg: Config = { ver: 1, voters: ['A'] }

  constructor(seed: number, settings: Settings, rules: Rules, traced = false) {
    this.settings = settings
    this.#rules = rules
    this.#random = createRandom(seed, 'world')
    this.trace = traced ? [] : undefined
    for (let i = 0; i < settings.voters + settings.others; i++) {
      const pc = new Pc(String.fromCharCode(65 + i), i, createRandom(seed, 'pc', i))
      this.#pcs.push(pc)
      this.#byId.set(pc.id, pc)
    }
  }

  run(): string[] {
    for (const pc of this.#pcs) this.#start(pc)
    this.#found()
    this.#workload()
    const { faultMs, quietMs } = this.settings
    while (this.#timeline.nowMs < faultMs && this.violations.length === 0 && this.#timeline.step(faultMs));
    if (this.violations.length > 0) return this.violations
    this.#heal()
    const end = faultMs + quietMs
    while (this.violations.length === 0 && this.#timeline.step(end));
    this.#checkHistory()
    if (this.violations.length === 0 && this.#running.size !== 1)
      this.#wrong(`after ${quietMs / 1000} s without faults ${this.#running.size} PCs run the session`)
    return this.violations
  }

  // ---- the story ----

  /** The first PC makes the register and takes the other voters in. */
  #found(): void {
    const first = this.#pcs[0]!
    this.#dispatch(first, { k: 'create', id: ID })
    this.#after(20, () => {
      const slot = first.disk.get(ID)
      if (slot === undefined || slot.value === null) return this.#found()
      this.#initial ??= slot.value
      for (const pc of this.#pcs) {
        pc.wants = true
        this.#introduce(pc)
      }
      this.#reshape(first, this.#voters())
    })
  }

  #voters(): PeerId[] {
    return this.#pcs.slice(0, this.settings.voters).map((pc) => pc.id)
  }

  /** What a record that everybody has says of the register. */
  #introduce(pc: Pc): void {
    const first = { ver: 1, voters: [this.#pcs[0]!.id] }
    // It may be the latest or a very old one.
    this.#dispatch(pc, { k: 'know', id: ID, cfg: this.#random.u32() % 2 === 0 ? first : this.#cfg })
    // A change right after a start is the first to use a number again, if numbers could be.
    if (this.settings.everyMs.bump < Infinity && !this.#quiet) this.#bump(pc)
    if (pc.wants) this.#dispatch(pc, { k: 'want', id: ID, rank: pc.rank })
  }

  #workload(): void {
    const { everyMs } = this.settings
    this.#repeat(everyMs.cut, () => this.#cut())
    this.#repeat(everyMs.crash, () => this.#crash(this.#any(), this.#random.u32() % 2 === 0))
    this.#repeat(everyMs.pause, () => this.#pause(this.#any(), this.#span(100, 12_000)))
    this.#repeat(everyMs.sleep, () => this.#sleep(this.#any(), this.#span(1_000, 20_000)))
    this.#repeat(everyMs.read, () => this.#read(this.#any()))
    this.#repeat(everyMs.bump, () => this.#bump(this.#pcs.at(-1 - (this.#random.u32() % 3))!))
    this.#repeat(everyMs.give, () => this.#give())
    this.#repeat(everyMs.reshape, () => {
      const voters = this.#pcs.map((pc) => pc.id).filter(() => this.#random.u32() % 2 > 0)
      if (voters.length > 0) this.#reshape(this.#any(), voters.slice(0, 5))
    })
    if (this.settings.damage && everyMs.reshape === Infinity)
      this.#after(this.#span(10_000, 60_000), () => this.#damage())
  }

  #repeat(everyMs: number, fn: () => void): void {
    if (everyMs === Infinity) return
    this.#after(everyMs * 2 * this.#random.float(), () => {
      if (this.#quiet) return
      if (this.#initial !== undefined) fn()
      this.#repeat(everyMs, fn)
    })
  }

  /** Once the register has its voters, one of them cannot read its own record any more. */
  #damage(): void {
    const cfg = this.#pcs[0]!.disk.get(ID)?.value?.cfg
    if (cfg === undefined || cfg.joint !== undefined || cfg.voters.length < 3) return
    const pc = this.#pcs[this.#random.u32() % this.settings.voters]!
    if (pc.state === undefined) return
    pc.damaged = true
    this.#crash(pc, true)
  }

  #heal(): void {
    this.#quiet = true
    this.#cuts.clear()
    for (const pc of this.#pcs) {
      if (pc.asleep) this.#wake(pc)
      pc.pausedUntil = 0
      this.#drain(pc)
      if (pc.state === undefined) this.#start(pc)
      if (!pc.wants) {
        pc.wants = true
        this.#dispatch(pc, { k: 'want', id: ID, rank: pc.rank })
      }
    }
  }

  #read(pc: Pc): void {
    if (pc.state === undefined) return
    this.#dispatch(pc, { k: 'change', id: ID, change: { k: 'read' }, attempt: nextName(pc.state), withinMs: 1_500 })
  }

  /** A change that changes nothing but the number. */
  #bump(pc: Pc): void {
    if (pc.state === undefined || this.#cfg.joint !== undefined) return
    const { ver, voters } = this.#cfg
    const change: Change = { k: 'cfg', ver, cfg: { ver: ver + 1, voters } }
    this.#dispatch(pc, { k: 'change', id: ID, change, attempt: nextName(pc.state), withinMs: 1_500 })
  }

  #reshape(pc: Pc, voters: PeerId[]): void {
    this.#dispatch(pc, { k: 'reshape', id: ID, voters, withinMs: 8_000 })
  }

  /** A holder whose work is done here: it stops, then hands on or back. */
  #give(): void {
    const pc = this.#pcs.find((each) => each.child?.running === true)
    if (pc?.state === undefined || pc.pausedUntil > this.#timeline.nowMs || pc.asleep) return
    this.#stopChild(pc, 'given away')
    pc.child = undefined
    const to = this.#random.u32() % 2 === 0 ? null : this.#any().id
    this.#dispatch(pc, { k: 'give', id: ID, to: { peer: to, over: false } })
  }

  // ---- faults ----

  #cut(): void {
    this.tally.faults++
    const untilMs = this.#timeline.nowMs + this.#span(500, 15_000)
    const kind = CUTS[this.#random.u32() % CUTS.length]!
    const one = this.#any()
    const side = kind === 'split' ? this.#pcs.filter(() => this.#random.u32() % 2 === 0) : [one]
    for (const here of side) {
      for (const there of this.#pcs) {
        if (side.includes(there) || (kind === 'partial' && this.#random.u32() % 2 === 0)) continue
        this.#cuts.set(here.id + there.id, untilMs)
        if (kind !== 'oneWay') this.#cuts.set(there.id + here.id, untilMs)
      }
    }
    this.#note(() => `cut ${side.map((pc) => pc.id).join('')} ${kind} until ${untilMs}`)
  }

  /** `power`: the whole PC, with the child; else only the peer, and sessiond goes on with its leash. */
  #crash(
    pc: Pc,
    power: boolean,
    downMs = this.#random.u32() % 2 === 0 ? this.#span(1, 200) : this.#span(200, 12_000)
  ): void {
    if (pc.state === undefined) return
    this.tally.faults++
    this.#note(() => `crash ${pc.id} power ${power} for ${downMs}`)
    pc.state = undefined
    pc.life++
    pc.inbox = []
    pc.pausedUntil = 0
    pc.late = false
    for (const entry of pc.timers.values()) this.#timeline.clear(entry)
    pc.timers.clear()
    // Of what was not flushed, the first few may have made it all the same.
    const survived = power ? pc.unflushed.slice(0, this.#random.u32() % (pc.unflushed.length + 1)) : []
    for (const { id, slot } of survived) pc.disk.set(id, slot)
    pc.unflushed = []
    if (power) {
      this.#stopChild(pc, 'power cut')
      pc.child = undefined
      pc.asleep = false
    }
    this.#after(downMs, () => {
      if (pc.state === undefined && !pc.asleep) this.#start(pc)
    })
  }

  /** The peer hangs; its sessiond does not. */
  #pause(pc: Pc, ms: number): void {
    if (pc.state === undefined) return
    this.tally.faults++
    this.#note(() => `pause ${pc.id} for ${ms}`)
    pc.pausedUntil = Math.max(pc.pausedUntil, this.#timeline.nowMs + ms)
    this.#after(ms, () => this.#drain(pc))
  }

  #sleep(pc: Pc, ms: number): void {
    if (pc.state === undefined || pc.asleep) return
    this.tally.faults++
    this.#note(() => `sleep ${pc.id} for ${ms}`)
    pc.asleep = true
    if (pc.child?.running === true) this.#running.delete(pc.id)
    const sleptAt = this.#timeline.nowMs
    const life = pc.life
    this.#after(ms, () => {
      if (pc.life !== life || !pc.asleep) return
      if (pc.stops) pc.offset -= (this.#timeline.nowMs - sleptAt) * pc.rate
      this.#wake(pc)
    })
  }

  /** Before anything else: no lease is held, neither here nor at sessiond. */
  #wake(pc: Pc): void {
    pc.asleep = false
    const { child } = pc
    if (child?.running === true) {
      if (this.#rules.sleepVoidsLeases || this.#mono(pc) >= child.until) child.running = false
      else this.#ran(pc, child.epoch)
    }
    this.#note(() => `wake ${pc.id}`)
    if (pc.state === undefined) return this.#start(pc)
    if (pc.pausedUntil > this.#timeline.nowMs) pc.inbox.unshift(() => this.#dispatch(pc, { k: 'wake' }))
    else this.#dispatch(pc, { k: 'wake' })
    this.#drain(pc)
  }

  // ---- a peer ----

  #start(pc: Pc): void {
    const boot = Array.from({ length: 2 }, () => pc.random.u32().toString(16).padStart(8, '0')).join('')
    pc.state = createRegisters(boot, this.#rules)
    pc.flushedAt = this.#timeline.nowMs
    this.#note(() => `start ${pc.id} boot ${boot}`)
    for (const [id, slot] of pc.disk)
      this.#dispatch(pc, { k: 'load', id, slot: pc.damaged ? undefined : decodeSlot(encodeSlot(slot)) })
    if (this.#initial !== undefined) this.#introduce(pc)
  }

  #mono(pc: Pc): number {
    return pc.offset + this.#timeline.nowMs * pc.rate
  }

  #env(pc: Pc): Env {
    return { self: pc.id, now: this.#mono(pc), wall: 0, random: pc.random }
  }

  #isStill(pc: Pc): boolean {
    return pc.asleep || pc.pausedUntil > this.#timeline.nowMs
  }

  #drain(pc: Pc): void {
    while (!this.#isStill(pc) && pc.inbox.length > 0) pc.inbox.shift()!()
  }

  /** Something for the peer, of this life: now, or once it moves again. */
  #hand(pc: Pc, fn: () => void): void {
    const { life } = pc
    if (!this.#isStill(pc)) return fn()
    if (pc.inbox.length < 2_000) pc.inbox.push(() => pc.life === life && fn())
  }

  #dispatch(pc: Pc, event: RegisterEvent): void {
    this.#hand(pc, () => {
      if (pc.state === undefined) return
      const { life } = pc
      const effects = step(pc.state, event, this.#env(pc))
      this.#noteCalls(pc)
      // A crash in the middle of what one event brought about loses the rest.
      for (const effect of effects) if (pc.life === life) this.#carryOut(pc, effect)
    })
  }

  #carryOut(pc: Pc, effect: RegisterEffect): void {
    switch (effect.e) {
      case 'send':
        return this.#send(pc, effect.to, effect.msg)
      case 'timer':
        return this.#arm(pc, effect.tag, effect.inMs)
      case 'clear':
        return this.#disarm(pc, effect.tag)
      case 'write':
        return this.#write(pc, effect)
      case 'done':
        return this.#returned(pc, effect)
      case 'held':
        return this.#held(pc, effect.epoch, effect.until)
      case 'lapsed':
        this.#note(() => `${pc.id} lapsed ${effect.epoch}`)
        if (pc.child?.epoch === effect.epoch) this.#stopChild(pc, 'lapsed')
        return
      case 'reshaped':
        if (effect.ok) this.tally.reshaped++
        this.#note(() => `${pc.id} reshaped ${effect.ok} ${JSON.stringify(effect.cfg)}`)
        return
      default:
    }
  }

  #arm(pc: Pc, tag: string, inMs: number): void {
    this.#disarm(pc, tag)
    const { life } = pc
    // Its clock stands still while it sleeps; what falls due then is late.
    const fire = (): void => {
      if (pc.life !== life) return
      pc.timers.delete(tag)
      this.#dispatch(pc, { k: 'timer', tag })
    }
    pc.timers.set(tag, this.#after(inMs / pc.rate, fire))
  }

  #disarm(pc: Pc, tag: string): void {
    const entry = pc.timers.get(tag)
    if (entry !== undefined) this.#timeline.clear(entry)
    pc.timers.delete(tag)
  }

  /** In order; what is not flushed when the peer dies is gone. */
  #write(pc: Pc, write: { op: number; id: string; slot: Slot }): void {
    pc.unflushed.push(write)
    const { life } = pc
    const { flushMs, sites } = this.settings
    const { nowMs } = this.#timeline
    pc.flushedAt = Math.max(pc.flushedAt, nowMs + flushMs * (0.3 + pc.random.float()))
    const flushInMs = pc.flushedAt - nowMs
    if (!this.#quiet && this.#random.float() < sites.atFlush) {
      const atMs = flushInMs + (this.#random.float() - 0.5) * 4
      this.#after(Math.max(0, atMs), () => pc.life === life && this.#crash(pc, true, this.#span(1, 400)))
    }
    this.#after(flushInMs, () => {
      if (pc.life !== life) return
      pc.unflushed.shift()
      pc.disk.set(write.id, write.slot)
      this.#dispatch(pc, { k: 'written', op: write.op, ok: true })
    })
  }

  #held(pc: Pc, epoch: number, until: number): void {
    this.tally.held++
    const owner = this.#ownerOf.get(epoch)
    if (owner !== undefined && owner !== pc.id) this.#wrong(`${owner} and ${pc.id} both held epoch ${epoch}`)
    this.#ownerOf.set(epoch, pc.id)
    this.#note(() => `${pc.id} held ${epoch} until ${(until - pc.offset) / pc.rate}`)
    const { child } = pc
    if (!this.#quiet && this.#random.float() < this.settings.sites.atLeaseEnd) {
      const inMs = (until - this.#mono(pc)) / pc.rate - this.#span(0, 30)
      this.#after(Math.max(0, inMs), () => this.#pause(pc, this.#span(300, 12_000)))
    }
    if (child?.epoch === epoch && child.running) {
      child.until = Math.max(child.until, until)
      return
    }
    const { life } = pc
    // Between the decision and the start the peer may hang.
    if (!this.#quiet && this.#random.float() < this.settings.sites.beforeStart)
      this.#after(0, () => this.#pause(pc, this.#span(3_000, 9_000)))
    this.#after(this.#span(0.5, 30), () => {
      this.#hand(pc, () => {
        if (pc.life !== life || pc.state === undefined) return
        if (!mayRun(pc.state, this.#mono(pc), ID, epoch)) return
        this.#startChild(pc, epoch, leaseOf(pc.state, ID)!.until)
      })
    })
  }

  // ---- children, as sessiond has them ----

  #startChild(pc: Pc, epoch: number, until: number): void {
    if (pc.child?.running === true) {
      if (pc.child.epoch >= epoch) return
      this.#stopChild(pc, 'a newer run took its place')
    }
    const child: Child = { epoch, until, running: true }
    pc.child = child
    this.#ran(pc, epoch)
    this.#watch(pc, child)
  }

  #watch(pc: Pc, child: Child): void {
    const leftMs = (child.until - this.#mono(pc)) / pc.rate
    this.#after(Math.max(0, leftMs) + LEASH_TICK_MS * this.#random.float(), () => {
      if (pc.child !== child || !child.running) return
      if (pc.asleep || this.#mono(pc) < child.until) return this.#watch(pc, child)
      this.#stopChild(pc, 'leash')
    })
  }

  /** True time: this is what must never overlap. */
  #ran(pc: Pc, epoch: number): void {
    for (const [other, otherEpoch] of this.#running) {
      if (other !== pc.id) this.#wrong(`${pc.id} runs epoch ${epoch} while ${other} runs epoch ${otherEpoch}`)
    }
    this.#running.set(pc.id, epoch)
    this.tally.runs++
    this.#note(() => `${pc.id} runs ${epoch}`)
  }

  #stopChild(pc: Pc, why: string): void {
    if (pc.child === undefined) return
    if (pc.child.running) this.#note(() => `${pc.id} stops ${pc.child?.epoch}: ${why}`)
    pc.child.running = false
    this.#running.delete(pc.id)
  }

  // ---- links ----

  #send(pc: Pc, to: PeerId, msg: Message): void {
    const target = this.#byId.get(to)!
    const { loss, double, slow, delayMs, sites } = this.settings
    // One in a hundred goes over as bytes.
    const whole = ++this.#frames % 100 === 0
    const frame = whole ? decodeAs(RegisterFrame, encodeFrame(msg), 'frame') : (msg as unknown as RegisterFrame)
    const { life } = pc
    if (!this.#quiet) {
      if (frame.t === 'accept' && this.#random.float() < sites.afterAccept) {
        pc.late = this.#random.u32() % 2 === 0
        this.#after(this.#span(0, 2), () => {
          if (pc.life === life) this.#crash(pc, this.#random.u32() % 2 === 0, this.#span(1, 60))
        })
      }
      if (frame.t === 'refuse' && this.#random.float() < sites.dropRefuse) return
      if (frame.t === 'accepted' && this.#random.float() < sites.dropAccepted) return
    }
    const copies = !this.#quiet && this.#random.float() < double ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (!this.#quiet && this.#random.float() < loss) continue
      let inMs = delayMs * (0.5 + this.#random.float())
      if (!this.#quiet && (this.#random.float() < slow || (pc.late && frame.t === 'accept')))
        inMs += 400 * this.#random.float()
      this.#after(inMs, () => {
        if (target.state === undefined || (this.#cuts.get(pc.id + to) ?? 0) > this.#timeline.nowMs) return
        this.#dispatch(target, { k: 'msg', from: pc.id, msg: frame })
      })
    }
  }

  // ---- the history ----

  #noteCalls(pc: Pc): void {
    for (const { attempt, change } of pc.state?.proposer.proposals.get(ID)?.jobs ?? []) {
      if (this.#history.has(attempt)) continue
      const calledAt = this.#timeline.nowMs
      this.#history.set(attempt, {
        attempt,
        change,
        calledAt,
        returnedAt: Infinity,
        outcome: undefined,
        value: undefined
      })
    }
  }

  #returned(pc: Pc, done: Extract<RegisterEffect, { e: 'done' }>): void {
    this.tally.changes++
    const now = this.#timeline.nowMs
    const { attempt, change } = done
    // Asked and answered within one step.
    const op = this.#history.get(attempt) ?? {
      attempt,
      change,
      calledAt: now,
      returnedAt: now,
      outcome: undefined,
      value: undefined
    }
    this.#history.set(attempt, op)
    op.returnedAt = this.#timeline.nowMs
    op.outcome = done.outcome
    op.value = done.value
    if (done.value !== undefined && done.value.cfg.ver > this.#cfg.ver) this.#cfg = done.value.cfg
    if (done.value !== undefined)
      this.#note(
        () =>
          `${pc.id} ${done.change.k} ${done.attempt} ${done.outcome}: v${done.value?.ver} by ${done.value?.attempt} own ${done.value?.own.peer}/${done.value?.own.epoch}/${done.value?.own.seq} cfg ${done.value?.cfg.ver}`
      )
  }

  #checkHistory(): void {
    if (this.#initial === undefined) return
    const wrong = violation(this.#initial, [...this.#history.values()])
    if (wrong !== undefined) this.#wrong(wrong)
  }

  // ---- small ----

  #any(): Pc {
    return this.#pcs[this.#random.u32() % this.#pcs.length]!
  }

  #span(fromMs: number, toMs: number): number {
    return fromMs + (toMs - fromMs) * this.#random.float()
  }

  #after(ms: number, fn: () => void): Entry {
    return this.#timeline.at(ms, fn)
  }

  #note(text: () => string): void {
    this.trace?.push(`${this.#timeline.nowMs.toFixed(3)} ${text()}`)
  }

  #wrong(text: string): void {
    this.violations.push(`at ${(this.#timeline.nowMs / 1000).toFixed(3)} s: ${text}`)
  }
}
