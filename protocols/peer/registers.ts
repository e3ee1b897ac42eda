/**
 * Hosts the registers of one peer (protocols/register): their slots on disk under `c/`, their frames on plane `reg`, their
 * timers, and the wishes of those who need the right to run a session.
 */
import type { Message } from '../kernel.ts'
import { toHex } from '../codec.ts'
import type { MeshError } from '../errors.ts'
import type { PeerId, SessionId } from '../ports.ts'
import {
  createRegisters,
  decodeSlot,
  encodeSlot,
  known,
  leaseOf,
  mayRun,
  membersOf,
  rightOf,
  slotOf,
  step
} from '../register/index.ts'
import type {
  Config,
  Own,
  RegisterEffect,
  RegisterEvent,
  RegisterFrame,
  RegisterState,
  Slot,
  Value
} from '../register/index.ts'
import type { PeerContext } from './context.ts'

/** Changing who votes takes a few round trips; a keeper that does not answer must not hold up the session for long. */
const RESHAPE_MS = 3_000

export class Registers {
  readonly #ctx: PeerContext
  readonly #held: (id: SessionId, until: number) => void
  readonly #over: (id: SessionId) => void
  readonly #state: RegisterState
  readonly #timers = new Map<string, unknown>()
  readonly #created = new Map<SessionId, (ok: boolean) => void>()
  /** Changes of voters under way, and those that come after. */
  readonly #reshaped = new Map<SessionId, { done: (ok: boolean) => void; next: (() => void)[] }>()
  /** What a majority had when this peer asked last, and Clock.mono of that. */
  readonly #read = new Map<SessionId, { value: Value; at: number }>()
  /** Before that, this peer does not know what it has promised. */
  #loaded = false
  /** Sees each step before its effects are carried out; for who judges a mesh from outside. */
  observer: ((event: RegisterEvent, effects: readonly RegisterEffect[], state: RegisterState) => void) | undefined

  /**
   * `held`: the right is held, or held for longer, until then (Clock.mono). sessiond ends what runs when it is over.
   * `over`: the register says that the session has ended.
   */
  constructor(ctx: PeerContext, held: (id: SessionId, until: number) => void, over: (id: SessionId) => void) {
    this.#ctx = ctx
    this.#held = held
    this.#over = over
    this.#state = createRegisters(toHex(ctx.ports.random.bytes(8)))
    ctx.ports.clock.onWake(() => this.step({ k: 'wake' }))
  }

