/**
 * A simulated mesh as the doors of a peer see it: what one of its PCs knows, and the orders a person gives there. What a
 * simulation has not (files, terminals, newcomers) is refused in words.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { AdStatic } from '../../protocols/gossip/index.ts'
import type { AdView, Peer, Right } from '../../protocols/peer/index.ts'
import type { PeerId } from '../../protocols/ports.ts'
import type { SessionRecord, SpecInput, Tie } from '../../protocols/session/index.ts'
import type { Attachment, Change, Created, DisplayLine, Ledger, PeerApi, Principal } from '../../node/http/api.ts'
import type { Simulation } from '../../node/http/simulation-routes.ts'
import type {
  AppsView,
  EventView,
  NodeDetail,
  NodeView,
  NoticeView,
  SessionView,
  StatusView,
  TieView
} from '../../node/http/views.ts'
import { specOf } from '../../node/session-spec.ts'
import { leaseView, nodeView, sessionView } from '../../node/views.ts'
import type { SimMesh } from '../mesh.ts'
import type { Pace } from './pace.ts'
import type { Seat } from './seat.ts'

/** Pages are told of changes at most this often. */
const TELL_MS = 250
/** An order is answered in simulated time, for which a person waits no longer than this. */
const ANSWER_MS = 15_000

const NONE = 'simulated PCs have none'
const NOT_SIMULATED: AdStatic['missing'] = {
  cpuModel: NONE,
  perCore: 'not simulated for each core',
  load1: NONE,
  diskBytes: NONE,
  rxBytesPerS: NONE,
  txBytesPerS: NONE,
  diskFreeBytes: NONE,
  gpus: NONE,
  temperatureC: NONE,
  battery: NONE
}

export interface SimApiParts {
  mesh: SimMesh
  seat: Seat
  pace: Pace
  simulation: Simulation
  version: string
  urls(): string[]
  /** The person asks for the end. */
  end(): void
}

export class SimApi implements PeerApi {
  readonly ledger: Ledger = new MemoryLedger()
  readonly #parts: SimApiParts
  readonly #secret = randomBytes(32)
  readonly #listeners = new Set<(changes: ReadonlySet<Change>) => void>()
  readonly #sessionViews = new WeakMap<SessionRecord, { key: string; view: SessionView }>()
  readonly #fixed = new WeakMap<AdStatic, AdStatic>()
  #timer: NodeJS.Timeout | undefined
  #toldAt = -1

  constructor(parts: SimApiParts) {
    this.#parts = parts
  }

  get peerId(): string {
    return this.#parts.seat.pc.id
  }

  /** Tickets of this page for itself: they are no word of a simulated PC. */
  sign(bytes: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#secret).update(bytes).digest()
  }
  verifyMember(_peerId: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    const own = this.sign(bytes)
    return own.length === signature.length && timingSafeEqual(own, signature)
  }

  status(): StatusView {
    const { mesh, seat, simulation, version, urls } = this.#parts
    const { peer, name, id } = seat.pc
    const members = peer === undefined ? [] : [...peer.members()]
    const sessions = peer === undefined ? [] : [...peer.summaries()]
    return {
      peerId: id,
      name,
      mesh: { id: mesh.world.genesis.id, name: mesh.world.genesis.name },
      phase: peer?.phase ?? 'starting',
      version,
      urls: urls(),
      dataDir: 'none: nothing of a simulation is kept',
      uptimeS: Math.round(mesh.nowMs / 1000),
      members: { alive: members.filter((member) => member.state === 'alive').length, total: members.length },
      sessions: { running: sessions.filter((one) => one.state === 'running').length, total: sessions.length },
      notices: this.#notices(peer),
      doors: [],
      offers: [],
      paused: peer?.sessions.admission.paused ?? false,
      leash: { connected: true, children: peer?.sessions.running().length ?? 0 },
      simulation: simulation.view()
    }
  }

