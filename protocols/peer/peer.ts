/**
 * One peer of a mesh: its parts put together, hosted by two shells, node/ and sim/. Frames come in, are checked once against
 * the plane's schema, and go to one part each.
 */
import { createActor } from 'xstate'
import type { Actor } from 'xstate'
import { z } from 'zod'
import { ChannelFrame } from '../channel/index.ts'
import { decodeAs, readOnce } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { GossipFrame } from '../gossip/index.ts'
import type { AdDynamic, AdStatic, Entry } from '../gossip/index.ts'
import type { Certificate } from '../joining/index.ts'
import { MemFrame } from '../membership/index.ts'
import type { Member } from '../membership/index.ts'
import { SchedFrame } from '../placement/index.ts'
import type { Offer, PlacementView } from '../placement/index.ts'
import type { DownReason, NetworkHandler, PeerId, Plane, SessionId } from '../ports.ts'
import { boundFrame, isRegisterFrame, RegisterFrame } from '../register/index.ts'
import { compareVersion, decodeTie, encodeTie, RecordWire, RegFrame, taskSession, TIE_KEY } from '../session/index.ts'
import type { SessionRecord, Tie } from '../session/index.ts'
import { Board } from './board.ts'
import { Channels } from './channels.ts'
import type { PeerContext, PeerEvent, PeerPorts } from './context.ts'
import { Effects } from './effects.ts'
import { Journal } from './journal.ts'
import type { Changed, StampedEvent } from './journal.ts'
import { Links } from './links.ts'
import type { LinkOptions } from './links.ts'
import { peerMachine } from './peer.machine.ts'
import { Readings } from './readings.ts'
import type { AdView } from './readings.ts'
import { Rights } from './rights.ts'
import type { Right } from './rights.ts'
import { CtlFrame, Rpc } from './rpc.ts'
import { Sessions } from './sessions.ts'
import { Summaries } from './summaries.ts'

/** Records and the registers of strict sessions share a plane. */
const RegPlane = z.discriminatedUnion('t', [RegFrame, RegisterFrame])

const FRAMES = {
  mem: MemFrame,
  gossip: GossipFrame,
  sched: SchedFrame,
  reg: RegPlane,
  ctl: CtlFrame,
  chan: ChannelFrame
} as const
type Checked<P extends keyof typeof FRAMES> = z.infer<(typeof FRAMES)[P]>

export interface PeerOptions extends LinkOptions {
  offer: Offer
}

export class Peer {
  readonly self: PeerId
  readonly sessions: Sessions
  readonly channels: Channels
  readonly rpc: Rpc
  readonly #ports: PeerPorts
  readonly #journal: Journal
  readonly #effects: Effects
  readonly #links: Links
  readonly #board: Board
  readonly #summaries: Summaries
  readonly #readings: Readings
  readonly #rights: Rights
  readonly #life: Actor<typeof peerMachine>
  #started: ((error?: MeshError) => void) | undefined
  #stopped: (() => void) | undefined
  readonly #formed: PeerOptions['formed']
  #down = { drain: true, forever: false, farewell: true }

