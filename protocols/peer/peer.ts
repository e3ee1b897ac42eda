/**
 * One peer of a mesh: hosts the kernels, carries their effects out through the ports, and is itself hosted by two shells,
 * node/ and sim/. Frames come in, are checked once against the plane's schema, and go to one kernel each.
 */
import { createActor } from 'xstate'
import type { Actor } from 'xstate'
import { ChannelFrame } from '../channel/index.ts'
import { decodeAs, decodeCbor, encodeCbor, encodeFrame } from '../codec.ts'
import { MeshError } from '../errors.ts'
import {
  createGossip,
  decodeAdDynamic,
  decodeAdStatic,
  encodeAdDynamic,
  encodeAdStatic,
  entries,
  entry,
  GossipFrame,
  shouldAdvertise,
  step as stepGossip
} from '../gossip/index.ts'
import type { AdDynamic, AdStatic, Entry, GossipEffect, GossipEvent, GossipState } from '../gossip/index.ts'
import { createHello, decodeHello, isAdmitted, isVerified, stepHello } from '../joining/index.ts'
import type { Certificate, Genesis, HelloEffect, HelloEvent, HelloState } from '../joining/index.ts'
import type { Env, KernelEffect, Message } from '../kernel.ts'
import { createMembership, member, members, MemFrame, selfRecord, step as stepMembership } from '../membership/index.ts'
import type { Member, MembershipEffect, MembershipEvent, MembershipState } from '../membership/index.ts'
import { PlacementView, SchedFrame } from '../placement/index.ts'
import type { Offer } from '../placement/index.ts'
import type { DownReason, NetworkHandler, PeerId, Plane, SessionId } from '../ports.ts'
import { compareVersion, RecordWire, RegFrame } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import { Channels } from './channels.ts'
import type { PeerContext, PeerEvent, PeerPorts } from './context.ts'
import { peerMachine } from './peer.machine.ts'
import { CtlFrame, Rpc } from './rpc.ts'
import { Sessions } from './sessions.ts'

/** Events kept for the screen. */
const EVENTS_MAX = 500
/** A clock that differs by more is worth a word on the screen; certificates tolerate ten minutes. */
const SKEW_NOTICE_MS = 60_000

export interface PeerOptions {
  genesis: Genesis
  /** The current membership certificate; read at each new link. */
  certificate(): Uint8Array
  name: string
  version: string
  offer: Offer
}

export interface StampedEvent extends PeerEvent {
  seq: number
  at: number
}
export interface AdView {
  static: AdStatic | undefined
  dynamic: AdDynamic | undefined
  /** Clock.mono() when the newest dynamic part arrived. */
  at: number
}
export type Changed = 'status' | 'nodes' | 'sessions' | 'events' | 'ledger' | 'doors'

export class Peer {
  readonly self: PeerId
  readonly sessions: Sessions
  readonly channels: Channels
  readonly rpc: Rpc
  readonly view = new PlacementView()
  readonly events: StampedEvent[] = []
  /** Clock differences worth telling, by peer: their clock minus ours, ms. */
  readonly skews = new Map<PeerId, number>()
  /** Why links were refused lately, newest last. */
  readonly refusals: { at: number; peer: PeerId; code: string; text: string }[] = []
  readonly counters = new Map<string, number>()
  readonly #ports: PeerPorts
  readonly #hello: HelloState
  readonly #membership: MembershipState
  readonly #gossip: GossipState
  readonly #timers = new Map<string, unknown>()
  readonly #ads = new Map<PeerId, AdView>()
  readonly #summaries = new Map<SessionId, SessionRecord>()
  /** Everyone who ever was a member: what they signed into the ledger stays valid after they left. */
  readonly #authors = new Set<PeerId>()
  readonly #linked = new Set<PeerId>()
  readonly #listeners = new Set<(what: Changed) => void>()
  readonly #life: Actor<typeof peerMachine>
  #boots = 0
  /** The latest that this peer said of itself, by key. */
  readonly #said = new Map<string, Uint8Array>()
  #seq = 0
  #advertisedAt = -Infinity
  #advertised: AdDynamic | undefined
  #own: { static: AdStatic | undefined; dynamic: AdDynamic | undefined } = { static: undefined, dynamic: undefined }
  #started: ((error?: MeshError) => void) | undefined
  #stopped: (() => void) | undefined
  #down = { drain: true, forever: false, farewell: true }