  load(done: (error?: MeshError) => void): void {
    this.#ctx.ports.store.load('c/', (error, pairs) => {
      if (error !== undefined) return done(error)
      for (const [key, bytes] of pairs) this.#load(key.slice(2), bytes)
      this.#loaded = true
      done()
    })
  }

  /** A new register; this peer has the right to run. Voters that do not answer in time are left out, all or none. */
  create(id: SessionId, voters: readonly PeerId[], done: (ok: boolean) => void): void {
    this.#created.set(id, (ok) => {
      if (ok && voters.some((peer) => peer !== this.#ctx.self)) this.move(id, voters, () => done(true))
      else done(ok)
    })
    this.step({ k: 'create', id })
  }

  /** A person said that the other voters are off: this peer votes alone, and has the right to run. */
  seize(id: SessionId, reign: number, done: (ok: boolean) => void): void {
    this.#created.set(id, done)
    this.step({ k: 'seize', id, reign })
  }

  /** A person gave it to these voters. */
  heed(id: SessionId, reign: number, voters: readonly PeerId[]): void {
    this.#read.delete(id)
    this.step({ k: 'heed', id, reign, voters })
  }

  /** Others vote from now on, if they can be had; after a change that is under way. */
  move(id: SessionId, voters: readonly PeerId[], done: (ok: boolean) => void): void {
    const running = this.#reshaped.get(id)
    if (running !== undefined) return void running.next.push(() => this.move(id, voters, done))
    this.#reshaped.set(id, { done, next: [] })
    this.step({ k: 'reshape', id, voters, withinMs: RESHAPE_MS })
  }

  /** Their change is under way. */
  isMoving(id: SessionId): boolean {
    return this.#reshaped.has(id)
  }

  /** What a majority had when this peer asked last, and Clock.mono of that. */
  lastRead(id: SessionId): { value: Value; at: number } | undefined {
    return this.#read.get(id)
  }
  configOf(id: SessionId): Config | undefined {
    return this.#read.get(id)?.value.cfg
  }

  know(id: SessionId, voters: readonly PeerId[]): void {
    this.step({ k: 'know', id, cfg: { ver: 1, voters } })
  }
  want(id: SessionId, rank: number): void {
    this.step({ k: 'want', id, rank })
  }
  unwant(id: SessionId): void {
    this.step({ k: 'unwant', id })
  }
  give(id: SessionId, to: Pick<Own, 'peer' | 'over'>): void {
    this.step({ k: 'give', id, to })
  }
  /** Registers this peer has to do with, and those it had. */
  ids(): Iterable<SessionId> {
    return known(this.#state)
  }
  /** The latest that this peer knows of the right, and Clock.mono when it first knew of it. */
  seen(id: SessionId): { own: Own; since: number } | undefined {
    return rightOf(this.#state, id)
  }
  /** As this peer's acceptor has it. */
  slot(id: SessionId): Slot | undefined {
    return slotOf(this.#state, id)
  }

  forget(id: SessionId): void {
    this.#read.delete(id)
    this.#reshaped.delete(id)
    this.step({ k: 'forget', id })
  }

  /** Clock.mono until which this peer has the right now; undefined: it has none. */
  until(id: SessionId): number | undefined {
    const lease = leaseOf(this.#state, id)
    const now = this.#ctx.ports.clock.mono()
    return lease !== undefined && mayRun(this.#state, now, id, lease.epoch) ? lease.until : undefined
  }

  /** Registers known here, as a voter or otherwise. */
  get size(): number {
    const { acceptor, proposer, leases } = this.#state
    return Math.max(acceptor.slots.size, proposer.proposals.size, leases.watched.size)
  }

  /** As this peer has read last: the session has ended, and nobody is to run it again. */
  isOver(id: SessionId): boolean {
    return this.#state.leases.watched.get(id)?.told?.over === true
  }
  /** This peer is the only voter, as it has read last. */
  votesAlone(id: SessionId): boolean {
    const cfg = this.#state.proposer.proposals.get(id)?.cfg
    return cfg !== undefined && membersOf(cfg).every((peer) => peer === this.#ctx.self)
  }

  frame(from: PeerId, msg: RegisterFrame): void {
    if (this.#loaded) this.step({ k: 'msg', from, msg })
  }

  /** Ends with the peer: no timer of it goes off any more. */
  end(): void {
    for (const timer of this.#timers.values()) this.#ctx.ports.clock.clearTimeout(timer)
    this.#timers.clear()
  }

  step(event: RegisterEvent): void {
    const { clock, random } = this.#ctx.ports
    const env = { self: this.#ctx.self, now: clock.mono(), wall: clock.wall(), random }
    const effects = step(this.#state, event, env)
    this.observer?.(event, effects, this.#state)
    for (const effect of effects) this.#carryOut(effect)
  }

  #load(id: SessionId, bytes: Uint8Array): void {
    try {
      this.step({ k: 'load', id, slot: decodeSlot(bytes) })
    } catch (cause) {
      this.#ctx.ports.log.warn('register unreadable', { id, cause: String(cause) })
      this.step({ k: 'load', id, slot: undefined })
    }
  }

  #carryOut(effect: RegisterEffect): void {
    const { store, clock } = this.#ctx.ports
    switch (effect.e) {
      case 'send':
        return void this.#ctx.send(effect.to, 'reg', effect.msg as Message)
      case 'timer':
        clock.clearTimeout(this.#timers.get(effect.tag))
        this.#timers.set(
          effect.tag,
          clock.setTimeout(() => this.step({ k: 'timer', tag: effect.tag }), effect.inMs)
        )
        return
      case 'clear':
        clock.clearTimeout(this.#timers.get(effect.tag))
        this.#timers.delete(effect.tag)
        return
      case 'write':
        return store.write([{ put: `c/${effect.id}`, value: encodeSlot(effect.slot) }], { sync: true }, (error) =>
          this.step({ k: 'written', op: effect.op, ok: error === undefined })
        )
      case 'erase':
        return store.write([{ del: `c/${effect.id}` }], { sync: false }, () => {})
      case 'created': {
        const done = this.#created.get(effect.id)
        this.#created.delete(effect.id)
        return done?.(effect.ok)
      }
      case 'reshaped': {
        const moved = this.#reshaped.get(effect.id)
        this.#reshaped.delete(effect.id)
        moved?.done(effect.ok)
        return moved?.next.forEach((move) => move())
      }
      case 'held':
        return this.#held(effect.id, effect.until)
      case 'done':
        if (effect.value !== undefined) this.#read.set(effect.id, { value: effect.value, at: clock.mono() })
        return
      case 'owned':
        return effect.own.over ? this.#over(effect.id) : undefined
      case 'count':
        return this.#ctx.count(effect.name)
      case 'lapsed':
        return
    }
  }
}
