/**
 * A small mesh in virtual time for the kernels of membership and gossip: a heap of events, links with delay, loss and
 * partitions, PCs that crash, lose power and come back. Every frame goes through the real codec. Same seed, same run.
 */
import { createHash } from 'node:crypto'
import { decodeAs, encodeFrame, peerIdOf } from '../../../protocols/codec.ts'
import { createGossip, GossipFrame, step as stepGossip } from '../../../protocols/gossip/index.ts'
import type { GossipEffect, GossipEvent, GossipState } from '../../../protocols/gossip/index.ts'
import type { Env } from '../../../protocols/kernel.ts'
import {
  createMembership,
  MemFrame,
  member,
  population,
  selfRecord,
  step as stepMembership
} from '../../../protocols/membership/index.ts'
import type {
  Member,
  MembershipEffect,
  MembershipEvent,
  MembershipSettings,
  MembershipState
} from '../../../protocols/membership/index.ts'
import type { Crypto, DownReason, PeerId, Random } from '../../../protocols/ports.ts'

/** A keyed hash stands in for Ed25519: quick, and just as wrong for every other byte. */
function verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  return Buffer.compare(mark(publicKey, bytes), signature) === 0
}
function mark(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha512').update(publicKey).update(bytes).digest())
}

export function fakeCrypto(publicKey: Uint8Array): Crypto {
  const unused = (): never => {
    throw new Error('not used by these kernels')
  }
  return { sha256: unused, hmac: unused, sign: (bytes) => mark(publicKey, bytes), verify }
}

export function keyOf(name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(name).digest())
}

export function idOf(name: string): PeerId {
  return peerIdOf(keyOf(name))
}

export function seededRandom(seed: number): Random {
  let a = seed >>> 0
  const u32 = (): number => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return { u32, float: () => u32() / 2 ** 32, bytes: (n) => Uint8Array.from({ length: n }, () => u32() & 255) }
}

export interface Change {
  at: number
  peer: string
  was: string | undefined
  now: string
}

export class Pc {
  readonly mesh: Mesh
  readonly name: string
  readonly id: PeerId
  readonly disk = new Map<PeerId, Uint8Array>()
  readonly changes: Change[] = []
  readonly isolations: Array<{ at: number; is: boolean }> = []
  readonly counts = new Map<string, number>()
  readonly sent = { frames: 0, bytes: 0, byKind: new Map<string, number>() }
  readonly timers = new Map<string, number>()
  readonly linked = new Set<PeerId>()
  readonly entriesAt = new Map<string, number>()
  address: string
  state: 'off' | 'crashed' | 'running' = 'off'
  membership!: MembershipState
  gossip!: GossipState
  life = 0
  pausedUntil = -Infinity

  constructor(mesh: Mesh, name: string) {
    this.mesh = mesh
    this.name = name
    this.id = idOf(name)
    this.address = `/dns4/${name}/tcp/7777`
  }

  member(name: string): Member | undefined {
    return member(this.membership, idOf(name))
  }

  sees(name: string): string | undefined {
    return this.member(name)?.state
  }

  mem(event: MembershipEvent): void {
    for (const effect of stepMembership(this.membership, event, this.env())) this.onMembership(effect)
  }

  gos(event: GossipEvent): void {
    for (const effect of stepGossip(this.gossip, event, this.env())) this.onGossip(effect)
  }

  put(key: string, seq: number, body: Uint8Array, epoch = 1): void {
    this.gos({ k: 'put', key, epoch, seq, body })
  }

  env(): Env {
    return { self: this.id, now: this.mesh.now, wall: 1_700_000_000_000 + this.mesh.now, random: this.mesh.random }
  }

  private onMembership(effect: MembershipEffect): void {
    if (effect.e === 'member') {
      this.changes.push({ at: this.mesh.now, peer: this.mesh.nameOf(effect.peer), was: effect.was, now: effect.now })
    } else if (effect.e === 'keep') this.disk.set(effect.peer, effect.bytes)
    else if (effect.e === 'unkeep') this.disk.delete(effect.peer)
    else if (effect.e === 'isolated') this.isolations.push({ at: this.mesh.now, is: effect.is })
    else if (effect.e === 'dial') this.mesh.dial(this, effect.peer, effect.addresses)
    else if (effect.e === 'close') this.mesh.close(this, effect.peer)
    else this.common('mem', effect)
  }

  private onGossip(effect: GossipEffect): void {
    if (effect.e === 'entry') this.entriesAt.set(effect.entry.key, this.mesh.now)
    else if (
      effect.e !== 'keep' &&
      effect.e !== 'unkeep' &&
      effect.e !== 'expired' &&
      effect.e !== 'dial' &&
      effect.e !== 'close'
    )
      this.common('gossip', effect)
  }