  nodes(): NodeView[] {
    const { peer } = this.#parts.seat.pc
    return peer === undefined ? [] : [...peer.members()].map((member) => this.#nodeView(peer, member.peer))
  }

  async node(id: string): Promise<NodeDetail> {
    const { peer } = this.#parts.seat
    const missing = { missing: NONE }
    return {
      ...this.#nodeView(peer, this.#findNode(id)),
      disks: missing,
      interfaces: missing,
      hardware: {},
      hardwareAgeMs: null,
      hardwareMissing: 'this PC is simulated: it has no hardware'
    }
  }

  /** All of them end with this one process. */
  pages(): [] {
    return []
  }

  sessions(): SessionView[] {
    const { peer } = this.#parts.seat.pc
    return peer === undefined ? [] : [...peer.summaries()].map((record) => this.#sessionView(peer, record))
  }

  async session(id: string): Promise<SessionView> {
    const { peer } = this.#parts.seat
    const record = await this.#record(id)
    const view = this.#sessionView(peer, record)
    if (view.strict === null || this.#parts.pace.speed === 0) return view
    const right = await this.#answered<Right | undefined>((done) => peer.right(record, (told) => done(undefined, told)))
    return { ...view, strict: { ...view.strict, lease: leaseView(right) } }
  }

  events(): EventView[] {
    return [...this.#parts.seat.events]
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#parts.seat.pc.peer?.counters ?? [])
  }

  async create(input: SpecInput, who: Principal): Promise<Created> {
    const { peer } = this.#parts.seat
    const spec = specOf(input, who)
    if (spec.input !== undefined) throw notSimulated('a folder that travels with the program')
    if (spec.on !== undefined) spec.on = this.#findNode(spec.on)
    if (spec.notOn !== undefined) spec.notOn = this.#findNode(spec.notOn)
    const nonce = input.nonce === undefined ? randomBytes(16) : Buffer.from(input.nonce, 'hex')
    const { record, durability } = await this.#answered<{ record: SessionRecord; durability: number }>((done) =>
      peer.sessions.submit(spec, nonce, done)
    )
    return { session: this.#sessionView(peer, record), durability }
  }

  async stop(id: string, who: Principal): Promise<SessionView> {
    const { peer } = this.#parts.seat
    const record = await this.#record(id)
    await this.#answered<undefined>((done) => peer.sessions.stop(record, who.name, (error) => done(error, undefined)))
    return this.#sessionView(peer, await this.#record(record.id))
  }

  async takeOver(id: string, who: Principal): Promise<SessionView> {
    const { peer } = this.#parts.seat
    const record = await this.#record(id)
    await this.#answered<undefined>((done) =>
      peer.sessions.takeOver(record, who.name, (error) => done(error, undefined))
    )
    return this.#sessionView(peer, await this.#record(record.id))
  }

  tie(): TieView {
    const { tie } = this.#parts.seat.peer
    const witnesses = this.#parts.mesh.pcs.flatMap((pc) => (pc.witness ? [pc.id] : []))
    return { rule: tie.rule, anchor: tie.rule === 'anchor' ? tie.anchor : null, witnesses }
  }

  async setTie(rule: TieView['rule'], anchor: string | undefined): Promise<TieView> {
    const { peer } = this.#parts.seat
    if ((rule === 'anchor') !== (anchor !== undefined))
      throw new MeshError('BAD_REQUEST', 'the rule "anchor" takes the name of a PC, and the others take none')
    const tie: Tie = rule === 'anchor' ? { rule, anchor: this.#findNode(anchor!) } : { rule }
    await this.#answered<undefined>((done) => peer.setTie(tie, (error) => done(error, undefined)))
    return this.tie()
  }

  async discardForks(id: string): Promise<SessionView> {
    const { peer } = this.#parts.seat
    const record = await this.#record(id)
    await this.#answered<undefined>((done) => peer.sessions.discardForks(record.id, (error) => done(error, undefined)))
    return this.#sessionView(peer, record)
  }

  async attach(): Promise<Attachment> {
    throw notSimulated('the output of a program')
  }
  async display(): Promise<DisplayLine> {
    throw notSimulated('the windows of a program')
  }
  apps(): AppsView {
    return { apps: [], without: [] }
  }
  hasBlob(): boolean {
    return false
  }
  async putBlob(_hash: string, content: Readable): Promise<{ bytes: number }> {
    content.resume()
    throw notSimulated('files')
  }
  async getBlob(): Promise<{ bytes: number; content: Readable }> {
    throw notSimulated('files')
  }
  async invite(): Promise<never> {
    throw notSimulated('an invite')
  }
  async openDoor(): Promise<void> {
    throw notSimulated('an open door')
  }
  async closeDoor(): Promise<void> {
    throw notSimulated('an open door')
  }
  async join(): Promise<StatusView> {
    throw notSimulated('another mesh')
  }
  async accept(): Promise<StatusView> {
    throw notSimulated('another mesh')
  }
  async found(): Promise<StatusView> {
    throw notSimulated('another mesh')
  }
  async leave(): Promise<StatusView> {
    throw notSimulated('another mesh')
  }

  async pause(nodeId: string | undefined): Promise<NodeView> {
    return this.#setPaused(nodeId, true)
  }
  async resume(nodeId: string | undefined): Promise<NodeView> {
    return this.#setPaused(nodeId, false)
  }

  async down(): Promise<void> {
    this.#parts.end()
  }

  onChange(listener: (changes: ReadonlySet<Change>) => void): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => this.#tell(), TELL_MS)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** The view may have changed although no time passed. */
  changed(): void {
    this.#toldAt = -1
  }

  #tell(): void {
    const { mesh, seat } = this.#parts
    seat.look()
    if (this.#toldAt === mesh.nowMs) return
    this.#toldAt = mesh.nowMs
    const all: ReadonlySet<Change> = new Set(['status', 'nodes', 'sessions', 'events'])
    for (const listener of this.#listeners) listener(all)
  }

  #setPaused(nodeId: string | undefined, paused: boolean): NodeView {
    const { mesh, seat } = this.#parts
    const { peer } = seat
    const id = nodeId === undefined ? peer.self : this.#findNode(nodeId)
    const target = mesh.pcs.find((pc) => pc.id === id)?.peer
    if (target === undefined) throw new MeshError('PEER_UNREACHABLE', `${peer.nameOf(id)} is switched off`)
    if (paused) target.sessions.pause()
    else target.sessions.resume()
    this.changed()
    return this.#nodeView(peer, id)
  }

  #nodeView(peer: Peer, id: PeerId): NodeView {
    const { mesh, seat } = this.#parts
    const context = { self: id === peer.self, selfName: seat.pc.name, now: mesh.nowMs, wall: mesh.wallMs }
    return nodeView(peer.member(id)!, this.#explained(peer.ad(id)), { ...context, history: seat.historyOf(id) })
  }

  /** Simulated PCs tell nobody why they lack what they lack. */
  #explained(ad: AdView | undefined): AdView | undefined {
    if (ad?.static === undefined) return ad
    let fixed = this.#fixed.get(ad.static)
    if (fixed === undefined) this.#fixed.set(ad.static, (fixed = { ...ad.static, missing: NOT_SIMULATED }))
    return { ...ad, static: fixed }
  }

  #sessionView(peer: Peer, record: SessionRecord): SessionView {
    const holder = record.runner ?? record.owner
    const state = holder === peer.self ? 'alive' : peer.member(holder)?.state
    const isGone = record.endedAt === undefined && (state === 'dead' || state === 'left' || state === undefined)
    const gone = isGone ? peer.nameOf(holder) : undefined
    const awaits = peer.sessions.awaitsWordOn(record)
    const key = `${gone ?? ''} ${awaits.join(' ')}`
    const known = this.#sessionViews.get(record)
    if (known !== undefined && known.key === key) return known.view
    const view = sessionView(record, gone, [], awaits)
    this.#sessionViews.set(record, { key, view })
    return view
  }

  #findNode(id: string): PeerId {
    const members = [...this.#parts.seat.peer.members()]
    const found = members.find((member) => member.peer === id || member.name === id)
    if (found === undefined)
      throw new MeshError('UNKNOWN_NODE', `${this.#parts.seat.pc.name} knows no PC "${id.slice(0, 60)}"`)
    return found.peer
  }

  async #record(id: string): Promise<SessionRecord> {
    const { peer } = this.#parts.seat
    const found = [...peer.summaries()].filter((record) => record.id.startsWith(id))
    if (found.length > 1)
      throw new MeshError('BAD_REQUEST', `${found.length} sessions begin with ${id}; give more digits`)
    if (found[0] === undefined) throw new MeshError('UNKNOWN_SESSION', `no session begins with ${id}`)
    // Its keepers cannot answer while time stands still: then the summary is what there is.
    if (this.#parts.pace.speed === 0) return found[0]
    const { id: whole } = found[0]
    const record = await this.#answered<SessionRecord | undefined>((done) =>
      peer.record(whole, (newest) => done(undefined, newest))
    )
    return record ?? found[0]
  }

  /** An answer that comes as simulated time passes. */
  #answered<T>(ask: (done: (error: MeshError | undefined, value?: T) => void) => void): Promise<T> {
    if (this.#parts.pace.speed === 0)
      throw new MeshError('NOT_ACTIVE', 'the simulated time stands still, so nobody answers: let it pass first')
    return new Promise((resolve, reject) => {
      const late = new MeshError('DEADLINE', 'no simulated PC has answered; the one that was asked may be switched off')
      const timer = setTimeout(() => reject(late), ANSWER_MS)
      ask((error, value) => {
        clearTimeout(timer)
        if (error === undefined) resolve(value as T)
        else reject(error)
      })
    })
  }

  #notices(peer: Peer | undefined): NoticeView[] {
    const { pace, seat } = this.#parts
    const notices: NoticeView[] = []
    if (pace.broken !== undefined)
      notices.push({
        code: 'simulation-broken',
        text: `the simulated time stands still: ${pace.broken.message.split('\n')[0]}`,
        fix: 'it is a bug of the program; the terminal says how to see it again'
      })
    if (peer?.isolated === true)
      notices.push({
        code: 'isolated',
        text: `no other PC answers ${seat.pc.name}, from which this page looks`,
        fix: 'heal it, or kill it to look from another one'
      })
    return notices
  }
}

class MemoryLedger implements Ledger {
  readonly #values = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)
  }
  list(prefix: string): [string, Uint8Array][] {
    return [...this.#values].filter(([key]) => key.startsWith(prefix))
  }
  async put(key: string, value: Uint8Array): Promise<void> {
    this.#values.set(key, value)
  }
  async remove(key: string): Promise<void> {
    this.#values.delete(key)
  }
}

function notSimulated(what: string): MeshError {
  return new MeshError('BAD_REQUEST', `${what}: there is none in a simulation`)
}