  constructor(ports: PeerPorts, options: PeerOptions) {
    this.#ports = ports
    this.self = ports.network.self
    const { crypto, clock } = ports
    this.#membership = createMembership(
      { peer: this.self, name: options.name, addresses: [], version: options.version },
      crypto
    )
    const isMember = (peer: PeerId): boolean => this.#authors.has(peer) || member(this.#membership, peer) !== undefined
    this.#gossip = createGossip({
      self: this.self,
      crypto,
      isMember,
      mayWrite: (_topic, _key, author) => isMember(author)
    })
    this.#hello = createHello({
      genesis: options.genesis,
      crypto,
      certificate: options.certificate,
      record: () => selfRecord(this.#membership),
      features: [],
      isKnown: (peer) => member(this.#membership, peer) !== undefined
    })
    const ctx = this.#context()
    this.sessions = new Sessions(ctx, options.offer)
    this.channels = new Channels(ctx)
    this.rpc = new Rpc(ctx)
    this.#life = createActor(peerMachine, {
      input: {
        do: {
          load: () => this.#load(),
          greet: () => this.#greet(),
          drain: () => this.#drain(),
          leave: () => this.#leave()
        }
      },
      clock: {
        setTimeout: (fn: () => void, ms: number) => clock.setTimeout(fn, ms),
        clearTimeout: (timer) => clock.clearTimeout(timer)
      }
    })
    this.#life.subscribe((snapshot) => {
      if (snapshot.value === 'left') this.#end()
      this.#changed('status')
    })
  }

  /** Loads what is on disk and enters the mesh. `done` without an error: active. */
  start(done: (error?: MeshError) => void): void {
    this.#started = done
    this.#ports.network.attach(this.#handler())
    this.#life.start()
  }

  /**
   * Ends this peer's part in the mesh. `drain`: sessions move away or are stopped first. `forever`: the membership is given up.
   * Without `farewell` the others see a peer that died (used to keep sessions over a restart).
   */
  stop(how: { drain: boolean; forever: boolean; farewell: boolean }, done: () => void): void {
    this.#down = how
    this.#stopped = done
    this.#life.send({ type: 'peer.down' })
  }

  get phase(): 'starting' | 'active' | 'draining' {
    const value = this.#life.getSnapshot().value
    if (value === 'loading' || value === 'failed') return 'starting'
    return typeof value === 'object' ? 'active' : 'draining'
  }

  get isolated(): boolean {
    const value = this.#life.getSnapshot().value
    return typeof value === 'object' && value.active === 'isolated'
  }

  onChange(listener: (what: Changed) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // ---- members and what they give ----

  members(): Iterable<Member> {
    return members(this.#membership)
  }
  member(peer: PeerId): Member | undefined {
    return member(this.#membership, peer)
  }
  nameOf(peer: PeerId): string {
    return member(this.#membership, peer)?.name ?? peer.slice(-8)
  }
  isLinked(peer: PeerId): boolean {
    return this.#linked.has(peer)
  }
  ad(peer: PeerId): AdView | undefined {
    return this.#ads.get(peer)
  }

  /** What the sensors read. The dynamic part is told to others only when it moved, or as a heartbeat. */
  advertise(part: { static?: AdStatic; dynamic?: AdDynamic }): void {
    if (part.static !== undefined) {
      this.#own.static = part.static
      this.#put(`ad.s/${this.self}`, encodeAdStatic(part.static))
    }
    if (part.dynamic === undefined) return
    this.#own.dynamic = part.dynamic
    const next = this.#withGrants(part.dynamic)
    const now = this.#ports.clock.mono()
    const peers = this.#linked.size + 1
    if (!shouldAdvertise(this.#advertised, next, now - this.#advertisedAt, peers)) return
    this.#advertised = next
    this.#advertisedAt = now
    this.#put(`ad.d/${this.self}`, encodeAdDynamic(next))
  }

  /** A hint where a peer may be dialled, from an invite or from disk. */
  introduce(peer: PeerId, addresses: readonly string[]): void {
    this.#runMembership({ k: 'seen', peer, addresses })
  }

  /** The certificate a linked peer has shown. */
  certificateOf(peer: PeerId): Certificate | undefined {
    return this.#linked.has(peer) ? this.#hello.links.get(peer)?.verified?.certificate : undefined
  }

  /** Own addresses or name changed. */
  renamed(change: { addresses?: readonly string[]; name?: string }): void {
    this.#runMembership({ k: 'self', ...change })
  }

  /** The event loop was late by so much: this peer's verdicts about others are worth less for a moment. */
  lagged(ms: number): void {
    this.#runMembership({ k: 'lag', ms })
  }

  // ---- what everyone knows ----

  /** Newest known version of every session of the mesh, as summary. */
  summaries(): Iterable<SessionRecord> {
    return this.#summaries.values()
  }
  summary(id: SessionId): SessionRecord | undefined {
    return this.#summaries.get(id)
  }

  /** The whole record, from here or from a keeper. */
  record(id: SessionId, done: (record: SessionRecord | undefined) => void): void {
    const summary = this.#summaries.get(id)
    const peers = summary === undefined ? [] : [summary.owner, ...summary.keepers]
    const local = this.sessions.records.all.get(id)
    if (local !== undefined && (summary === undefined || compareVersion(local, summary) >= 0)) return done(local)
    this.sessions.records.newest(id, peers, (newest) => done(newest ?? summary))
  }

  ledger(key: string): Uint8Array | undefined {
    const body = entry(this.#gossip, `ledger/${key}`)?.body
    return body === undefined || body.length === 0 ? undefined : body
  }
  ledgerList(prefix: string): [string, Uint8Array][] {
    return entries(this.#gossip, 'ledger/')
      .filter((found) => found.key.startsWith(`ledger/${prefix}`) && found.body.length > 0)
      .map((found) => [found.key.slice('ledger/'.length), found.body])
  }
  /** Newest by the writers' clocks wins. `done` when it is on disk here. An empty value removes the key. */
  ledgerPut(key: string, value: Uint8Array, done: (error?: MeshError) => void): void {
    const full = `ledger/${key}`
    const known = entry(this.#gossip, full)
    const epoch = Math.max(this.#ports.clock.wall(), (known?.epoch ?? 0) + 1)
    this.#runGossip({ k: 'put', key: full, epoch, seq: 0, body: value })
    const bytes = entry(this.#gossip, full)?.bytes
    if (bytes === undefined) return done(new MeshError('BUSY', 'the ledger is full; remove old entries first'))
    this.#ports.store.write([{ put: `g/${full}`, value: bytes }], { sync: true }, done)
  }

  doors(): [PeerId, unknown][] {
    return entries(this.#gossip, 'door/').flatMap((found): [PeerId, unknown][] => {
      if (found.body.length === 0) return []
      try {
        const door = decodeCbor(found.body)
        return typeof door === 'object' && door !== null ? [[found.author, door]] : []
      } catch {
        return []
      }
    })
  }
  /** What this peer's own open door looks like to all; undefined: closed. */
  putDoor(door: Record<string, unknown> | undefined): void {
    this.#put(`door/${this.self}`, door === undefined ? new Uint8Array() : encodeCbor(door))
  }

  addEvent(event: PeerEvent): void {
    const seq = (this.events.at(-1)?.seq ?? 0) + 1
    this.events.push({ ...event, seq, at: this.#ports.clock.wall() })
    if (this.events.length > EVENTS_MAX) this.events.shift()
    this.#changed('events')
  }

  // ---- life ----

  #load(): void {
    const { store, log } = this.#ports
    const failed = (error: MeshError): void => {
      log.error('data could not be read', { cause: error.message })
      this.#started?.(error)
      this.#life.send({ type: 'disk.failed' })
    }
    store.load('m/', (memberError, memberPairs) => {
      if (memberError !== undefined) return failed(memberError)
      store.load('a/', (authorError, authorPairs) => {
        if (authorError !== undefined) return failed(authorError)
        for (const [key] of authorPairs) this.#authors.add(key.slice(2))
        store.load('g/', (gossipError, gossipPairs) => {
          if (gossipError !== undefined) return failed(gossipError)
          this.#runMembership({ k: 'self', addresses: this.#ports.network.addresses() })
          this.#runMembership({ k: 'load', members: memberPairs.map(([, bytes]) => bytes) })
          this.#countBoot((bootError) => {
            if (bootError !== undefined) return failed(bootError)
            this.#runGossip({ k: 'load', entries: gossipPairs.map(([, bytes]) => bytes) })
            this.#life.send({ type: 'disk.loaded' })
          })
        })
      })
    })
  }

  /** The count of boots was lost with a disk: the others hold a version of an earlier life, and would for ever. */
  #outlive(epoch: number): void {
    this.#boots = epoch + 1
    this.#ports.store.write([{ put: 'boots', value: encodeCbor(this.#boots) }], { sync: true }, (error) =>
      this.#diskTold(error)
    )
    for (const [key, body] of [...this.#said]) this.#put(key, body)
  }

  /** Versions of what this peer says of itself start above those of its earlier lives. */
  #countBoot(done: (error?: MeshError) => void): void {
    const { store } = this.#ports
    store.load('boots', (error, pairs) => {
      if (error !== undefined) return done(error)
      const before = pairs[0] === undefined ? 0 : Number(decodeCbor(pairs[0][1]))
      this.#boots = (Number.isSafeInteger(before) ? before : 0) + 1
      store.write([{ put: 'boots', value: encodeCbor(this.#boots) }], { sync: true }, done)
    })
  }

  #greet(): void {
    this.#runMembership({ k: 'start' })
    this.#runGossip({ k: 'start' })
    this.sessions.start((error) => {
      if (error === undefined) this.#ports.host.attach(this.sessions.runs)
      this.#started?.(error)
      this.#started = undefined
    })
  }

  #drain(): void {
    if (!this.#down.drain) return this.#life.send({ type: 'sessions.drained' })
    this.sessions.drain(() => this.#life.send({ type: 'sessions.drained' }))
  }

  #leave(): void {
    if (this.#down.farewell) this.#runMembership({ k: 'leave', forever: this.#down.forever })
    // The farewell needs a moment on the wire; `farewell` in the machine ends the wait.
    if (!this.#down.farewell || this.#linked.size === 0) this.#life.send({ type: 'farewell.sent' })
  }

  #end(): void {
    for (const timer of this.#timers.values()) this.#ports.clock.clearTimeout(timer)
    this.#timers.clear()
    this.#ports.network.stop(() => this.#stopped?.())
  }

  /** Grants, pause or drain changed: others should know before the next reading. */
  advertiseNow(): void {
    if (this.#own.dynamic === undefined) return
    const next = this.#withGrants(this.#own.dynamic)
    this.#advertised = next
    this.#advertisedAt = this.#ports.clock.mono()
    this.#put(`ad.d/${this.self}`, encodeAdDynamic(next))
  }

  #withGrants(dynamic: AdDynamic): AdDynamic {
    const { admission } = this.sessions
    const running = this.sessions.running()
    const users = [...new Set(running.map((record) => `${record.spec.user} from ${this.nameOf(record.submitter)}`))]
    const usedBy = users.join(', ').slice(0, 120)
    return {
      ...dynamic,
      granted: this.sessions.granted(),
      paused: admission.paused,
      draining: admission.draining,
      sessions: running.length,
      ...(usedBy === '' ? {} : { usedBy })
    }
  }

  // ---- frames and effects ----

  #handler(): NetworkHandler {
    return {
      gate: (peer) => (member(this.#membership, peer) === undefined ? 'probation' : 'member'),
      up: (peer) => this.#runHello({ k: 'link', peer, up: true }),
      down: (peer, why) => this.#linkDown(peer, why),
      dialFailed: (peer, why, detail) => this.#runMembership({ k: 'dialFailed', peer, why, detail }),
      frame: (peer, plane, bytes) => this.#frame(peer, plane, bytes),
      drain: (peer, plane) => {
        if (plane === 'chan') this.channels.drain(peer)
      },
      seen: (peer, addresses) => this.#runMembership({ k: 'seen', peer, addresses })
    }
  }

  #frame(from: PeerId, plane: Plane, bytes: Uint8Array): void {
    if (plane === 'hello') return this.#helloFrame(from, bytes)
    if (!isVerified(this.#hello, from)) return this.#count('frame_before_hello')
    // Planes overtake each other: who speaks on another plane has admitted us, so its welcome is only late. Without this the
    // answer to such a frame would be dropped.
    if (!isAdmitted(this.#hello, from)) this.#runHello({ k: 'msg', from, msg: { t: 'welcome' } })
    try {
      this.#dispatch(from, plane, bytes)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#count(`bad_${plane}`)
      this.#ports.log.debug('frame refused', { from, plane, cause: error.message })
    }
  }

  #dispatch(from: PeerId, plane: Exclude<Plane, 'hello'>, bytes: Uint8Array): void {
    this.#runMembership({ k: 'heard', peer: from })
    switch (plane) {
      case 'mem':
        return this.#runMembership({ k: 'msg', from, msg: decodeAs(MemFrame, bytes, 'mem frame') })
      case 'gossip':
        return this.#runGossip({ k: 'msg', from, msg: decodeAs(GossipFrame, bytes, 'gossip frame') })
      case 'sched':
        return this.sessions.sched(from, decodeAs(SchedFrame, bytes, 'sched frame'))
      case 'reg':
        return this.sessions.records.frame(from, decodeAs(RegFrame, bytes, 'reg frame'))
      case 'ctl':
        return this.rpc.frame(from, decodeAs(CtlFrame, bytes, 'ctl frame'))
      case 'chan':
        return this.channels.frame(from, decodeAs(ChannelFrame, bytes, 'chan frame'))
    }
  }

  #helloFrame(from: PeerId, bytes: Uint8Array): void {
    try {
      this.#runHello({ k: 'msg', from, msg: decodeHello(bytes) })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#runHello({ k: 'garbage', from, error })
    }
  }

  #linkDown(peer: PeerId, why: DownReason): void {
    this.#runHello({ k: 'link', peer, up: false, why })
    if (!this.#linked.delete(peer)) return
    this.#runMembership({ k: 'link', peer, up: false, why })
    this.#runGossip({ k: 'link', peer, up: false, why })
    this.rpc.linkDown(peer)
    this.channels.linkDown(peer)
    this.sessions.linkDown(peer)
    this.#changed('nodes')
  }

  #runHello(event: HelloEvent): void {
    for (const effect of stepHello(this.#hello, event, this.#env())) this.#helloEffect(effect)
  }

  #helloEffect(effect: HelloEffect): void {
    switch (effect.e) {
      case 'verified':
        return
      case 'refused': {
        this.refusals.push({ at: this.#ports.clock.wall(), peer: effect.peer, code: effect.code, text: effect.text })
        if (this.refusals.length > 50) this.refusals.shift()
        this.#ports.log.warn('link refused', { peer: effect.peer, by: effect.by, code: effect.code, text: effect.text })
        return this.#changed('status')
      }
      case 'admitted': {
        const { peer } = effect
        this.#linked.add(peer)
        this.#authors.add(peer)
        this.#ports.store.write([{ put: `a/${peer}`, value: new Uint8Array() }], { sync: false }, () => {})
        this.#noteSkew(peer, effect.skewMs)
        this.#runMembership({ k: 'hello', from: peer, record: effect.record })
        this.#runMembership({ k: 'link', peer, up: true })
        this.#runGossip({ k: 'link', peer, up: true })
        this.channels.linkUp(peer)
        this.sessions.linkUp(peer)
        return this.#changed('nodes')
      }
      default:
        return this.#effect('hello', effect)
    }
  }

  #runMembership(event: MembershipEvent): void {
    for (const effect of stepMembership(this.#membership, event, this.#env())) this.#membershipEffect(effect)
  }

  #membershipEffect(effect: MembershipEffect): void {
    switch (effect.e) {
      case 'member':
        return this.#memberChanged(effect.peer, effect.was, effect.now)
      case 'keep':
        return this.#ports.store.write(
          [{ put: `m/${effect.peer}`, value: effect.bytes }],
          { sync: effect.peer === this.self },
          (error) => this.#diskTold(error)
        )
      case 'unkeep':
        return this.#ports.store.write([{ del: `m/${effect.peer}` }], { sync: false }, (error) => this.#diskTold(error))
      case 'isolated':
        return this.#life.send({ type: effect.is ? 'mesh.isolated' : 'mesh.answers' })
      default:
        return this.#effect('mem', effect)
    }
  }

  #memberChanged(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void {
    if (now === 'forgotten') {
      this.view.remove(peer)
      this.#ads.delete(peer)
    } else {
      this.#viewRow(peer)
    }
    if (peer !== this.self && was !== now) this.#memberEvent(peer, was, now)
    if (now === 'alive' && was !== 'alive') this.sessions.viewChanged()
    if (was !== now) this.sessions.membersChanged()
    this.#changed('nodes')
  }

  #memberEvent(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void {
    const name = this.nameOf(peer)
    const event = (text: string, level: 'info' | 'warn' = 'info'): void =>
      this.addEvent({ kind: 'node', level, text, subject: peer })
    if (now === 'alive' && was === undefined) event(`${name} is a member`)
    else if (now === 'alive' && (was === 'dead' || was === 'left')) event(`${name} is back`)
    else if (now === 'dead') event(`${name} cannot be reached: ${member(this.#membership, peer)?.reason ?? ''}`, 'warn')
    else if (now === 'left') event(`${name} shut down`)
  }

  #runGossip(event: GossipEvent): void {
    for (const effect of stepGossip(this.#gossip, event, this.#env())) this.#gossipEffect(effect)
  }

  #gossipEffect(effect: GossipEffect): void {
    switch (effect.e) {
      case 'entry':
        return this.#entry(effect.entry)
      case 'expired':
        return this.#expired(effect.entry)
      case 'keep':
        return this.#ports.store.write([{ put: `g/${effect.key}`, value: effect.bytes }], { sync: false }, (error) =>
          this.#diskTold(error)
        )
      case 'unkeep':
        return this.#ports.store.write([{ del: `g/${effect.key}` }], { sync: false }, (error) => this.#diskTold(error))
      default:
        return this.#effect('gossip', effect)
    }
  }

  #entry(found: Entry): void {
    const slash = found.key.indexOf('/')
    const topic = found.key.slice(0, slash)
    const key = found.key.slice(slash + 1)
    if (
      this.#said.has(found.key) &&
      (found.epoch > this.#boots || (found.epoch === this.#boots && found.seq > this.#seq))
    )
      return this.#outlive(found.epoch)
    try {
      switch (topic) {
        case 'ad.s':
          this.#adOf(key).static = decodeAdStatic(found.body)
          return this.#adChanged(key)
        case 'ad.d': {
          const ad = this.#adOf(key)
          ad.dynamic = decodeAdDynamic(found.body)
          ad.at = found.at
          return this.#adChanged(key)
        }
        case 'sess':
          return this.#summaryCame(decodeAs(RecordWire, found.body, 'session summary'))
        case 'door':
          return this.#changed('doors')
        case 'ledger':
          return this.#changed('ledger')
      }
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#count(`bad_entry_${topic}`)
    }
  }

  #expired(found: Entry): void {
    if (found.key.startsWith('ad.d/')) {
      const ad = this.#ads.get(found.key.slice(5))
      if (ad !== undefined) ad.dynamic = undefined
    }
    this.#changed(found.key.startsWith('door/') ? 'doors' : 'nodes')
  }

  #summaryCame(record: SessionRecord): void {
    const known = this.#summaries.get(record.id)
    if (known !== undefined && compareVersion(known, record) > 0) return
    this.#summaries.set(record.id, record)
    this.#forgetOldSummaries()
    if (known?.state !== record.state) this.#sessionEvent(record)
    this.#changed('sessions')
  }

  #sessionEvent(record: SessionRecord): void {
    const command = [record.spec.appUri.replace(/^(exec|shell):(\/\/)?/, ''), ...record.spec.args]
      .join(' ')
      .slice(0, 60)
    const where = record.runner === undefined ? '' : ` on ${this.nameOf(record.runner)}`
    const say = (text: string, level: 'info' | 'warn' = 'info'): void =>
      this.addEvent({ kind: 'session', level, text, subject: record.id })
    if (record.state === 'running') say(`${command} started${where}`)
    else if (record.state === 'finished')
      say(`${command} ended${where}: ${record.reason ?? ''}`, record.exit?.code === 0 ? 'info' : 'warn')
    else if (record.state === 'failed') say(`${command} failed${where}: ${record.reason ?? ''}`, 'warn')
    else if (record.state === 'stopped') say(`${command} was stopped${where}: ${record.reason ?? ''}`)
  }

  /** Finished sessions beyond what the topic holds leave the list, oldest first. */
  #forgetOldSummaries(): void {
    if (this.#summaries.size < 1_900) return
    const ended = [...this.#summaries.values()]
      .filter((record) => record.endedAt !== undefined)
      .sort((a, b) => a.endedAt! - b.endedAt!)
    for (const record of ended.slice(0, 200)) {
      this.#summaries.delete(record.id)
      this.#runGossip({ k: 'forget', key: `sess/${record.id}` })
    }
  }

  #adOf(peer: PeerId): AdView {
    let ad = this.#ads.get(peer)
    if (ad === undefined) this.#ads.set(peer, (ad = { static: undefined, dynamic: undefined, at: -Infinity }))
    return ad
  }

  #adChanged(peer: PeerId): void {
    this.#viewRow(peer)
    this.sessions.viewChanged()
    this.#changed('nodes')
  }

  /** One row of the placement view from membership and the peer's ad. */
  #viewRow(peer: PeerId): void {
    const known = member(this.#membership, peer)
    const ad = this.#ads.get(peer)
    if (known === undefined || ad?.static === undefined) return
    const { dynamic } = ad
    this.view.put({
      peer,
      name: known.name,
      alive: peer === this.self || known.state === 'alive',
      paused: dynamic?.paused ?? false,
      draining: dynamic?.draining ?? false,
      offerCpuMilli: ad.static.offer.cpuMilli,
      offerMemoryBytes: ad.static.offer.memoryBytes,
      grantedCpuMilli: dynamic?.granted.cpuMilli ?? 0,
      grantedMemoryBytes: dynamic?.granted.memoryBytes ?? 0,
      busy: dynamic?.cpu ?? Number.NaN,
      at: ad.at,
      labels: ad.static.labels
    })
  }

  #effect(kernel: string, effect: KernelEffect): void {
    switch (effect.e) {
      case 'send':
        this.#send(effect.to, effect.plane, effect.msg)
        return
      case 'timer':
        return this.#arm(kernel, effect.tag, effect.inMs)
      case 'clear': {
        const key = `${kernel}/${effect.tag}`
        this.#ports.clock.clearTimeout(this.#timers.get(key))
        this.#timers.delete(key)
        return
      }
      case 'dial':
        return this.#ports.network.dial(effect.peer, effect.addresses)
      case 'close':
        return this.#ports.network.close(effect.peer, effect.why)
      case 'count':
        return this.#count(effect.name, effect.by)
    }
  }

  #arm(kernel: string, tag: string, inMs: number): void {
    const key = `${kernel}/${tag}`
    this.#ports.clock.clearTimeout(this.#timers.get(key))
    const fire = (): void => {
      this.#timers.delete(key)
      if (kernel === 'hello') this.#runHello({ k: 'timer', tag })
      else if (kernel === 'mem') this.#runMembership({ k: 'timer', tag })
      else this.#runGossip({ k: 'timer', tag })
    }
    this.#timers.set(key, this.#ports.clock.setTimeout(fire, inMs))
  }

  #send(to: PeerId, plane: Plane, message: Message): boolean {
    if (plane !== 'hello' && !isAdmitted(this.#hello, to)) return false
    return this.#ports.network.send(to, plane, encodeFrame(message))
  }

  #put(key: string, body: Uint8Array): void {
    this.#said.set(key, body)
    if (this.#boots === 0) return
    this.#runGossip({ k: 'put', key, epoch: this.#boots, seq: ++this.#seq, body })
  }

  #publish(summary: SessionRecord): void {
    const key = `sess/${summary.id}`
    const known = entry(this.#gossip, key)
    const newer =
      known === undefined || known.epoch < summary.epoch || (known.epoch === summary.epoch && known.seq < summary.seq)
    if (newer) this.#runGossip({ k: 'put', key, epoch: summary.epoch, seq: summary.seq, body: encodeCbor(summary) })
  }

  #context(): PeerContext {
    return {
      ports: this.#ports,
      self: this.self,
      view: this.view,
      send: (to, plane, message) => this.#send(to, plane, message),
      reachable: (peer) => this.#linked.has(peer),
      isAlive: (peer) => peer === this.self || member(this.#membership, peer)?.state === 'alive',
      goneMs: (peer) => this.#goneMs(peer),
      alivePeers: () =>
        [...members(this.#membership)].filter((m) => m.peer === this.self || m.state === 'alive').map((m) => m.peer),
      nameOf: (peer) => this.nameOf(peer),
      publish: (summary) => this.#publish(summary),
      event: (event) => this.addEvent(event),
      changed: (what) => {
        if (what === 'nodes') this.advertiseNow()
        this.#changed(what)
      }
    }
  }

  #goneMs(peer: PeerId): number | undefined {
    const known = member(this.#membership, peer)
    if (peer === this.self || known === undefined) return undefined
    if (known.state !== 'dead' && known.state !== 'left') return undefined
    // Seconds lie between two words of one member, so its last word says little about when it went: what counts is when
    // somebody first missed it, or since when this peer has listened at all. It was gone by then, and all heard of it together.
    const missedAt = known.state === 'dead' && known.suspectedAt > 0 ? known.suspectedAt : known.since
    return this.#ports.clock.mono() - Math.max(missedAt, known.heardAt)
  }

  #noteSkew(peer: PeerId, skewMs: number): void {
    if (Math.abs(skewMs) < SKEW_NOTICE_MS) this.skews.delete(peer)
    else this.skews.set(peer, skewMs)
  }

  #diskTold(error: MeshError | undefined): void {
    if (error === undefined) return
    this.#count('store_failed')
    this.#ports.log.error('disk refused a write', { cause: error.message })
    this.#changed('status')
  }

  #count(name: string, by = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by)
  }

  #changed(what: Changed): void {
    for (const listener of this.#listeners) listener(what)
  }

  #env(): Env {
    const { clock, random } = this.#ports
    return { self: this.self, now: clock.mono(), wall: clock.wall(), random }
  }
}