  private common(
    kernel: 'mem' | 'gossip',
    effect: Exclude<
      MembershipEffect | GossipEffect,
      { e: 'member' | 'keep' | 'unkeep' | 'isolated' | 'dial' | 'close' | 'entry' | 'expired' }
    >
  ): void {
    if (effect.e === 'send') this.mesh.send(this, effect.to, kernel, effect.msg)
    else if (effect.e === 'count') this.counts.set(effect.name, (this.counts.get(effect.name) ?? 0) + (effect.by ?? 1))
    else if (effect.e === 'clear') this.timers.delete(`${kernel} ${effect.tag}`)
    else this.mesh.arm(this, kernel, effect.tag, effect.inMs)
  }
}

type Job = { at: number; order: number; run: () => void }

export class Mesh {
  now = 0
  readonly random: Random
  readonly pcs = new Map<string, Pc>()
  readonly byId = new Map<PeerId, Pc>()
  lossRatio = 0
  /** Overrides of MEMBERSHIP for PCs that boot from now on. */
  timers: Partial<MembershipSettings> = {}
  delayMs: () => number
  events = 0
  /** Pairs whose present link eats every frame. */
  private readonly dumb = new Set<string>()
  private readonly heap: Job[] = []
  private order = 0
  private cut: (a: string, b: string) => boolean = () => false

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.delayMs = () => 0.2 + 1.8 * this.random.float()
  }

  /** PCs that know each other's addresses from the start, as after discovery. */
  static formed(seed: number, names: readonly string[]): Mesh {
    const mesh = new Mesh(seed)
    for (const name of names) mesh.add(name)
    for (const pc of mesh.pcs.values()) mesh.boot(pc.name)
    mesh.discover()
    return mesh
  }

  add(name: string): Pc {
    const pc = new Pc(this, name)
    this.pcs.set(name, pc)
    this.byId.set(pc.id, pc)
    return pc
  }

  pc(name: string): Pc {
    return this.pcs.get(name)!
  }

  nameOf(id: PeerId): string {
    return this.byId.get(id)?.name ?? id
  }

  running(): Pc[] {
    return [...this.pcs.values()].filter((pc) => pc.state === 'running')
  }

  boot(name: string): Pc {
    const pc = this.pc(name)
    pc.state = 'running'
    pc.life++
    pc.timers.clear()
    pc.linked.clear()
    const crypto = fakeCrypto(keyOf(name))
    pc.membership = createMembership(
      { peer: pc.id, name, addresses: [pc.address], version: '0.1.0' },
      crypto,
      this.timers
    )
    pc.gossip = createGossip({
      self: pc.id,
      crypto,
      isMember: (peer) => member(pc.membership, peer) !== undefined,
      mayWrite: () => true,
      population: () => population(pc.membership)
    })
    pc.mem({ k: 'load', members: [...pc.disk.values()] })
    pc.mem({ k: 'start' })
    return pc
  }

  /** Everyone running is shown to everyone running. */
  discover(): void {
    for (const a of this.running())
      for (const b of this.running()) if (a !== b && !this.cut(a.name, b.name)) this.show(a.name, b.name)
  }

  show(to: string, shown: string): void {
    this.pc(to).mem({ k: 'seen', peer: this.pc(shown).id, addresses: [this.pc(shown).address] })
  }

  /** The process is gone, the machine answers. */
  crash(name: string): void {
    const pc = this.pc(name)
    pc.state = 'crashed'
    for (const peer of [...pc.linked]) this.drop(this.byId.get(peer)!, pc.id, 'reset')
    pc.linked.clear()
  }

  /** Nothing answers any more; the others' links stand until they close them. */
  powerOff(name: string): void {
    this.pc(name).state = 'off'
  }

  /** Its event loop stands still; then late timers come first, and what arrived meanwhile after them. */
  pause(name: string, ms: number): void {
    this.pc(name).pausedUntil = this.now + ms
  }

  partition(...groups: string[][]): void {
    const groupOf = new Map(groups.flatMap((group, i) => group.map((name) => [name, i] as const)))
    this.cut = (a, b) => groupOf.get(a) !== groupOf.get(b)
  }

  cutBetween(isCut: (a: string, b: string) => boolean): void {
    this.cut = isCut
  }

  heal(): void {
    this.cut = () => false
  }

  /** The way of the present link vanishes (an address, a cable); a new link finds another. */
  makeDumb(a: string, b: string): void {
    this.dumb.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  dial(from: Pc, to: PeerId, addresses: readonly string[]): void {
    const { life } = from
    const target = this.byId.get(to)
    const at = target !== undefined && addresses.includes(target.address) ? target : undefined
    const reachable = at !== undefined && at.state !== 'off' && !this.cut(from.name, at.name)
    const fail = (why: string): void => {
      if (from.life === life && from.state === 'running') from.mem({ k: 'dialFailed', peer: to, why, detail: '' })
    }
    if (!reachable) return this.after(3000, () => fail('timeout'))
    if (at.state === 'crashed') return this.after(this.delayMs(), () => fail('refused'))
    // TCP, Noise, muxer, hello.
    this.after(6 * this.delayMs(), () => {
      if (from.life !== life || from.state !== 'running' || at.state !== 'running') return fail('reset')
      if (this.cut(from.name, at.name)) return fail('timeout')
      this.connect(from, at)
    })
  }

  connect(a: Pc, b: Pc): void {
    for (const [x, y] of [
      [a, b],
      [b, a]
    ] as const) {
      if (x.linked.has(y.id)) continue
      this.dumb.delete(`${x.name} ${y.name}`)
      x.linked.add(y.id)
      x.mem({ k: 'hello', from: y.id, record: selfRecord(y.membership) })
      x.mem({ k: 'link', peer: y.id, up: true })
      x.gos({ k: 'link', peer: y.id, up: true })
    }
  }

  close(from: Pc, to: PeerId): void {
    const other = this.byId.get(to)
    this.after(0, () => this.drop(from, to, 'closed'))
    if (other !== undefined && !this.cut(from.name, other.name))
      this.after(this.delayMs(), () => this.drop(other, from.id, 'closed'))
  }

  drop(pc: Pc, peer: PeerId, why: DownReason): void {
    if (!pc.linked.delete(peer) || pc.state !== 'running') return
    pc.mem({ k: 'link', peer, up: false, why })
    pc.gos({ k: 'link', peer, up: false, why })
  }

  send(from: Pc, to: PeerId, plane: 'mem' | 'gossip', msg: { t: string }): void {
    if (!from.linked.has(to)) return
    if (this.dumb.has(`${from.name} ${this.nameOf(to)}`)) return
    const bytes = encodeFrame(msg)
    from.sent.frames++
    from.sent.bytes += bytes.length
    from.sent.byKind.set(msg.t, (from.sent.byKind.get(msg.t) ?? 0) + 1)
    if (this.random.float() < this.lossRatio) return
    const { life } = this.byId.get(to)!
    this.after(this.delayMs(), () => this.arrive(from, this.byId.get(to)!, life, plane, bytes))
  }

  arm(pc: Pc, kernel: 'mem' | 'gossip', tag: string, inMs: number): void {
    const { life } = pc
    const id = ++this.order
    pc.timers.set(`${kernel} ${tag}`, id)
    this.after(inMs, () => this.fire(pc, kernel, tag, life, id))
  }

  private fire(pc: Pc, kernel: 'mem' | 'gossip', tag: string, life: number, id: number): void {
    if (this.now < pc.pausedUntil) return this.at(pc.pausedUntil, () => this.fire(pc, kernel, tag, life, id))
    if (pc.life !== life || pc.state !== 'running' || pc.timers.get(`${kernel} ${tag}`) !== id) return
    pc.timers.delete(`${kernel} ${tag}`)
    if (kernel === 'mem') pc.mem({ k: 'timer', tag })
    else pc.gos({ k: 'timer', tag })
  }

  run(ms: number): void {
    this.runUntil(() => false, ms)
  }

  /** Runs until the condition holds, looked at after each event; how long that took. Undefined when it never did. */
  runUntil(holds: () => boolean, withinMs: number): number | undefined {
    const began = this.now
    const end = began + withinMs
    if (holds()) return 0
    for (let job = this.heap[0]; job !== undefined && job.at <= end; job = this.heap[0]) {
      this.pop()
      this.now = job.at
      this.events++
      job.run()
      if (holds()) return this.now - began
    }
    this.now = end
    return undefined
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  private at(at: number, run: () => void): void {
    this.push({ at, order: ++this.order, run })
  }

  private arrive(from: Pc, to: Pc, life: number, plane: 'mem' | 'gossip', bytes: Uint8Array): void {
    if (this.now < to.pausedUntil) return this.at(to.pausedUntil + 1, () => this.arrive(from, to, life, plane, bytes))
    if (to.state === 'off' || this.cut(from.name, to.name)) return
    if (to.state !== 'running' || to.life !== life || !to.linked.has(from.id)) {
      return this.after(this.delayMs(), () => this.drop(from, to.id, 'reset'))
    }
    to.mem({ k: 'heard', peer: from.id })
    if (plane === 'mem') to.mem({ k: 'msg', from: from.id, msg: decodeAs(MemFrame, bytes, 'mem frame') })
    else to.gos({ k: 'msg', from: from.id, msg: decodeAs(GossipFrame, bytes, 'gossip frame') })
  }

  private push(job: Job): void {
    const { heap } = this
    heap.push(job)
    let i = heap.length - 1
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!before(heap[i]!, heap[up]!)) break
      ;[heap[i], heap[up]] = [heap[up]!, heap[i]!]
      i = up
    }
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let i = 0; ;) {
      const left = 2 * i + 1
      const right = left + 1
      let least = i
      if (left < heap.length && before(heap[left]!, heap[least]!)) least = left
      if (right < heap.length && before(heap[right]!, heap[least]!)) least = right
      if (least === i) return
      ;[heap[i], heap[least]] = [heap[least]!, heap[i]!]
      i = least
    }
  }
}

function before(a: Job, b: Job): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `pc${i}`)
}

/** Everyone running sees exactly everyone running alive, over a link of its own. */
export function isWhole(mesh: Mesh): boolean {
  const running = mesh.running()
  return running.every((a) => running.every((b) => a === b || (a.sees(b.name) === 'alive' && a.linked.has(b.id))))
}
