/**
 * Whom this peer knows and whom it is linked to: hosts hello (who may speak here) and membership (who is there). A link
 * counts from its admission on.
 */
import { MeshError } from '../errors.ts'
import { createHello, decodeHello, isAdmitted, isVerified, stepHello } from '../joining/index.ts'
import type { Certificate, Genesis, HelloEffect, HelloEvent, HelloState } from '../joining/index.ts'
import {
  canDial,
  createMembership,
  member,
  members,
  population,
  selfRecord,
  step as stepMembership,
  usesRings
} from '../membership/index.ts'
import type {
  Member,
  MembershipEffect,
  MembershipEvent,
  MembershipSettings,
  MembershipState,
  MemMessage
} from '../membership/index.ts'
import type { DownReason, PeerId, Plane } from '../ports.ts'
import type { PeerPorts } from './context.ts'
import type { Effects } from './effects.ts'
import type { Journal } from './journal.ts'
import { Waiting } from './waiting.ts'

/** A clock that differs by more is worth a word on the screen; certificates tolerate ten minutes. */
const SKEW_NOTICE_MS = 60_000

export interface LinkOptions {
  genesis: Genesis
  /** The current membership certificate; read at each new link. */
  certificate(): Uint8Array
  name: string
  version: string
  /** Timers and limits of membership other than its own, for tests and slow networks. */
  membership?: Partial<MembershipSettings>
  /** A simulation begins in the middle: members on disk are taken to be here, and these entries have come already. */
  formed?: { readonly entries: readonly Uint8Array[] } | undefined
}

export interface LinkHooks {
  linkUp(peer: PeerId): void
  linkDown(peer: PeerId, why: DownReason): void
  /** Frames that waited for a link to it were dropped. */
  unreached(peer: PeerId): void
  /** Something goes on with it that needs the link. */
  isBusy(peer: PeerId): boolean
  member(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void
  isolated(is: boolean): void
}

export class Links {
  /** Clock differences worth telling, by peer: their clock minus ours, ms. */
  readonly skews = new Map<PeerId, number>()
  /** Why links were refused lately, newest last. */
  readonly refusals: { at: number; peer: PeerId; code: string; text: string }[] = []
  readonly #ports: PeerPorts
  readonly #effects: Effects
  readonly #journal: Journal
  readonly #hooks: LinkHooks
  readonly #hello: HelloState
  readonly #membership: MembershipState
  /** Everyone who ever was a member: what they signed into the ledger stays valid after they left. */
  readonly #authors = new Set<PeerId>()
  readonly #linked = new Set<PeerId>()
  /** Where the far end of each link is. */
  readonly #addresses = new Map<PeerId, string>()
  readonly #waiting: Waiting
  readonly #formed: boolean
  /** Clock.mono: since when this peer listens. */
  #startedAt: number
  #loading = false