  constructor(ports: PeerPorts, options: PeerOptions) {
    this.#ports = ports
    this.#formed = options.formed
    this.self = ports.network.self
    const journal = (this.#journal = new Journal(ports))
    const effects = (this.#effects = new Effects(ports, journal))
    const links = (this.#links = new Links(ports, effects, journal, options, {
      linkUp: (peer) => this.#linkUp(peer),
      linkDown: (peer, why) => this.#linkDown(peer, why),
      unreached: (peer) => this.#unreached(peer),
      isBusy: (peer) => this.channels.has(peer),
      member: (peer, was, now) => this.#memberChanged(peer, was, now),
      isolated: (is) => this.#life.send({ type: is ? 'mesh.isolated' : 'mesh.answers' })
    }))
    const board = (this.#board = new Board(ports, effects, journal, links, {
      entry: (found) => this.#entry(found),
      expired: (found) => this.#expired(found)
    }))
    this.#summaries = new Summaries(
      journal,
      (peer) => this.nameOf(peer),
      (id) => board.forget(id),
      ports.crypto
    )
    const ctx = this.#context()
    const sessions = (this.sessions = new Sessions(ctx, options.offer))
    this.channels = new Channels(ctx)
    this.rpc = new Rpc(ctx)
    this.#rights = new Rights(ctx, sessions.strict.registers, this.rpc)
    const { clock, random } = ports
    this.#readings = new Readings({ self: this.self, clock, random, board, links, sessions })
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
      journal.changed('status')
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

  /** What a submitter knows of every peer. */
  get view(): PlacementView {
    return this.#readings.view
  }

  get isolated(): boolean {
    const value = this.#life.getSnapshot().value
    return typeof value === 'object' && value.active === 'isolated'
  }

  // ---- what the shell is told ----

  onChange(listener: (what: Changed) => void): () => void {
    return this.#journal.onChange(listener)
  }
  get events(): readonly StampedEvent[] {
    return this.#journal.events
  }
  addEvent(event: PeerEvent): void {
    this.#journal.event(event)
  }
  get counters(): ReadonlyMap<string, number> {
    return this.#journal.counters
  }
  /** Clock differences worth telling, by peer: their clock minus ours, ms. */
  get skews(): ReadonlyMap<PeerId, number> {
    return this.#links.skews
  }
  /** Why links were refused lately, newest last. */
  get refusals(): Links['refusals'] {
    return this.#links.refusals
  }

  // ---- members and what they give ----

  members(): Iterable<Member> {
    return this.#links.members()
  }
  member(peer: PeerId): Member | undefined {
    return this.#links.member(peer)
  }
  nameOf(peer: PeerId): string {
    return this.#links.nameOf(peer)
  }
  isLinked(peer: PeerId): boolean {
    return this.#links.has(peer)
  }
  /** Linked, or so many members that links are made when they are needed. */
  isReachable(peer: PeerId): boolean {
    return this.#links.reaches(peer)
  }
  ad(peer: PeerId): AdView | undefined {
    return this.#readings.of(peer)
  }
  /** What the sensors read. The dynamic part is told to others only when it moved, or as a heartbeat. */
  advertise(part: { static?: AdStatic; dynamic?: AdDynamic }): void {
    this.#readings.advertise(part)
  }
  /** A hint where a peer may be dialled, from an invite or from disk. */
  introduce(peer: PeerId, addresses: readonly string[]): void {
    this.#links.introduce(peer, addresses)
  }
  /** The certificate a linked peer has shown. */
  certificateOf(peer: PeerId): Certificate | undefined {
    return this.#links.certificateOf(peer)
  }
  /** Own addresses or name changed. */
  renamed(change: { addresses?: readonly string[]; name?: string }): void {
    this.#links.renamed(change)
  }
  /** The event loop was late by so much: this peer's verdicts about others are worth less for a moment. */
  lagged(ms: number): void {
    this.#links.lagged(ms)
  }

  // ---- what everyone knows ----

  /** Newest known version of every session of the mesh, as summary. */
  summaries(): Iterable<SessionRecord> {
    return this.#summaries.all.values()
  }
  summary(id: SessionId): SessionRecord | undefined {
    return this.#summaries.all.get(id)
  }

  /** The whole record, from here or from a keeper. */
  record(id: SessionId, done: (record: SessionRecord | undefined) => void): void {
    const summary = this.#summaries.all.get(id)
    const peers = summary === undefined ? [] : [summary.owner, ...summary.keepers]
    const local = this.sessions.records.all.get(id)
    if (local !== undefined && (summary === undefined || compareVersion(local, summary) >= 0)) return done(local)
    this.sessions.records.newest(id, peers, (newest) => done(newest ?? summary))
  }

  /** Under which name a task of an array runs, on whichever PC. */
  taskSession(array: SessionId, task: number): SessionId {
    return taskSession(array, task, this.#ports.crypto)
  }

  /** Who has the right to run a strict session, and until when; undefined when nobody who knows can be asked. */
  right(record: SessionRecord, done: (right: Right | undefined) => void): void {
    this.#rights.of(record, done)
  }

  /** PCs that keep an older run of the session frozen. */
  forksOf(id: SessionId): PeerId[] {
    return this.#readings.forksOf(id)
  }

  ledger(key: string): Uint8Array | undefined {
    return this.#board.ledger(key)
  }
  ledgerList(prefix: string): [string, Uint8Array][] {
    return this.#board.ledgerList(prefix)
  }
  /** Newest by the writers' clocks wins. `done` when it is on disk here. An empty value removes the key. */
  ledgerPut(key: string, value: Uint8Array, done: (error?: MeshError) => void): void {
    this.#board.ledgerPut(key, value, done)
  }
  /** Who decides about strict sessions while the mesh has only two PCs to keep them. */
  get tie(): Tie {
    const bytes = this.#board.ledger(TIE_KEY)
    return bytes === undefined ? decodeTie(bytes) : readOnce(bytes, () => decodeTie(bytes))
  }
  /** For the whole mesh: sessions that exist follow while both PCs are up. `done` when it is on disk here. */
  setTie(tie: Tie, done: (error?: MeshError) => void): void {
    this.#board.ledgerPut(TIE_KEY, encodeTie(tie), done)
  }
  doors(): [PeerId, unknown][] {
    return this.#board.doors()
  }
  /** What this peer's own open door looks like to all; undefined: closed. */
  putDoor(door: Record<string, unknown> | undefined): void {
    this.#board.putDoor(door)
  }

  // ---- life ----

  #load(): void {
    const failed = (error: MeshError): void => {
      this.#ports.log.error('data could not be read', { cause: error.message })
      this.#started?.(error)
      this.#life.send({ type: 'disk.failed' })
    }
    this.#links.load((error) => {
      if (error !== undefined) return failed(error)
      this.#board.load(this.#formed?.entries ?? [], (boardError) => {
        if (boardError !== undefined) return failed(boardError)
        this.#life.send({ type: 'disk.loaded' })
      })
    })
  }

  #greet(): void {
    this.#links.start()
    this.#board.start()
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
    this.#board.tellSessions()
    if (this.#down.farewell) this.#links.leave(this.#down.forever)
    // The farewell needs a moment on the wire; `farewell` in the machine ends the wait.
    if (!this.#down.farewell || this.#links.size === 0) this.#life.send({ type: 'farewell.sent' })
  }

  #end(): void {
    this.#effects.end()
    this.sessions.strict.end()
    this.#ports.network.stop(() => this.#stopped?.())
  }

  // ---- what happens to it ----

  #handler(): NetworkHandler {
    return {
      gate: (peer) => (this.#links.isKnown(peer) ? 'member' : 'probation'),
      up: (peer, { address }) => this.#links.up(peer, address),
      down: (peer, why) => this.#links.down(peer, why),
      dialFailed: (peer, why, detail) => this.#links.dialFailed(peer, why, detail),
      frame: (peer, plane, bytes) => this.#frame(peer, plane, bytes),
      message: (peer, plane, message) => {
        if (plane !== 'hello' && this.#listens(peer, plane)) this.#dispatch(peer, plane, message)
      },
      drain: (peer, plane) => {
        if (plane === 'chan') this.channels.drain(peer)
      },
      seen: (peer, addresses) => this.#links.introduce(peer, addresses)
    }
  }

  #frame(from: PeerId, plane: Plane, bytes: Uint8Array): void {
    if (plane === 'hello') return this.#links.helloFrame(from, bytes)
    if (!this.#listens(from, plane)) return
    try {
      const message = decodeAs<unknown>(FRAMES[plane], bytes, `${plane} frame`)
      if (plane === 'reg') boundFrame(message as Checked<'reg'>, bytes.length)
      this.#dispatch(from, plane, message)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#journal.count(`bad_${plane}`)
      this.#ports.log.debug('frame refused', { from, plane, cause: error.message })
    }
  }

  #listens(from: PeerId, plane: Plane): boolean {
    if (!this.#links.mayBeHeard(from)) {
      this.#journal.count('frame_before_hello')
      return false
    }
    // membership sees its own messages itself
    if (plane !== 'mem') this.#links.heard(from)
    if (plane !== 'mem' && plane !== 'gossip') this.#links.want(from)
    return true
  }

  /** The message has been checked against FRAMES. */
  #dispatch(from: PeerId, plane: Exclude<Plane, 'hello'>, message: unknown): void {
    switch (plane) {
      case 'mem':
        return this.#links.message(from, message as Checked<'mem'>)
      case 'gossip':
        return this.#board.message(from, message as Checked<'gossip'>)
      case 'sched':
        return this.sessions.sched(from, message as Checked<'sched'>)
      case 'reg':
        return this.#reg(from, message as Checked<'reg'>)
      case 'ctl':
        return this.rpc.frame(from, message as Checked<'ctl'>)
      case 'chan':
        return this.channels.frame(from, message as Checked<'chan'>)
    }
  }

  #reg(from: PeerId, frame: RegFrame | RegisterFrame): void {
    if (isRegisterFrame(frame)) this.sessions.strict.registers.frame(from, frame)
    else this.sessions.records.frame(from, frame)
  }

  #linkUp(peer: PeerId): void {
    this.#board.linkUp(peer)
    this.channels.linkUp(peer)
    this.sessions.linkUp(peer)
    this.#journal.changed('nodes')
  }

  #linkDown(peer: PeerId, why: DownReason): void {
    this.#board.linkDown(peer, why)
    this.#unreached(peer)
    this.channels.linkDown(peer)
    this.#journal.changed('nodes')
  }

  #unreached(peer: PeerId): void {
    this.rpc.linkDown(peer)
    this.sessions.linkDown(peer)
  }

  #memberChanged(peer: PeerId, was: Member['state'] | undefined, now: Member['state'] | 'forgotten'): void {
    if (now === 'forgotten') {
      this.#readings.forget(peer)
    } else {
      this.#readings.memberChanged(peer)
    }
    // In a large mesh nobody else would make the link over which the records are compared.
    if (now === 'alive' && !this.#links.has(peer) && this.sessions.records.concern(peer)) this.#links.want(peer)
    if (now === 'alive' && was !== 'alive') this.sessions.viewChanged()
    if (was !== now) this.sessions.membersChanged()
    this.#journal.changed('nodes')
  }

  #entry(found: Entry): void {
    switch (found.topic) {
      case 'ad.s':
      case 'ad.d':
        this.#readings.came(found.topic, found)
        this.sessions.viewChanged()
        return this.#journal.changed('nodes')
      case 'sess':
        this.#summaries.came(readOnce(found.body, (body) => decodeAs(RecordWire, body, 'session summary')))
        return this.sessions.summaryCame(found.key.slice('sess/'.length))
      case 'door':
        return this.#journal.changed('doors')
      case 'ledger':
        return this.#journal.changed('ledger')
    }
  }

  #expired({ topic, author }: Entry): void {
    if (topic === 'ad.d') this.#readings.expired(author)
    this.#journal.changed(topic === 'door' ? 'doors' : 'nodes')
  }

  #context(): PeerContext {
    const readings = (): Readings => this.#readings
    return {
      ports: this.#ports,
      self: this.self,
      get view() {
        return readings().view
      },
      send: (to, plane, message) => this.#effects.send(to, plane, message),
      reachable: (peer) => this.#links.reaches(peer),
      link: (peer) => this.#links.want(peer),
      isAlive: (peer) => this.#links.isAlive(peer),
      goneMs: (peer) => this.#links.goneMs(peer),
      alivePeers: () => this.#links.alive(),
      nameOf: (peer) => this.nameOf(peer),
      summary: (id) => this.summary(id),
      forksOf: (id) => this.#readings.forksOf(id),
      tie: () => this.tie,
      publish: (summary) => {
        this.#summaries.came(summary)
        this.#board.publish(summary)
      },
      event: (event) => this.addEvent(event),
      count: (name) => this.#journal.count(name),
      changed: (what) => {
        if (what === 'nodes') this.#readings.advertiseNow()
        this.#journal.changed(what)
      }
    }
  }
}