  constructor(ports: PeerPorts, effects: Effects, journal: Journal, options: LinkOptions, hooks: LinkHooks) {
    this.#ports = ports
    this.#startedAt = ports.clock.mono()
    this.#effects = effects
    this.#journal = journal
    this.#hooks = hooks
    this.#formed = options.formed !== undefined
    const { crypto } = ports
    this.#membership = createMembership(
      { peer: ports.network.self, name: options.name, addresses: [], version: options.version },
      crypto,
      options.membership ?? {},
      (peer) => hooks.isBusy(peer)
    )
    this.#waiting = new Waiting(ports.clock, (peer) => hooks.unreached(peer))
    this.#hello = createHello({
      genesis: options.genesis,
      crypto,
      certificate: options.certificate,
      record: () => selfRecord(this.#membership),
      features: [],
      isKnown: (peer) => this.isKnown(peer)
    })
    effects.guard({
      isAdmitted: (peer) => isAdmitted(this.#hello, peer),
      use: (peer) => this.want(peer),
      later: (peer, plane, frame) => this.#later(peer, plane, frame)
    })
    effects.host('hello', { timer: (tag) => this.#runHello({ k: 'timer', tag }) })
    effects.host('mem', { timer: (tag) => this.#runMembership({ k: 'timer', tag }) })
  }

  get size(): number {
    return this.#linked.size
  }
  /** Live members, this one included. */
  get population(): number {
    return population(this.#membership)
  }
  has(peer: PeerId): boolean {
    return this.#linked.has(peer)
  }
  /** A frame gets there: there is a link, or one is made for it. */
  reaches(peer: PeerId): boolean {
    return this.#linked.has(peer) || canDial(this.#membership, peer)
  }
  /** Makes a link where there is none; where there is one, keeps it from being closed as idle. */
  want(peer: PeerId): void {
    if (usesRings(this.#membership)) this.#runMembership({ k: 'want', peer })
  }
  members(): Iterable<Member> {
    return members(this.#membership)
  }
  member(peer: PeerId): Member | undefined {
    return member(this.#membership, peer)
  }
  isKnown(peer: PeerId): boolean {
    return member(this.#membership, peer) !== undefined
  }
  /** Is a member, or was one. */
  isAuthor(peer: PeerId): boolean {
    return this.isKnown(peer) || this.#authors.has(peer)
  }
  isAlive(peer: PeerId): boolean {
    return peer === this.#ports.network.self || member(this.#membership, peer)?.state === 'alive'
  }
  alive(): PeerId[] {
    return [...members(this.#membership)].flatMap(({ peer }) => (this.isAlive(peer) ? [peer] : []))
  }
  nameOf(peer: PeerId): string {
    return member(this.#membership, peer)?.name ?? peer.slice(-8)
  }

  /** The certificate a linked peer has shown. */
  certificateOf(peer: PeerId): Certificate | undefined {
    return this.#linked.has(peer) ? this.#hello.links.get(peer)?.verified?.certificate : undefined
  }

  goneMs(peer: PeerId): number | undefined {
    const known = member(this.#membership, peer)
    if (peer === this.#ports.network.self || known === undefined) return undefined
    if (known.state !== 'dead' && known.state !== 'left') return undefined
    // Seconds lie between two words of one member, so its last word says little about when it went: what counts is when
    // somebody first missed it, or since when this peer has listened at all. It was gone by then, and all heard of it together.
    const missedAt = known.state === 'dead' && known.missedAt > 0 ? known.missedAt : known.since
    // Whom the disk remembers as dead may be back, and others may have looked after what it left; so it is after a stall.
    const listensSince = Math.max(this.#startedAt, this.#membership.stalledAt)
    return this.#ports.clock.mono() - Math.max(missedAt, known.heardAt, listensSince)
  }

  // ---- what happens to it ----

  load(done: (error?: MeshError) => void): void {
    const { store, network } = this.#ports
    store.load('m/', (error, members) => {
      if (error !== undefined) return done(error)
      store.load('a/', (authorError, authors) => {
        if (authorError !== undefined) return done(authorError)
        for (const [key] of authors) this.#authors.add(key.slice(2))
        this.#runMembership({ k: 'self', addresses: network.addresses() })
        this.#loading = this.#formed
        this.#runMembership({ k: 'load', members: members.map(([, bytes]) => bytes), here: this.#formed })
        this.#loading = false
        done()
      })
    })
  }
  start(): void {
    this.#startedAt = this.#ports.clock.mono()
    this.#runMembership({ k: 'start' })
  }
  leave(forever: boolean): void {
    this.#waiting.end()
    this.#runMembership({ k: 'leave', forever })
  }
  introduce(peer: PeerId, addresses: readonly string[]): void {
    this.#runMembership({ k: 'seen', peer, addresses })
  }
  renamed(change: { addresses?: readonly string[]; name?: string }): void {
    this.#runMembership({ k: 'self', ...change })
  }
  lagged(ms: number): void {
    this.#runMembership({ k: 'lag', ms })
  }

  up(peer: PeerId, address: string): void {
    this.#addresses.set(peer, address)
    this.#runHello({ k: 'link', peer, up: true })
  }
  dialFailed(peer: PeerId, why: DownReason, detail: string): void {
    this.#runMembership({ k: 'dialFailed', peer, why, detail })
    this.#waiting.drop(peer)
  }

  down(peer: PeerId, why: DownReason): void {
    this.#addresses.delete(peer)
    this.#runHello({ k: 'link', peer, up: false, why })
    if (!this.#linked.delete(peer)) {
      // It was there, and one of the two did not let the other in: as little of a link as when nobody answers.
      return this.#runMembership({
        k: 'dialFailed',
        peer,
        why: 'closed',
        detail: 'the link ended before it was admitted'
      })
    }
    this.#runMembership({ k: 'link', peer, up: false, why })
    this.#hooks.linkDown(peer, why)
  }

  helloFrame(from: PeerId, bytes: Uint8Array): void {
    try {
      this.#runHello({ k: 'msg', from, msg: decodeHello(bytes) })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#runHello({ k: 'garbage', from, error })
    }
  }

  /** False: nothing this peer says is heard yet. */
  mayBeHeard(peer: PeerId): boolean {
    if (isAdmitted(this.#hello, peer)) return true
    if (!isVerified(this.#hello, peer)) return false
    // Planes overtake each other: who speaks on another plane has admitted us, so its welcome is only late. Without this the
    // answer to such a frame would be dropped.
    this.#runHello({ k: 'msg', from: peer, msg: { t: 'welcome' } })
    return true
  }
  heard(peer: PeerId): void {
    this.#runMembership({ k: 'heard', peer })
  }
  message(from: PeerId, msg: MemMessage): void {
    this.#runMembership({ k: 'msg', from, msg })
  }

  #later(peer: PeerId, plane: Plane, frame: Uint8Array): boolean {
    if (!canDial(this.#membership, peer) || !this.#waiting.hold(peer, plane, frame)) return false
    this.want(peer)
    return true
  }

  #runHello(event: HelloEvent): void {
    for (const effect of stepHello(this.#hello, event, this.#effects.env())) this.#helloEffect(effect)
  }

  #helloEffect(effect: HelloEffect): void {
    switch (effect.e) {
      case 'verified':
        return
      case 'refused': {
        this.refusals.push({ at: this.#ports.clock.wall(), peer: effect.peer, code: effect.code, text: effect.text })
        if (this.refusals.length > 50) this.refusals.shift()
        if (effect.by === 'us') this.#journal.count('hello_refused')
        this.#ports.log.warn('link refused', { peer: effect.peer, by: effect.by, code: effect.code, text: effect.text })
        return this.#journal.changed('status')
      }
      case 'admitted': {
        const { peer } = effect
        this.#linked.add(peer)
        this.#authors.add(peer)
        this.#ports.store.write([{ put: `a/${peer}`, value: new Uint8Array() }], { sync: false }, () => {})
        this.#noteSkew(peer, effect.skewMs)
        this.#runMembership({ k: 'hello', from: peer, record: effect.record })
        const address = this.#addresses.get(peer)
        this.#runMembership({ k: 'link', peer, up: true, ...(address === undefined ? {} : { address }) })
        for (const { plane, frame } of this.#waiting.take(peer)) this.#ports.network.send(peer, plane, frame)
        return this.#hooks.linkUp(peer)
      }
      default:
        return this.#effects.carry('hello', effect)
    }
  }

  #runMembership(event: MembershipEvent): void {
    for (const effect of stepMembership(this.#membership, event, this.#effects.env())) this.#membershipEffect(effect)
  }

  #membershipEffect(effect: MembershipEffect): void {
    switch (effect.e) {
      case 'member':
        return this.#memberChanged(effect.peer, effect.was, effect.now)
      case 'keep':
        return this.#ports.store.write(
          [{ put: `m/${effect.peer}`, value: effect.bytes }],
          { sync: effect.peer === this.#ports.network.self },
          (error) => this.#journal.diskTold(error)
        )
      case 'unkeep':
        return this.#ports.store.write([{ del: `m/${effect.peer}` }], { sync: false }, (error) =>
          this.#journal.diskTold(error)
        )
      case 'isolated':
        return this.#hooks.isolated(effect.is)
      default:
        return this.#effects.carry('mem', effect)
    }
  }

  #memberChanged(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void {
    // who was here before the story began is no news
    if (peer !== this.#ports.network.self && was !== now && !this.#loading) this.#memberEvent(peer, was, now)
    this.#hooks.member(peer, was, now)
  }

  #memberEvent(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void {
    const name = this.nameOf(peer)
    const event = (text: string, level: 'info' | 'warn' = 'info'): void =>
      this.#journal.event({ kind: 'node', level, text, subject: peer })
    if (now === 'alive' && was === undefined) event(`${name} is a member`)
    else if (now === 'alive' && (was === 'dead' || was === 'left')) event(`${name} is back`)
    else if (now === 'dead') event(`${name} cannot be reached: ${this.member(peer)?.reason ?? ''}`, 'warn')
    else if (now === 'left') event(`${name} shut down`)
  }

  #noteSkew(peer: PeerId, skewMs: number): void {
    if (Math.abs(skewMs) < SKEW_NOTICE_MS) this.skews.delete(peer)
    else this.skews.set(peer, skewMs)
  }
}
