/**
 * This PC as a member of a mesh: the peer with its network, discovery, enrolment desk and readings, for as long as the
 * membership lasts. The shell around it (node/peer.ts) outlives it: store, sessiond, sensors and doors stay.
 */
import { MeshError } from '../protocols/errors.ts'
import type { Genesis } from '../protocols/joining/index.ts'
import { Peer } from '../protocols/peer/index.ts'
import type { Right } from '../protocols/peer/index.ts'
import type { Clock, Crypto, PeerId, Random, Store } from '../protocols/ports.ts'
import type { SessionRecord, Tie } from '../protocols/session/index.ts'
import type { BlobCache } from './adapters/blob-cache.ts'
import { startDiscovery } from './adapters/discovery.ts'
import type { Discovery } from './adapters/discovery.ts'
import { openEnrolmentDesk } from './adapters/enrolment-desk.ts'
import type { EnrolmentDesk } from './adapters/enrolment-desk.ts'
import type { PeerHost } from './adapters/host.ts'
import { createNetwork } from './adapters/libp2p-network.ts'
import type { Libp2pNetwork } from './adapters/libp2p-network.ts'
import type { PeerLog } from './adapters/log.ts'
import { fetchBlob, serveBlobs } from './blob-transfer.ts'
import { offerOf } from './config.ts'
import type { Config } from './config.ts'
import { serveDisplays } from './display-transfer.ts'
import type { DoorView, NodeDetail, NodeView, SessionView, TieView } from './http/views.ts'
import { MinuteHistory, STEP_MS } from './history.ts'
import { BIP39_ENGLISH, openMembership } from './security/identity.ts'
import type { Membership } from './security/identity.ts'
import { Renewal } from './renewal.ts'
import { capacityOf, dynamicAd, HardwareReport, staticAd } from './sensors/index.ts'
import type { Sample, Sensors } from './sensors/index.ts'
import { leaseView, nodeView, sessionView } from './views.ts'
import { serveWatchers } from './watched.ts'
import { ownWindows } from './windows.ts'

/** A late timer by this much means that this peer's verdicts about others are worth less for a moment. */
const LAG_MS = 250
const LAG_PROBE_MS = 1_000
const DETAIL_MS = 3_000

export interface MemberParts {
  config: Config
  /** Seed of the device key. */
  seed: Uint8Array
  membership: Membership
  store: Store
  host: PeerHost
  blobs: BlobCache
  sensors: Sensors
  clock: Clock
  random: Random
  crypto: Crypto & { readonly publicKey: Uint8Array }
  log: PeerLog
  version: string
  /** Addresses of the page, https. */
  urls(): string[]
}

export class Member {
  readonly peer: Peer
  readonly network: Libp2pNetwork
  readonly genesis: Genesis
  readonly renewal: Renewal
  readonly #parts: MemberParts
  readonly #discovery: Discovery
  readonly #desk: EnrolmentDesk
  readonly #history = new MinuteHistory()
  readonly #timers: NodeJS.Timeout[] = []
  #sample: Sample
  #report: ({ json: string } & ReturnType<typeof readReport>) | undefined
  #staticKey = ''
  #addresses = ''

  /** Enters the mesh. Rejects PORT_TAKEN, STORE_FAILED, CERT_INVALID. */
  static async start(parts: MemberParts): Promise<Member> {
    const { config, seed, membership, crypto, log } = parts
    const { genesis } = openMembership(membership, seed)
    const network = await createNetwork({
      seed,
      meshId: genesis.id,
      listenPort: config.meshPort,
      bind: config.bind,
      portIsDefault: !config.portsSet.meshPort,
      log
    })
    const sample = await parts.sensors.sample()
    const renewal = new Renewal(parts, genesis)
    const peer: Peer = new Peer(
      {
        clock: parts.clock,
        random: parts.random,
        network,
        store: parts.store,
        crypto,
        log,
        host: parts.host,
        fetchBlob: (blob, sources, done) => {
          fetchBlob(peer, parts.blobs, blob, sources).then(
            () => done(),
            (error: MeshError) => done(error)
          )
        }
      },
      {
        genesis,
        certificate: () => renewal.membership.certificate,
        name: config.name,
        version: parts.version,
        offer: givenBy(config, sample)
      }
    )
    try {
      await new Promise<void>((resolve, reject) =>
        peer.start((error) => (error === undefined ? resolve() : reject(error)))
      )
    } catch (error) {
      await new Promise<void>((resolve) => network.stop(resolve))
      throw error
    }
    const discovery = await startDiscovery({ network, meshId: genesis.id, self: peer.self, log })
    const desk = await openEnrolmentDesk({
      dir: config.dataDir,
      genesis,
      membership: () => renewal.membership,
      device: crypto.publicKey,
      words: BIP39_ENGLISH,
      port: config.joinPort,
      portFixed: config.portsSet.joinPort,
      ...(config.bind === '' ? {} : { bind: config.bind }),
      crypto,
      clock: parts.clock,
      random: parts.random,
      log,
      members: () => memberHints(peer),
      isNameTaken: (name, id) => [...peer.members()].some((member) => member.name === name && member.peer !== id),
      announceDoor: ({ port, untilMs }) => discovery.announceDoor({ port, untilMs, meshName: genesis.name }),
      onEvent: (event) => {
        if (event.k === 'changed') member.doorChanged()
        if (event.k === 'joined')
          peer.addEvent({
            kind: 'security',
            level: 'info',
            text: `${event.name} was let in by ${event.by === 'invite' ? 'an invite' : 'the open door'}`,
            subject: event.peer
          })
        if (event.k === 'refused')
          peer.addEvent({
            kind: 'security',
            level: 'warn',
            text: `${event.name} was refused: ${event.text}`,
            subject: null
          })
      }
    }).catch(async (error: unknown) => {
      await discovery.stop()
      await new Promise<void>((resolve) => network.stop(resolve))
      throw error
    })
    const member: Member = new Member(parts, { peer, network, genesis, renewal, discovery, desk, sample })
    member.#begin()
    return member
  }

  private constructor(
    parts: MemberParts,
    made: {
      peer: Peer
      network: Libp2pNetwork
      genesis: Genesis
      renewal: Renewal
      discovery: Discovery
      desk: EnrolmentDesk
      sample: Sample
    }
  ) {
    this.#parts = parts
    this.peer = made.peer
    this.network = made.network
    this.genesis = made.genesis
    this.renewal = made.renewal
    this.#discovery = made.discovery
    this.#desk = made.desk
    this.#sample = made.sample
  }

  get desk(): EnrolmentDesk {
    return this.#desk
  }

  /** Why other PCs cannot be found by themselves; undefined when they can. */
  discoveryTrouble(): { reason: string; fix: string } | undefined {
    const { state } = this.#discovery
    return state.reason === '' ? undefined : { reason: state.reason, fix: state.fix }
  }

  async stop(how: { drain: boolean; forever: boolean; farewell: boolean }): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#desk.close()
    await this.#discovery.stop()
    this.renewal.stop()
    await new Promise<void>((resolve) => this.peer.stop(how, resolve))
  }

  // ---- what the doors show ----

  nodes(): NodeView[] {
    const list = [...this.peer.members()].map((member) => this.#nodeView(member.peer)!)
    return list.sort((a, b) => Number(b.self) - Number(a.self) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }

  /** By peer id, name, or an unambiguous ending of the id. */
  findNode(id: string): PeerId {
    const all = [...this.peer.members()]
    const found =
      all.find((member) => member.peer === id) ??
      only(all.filter((member) => member.name === id)) ??
      only(all.filter((member) => id.length >= 6 && member.peer.endsWith(id)))
    if (found === undefined)
      throw new MeshError('UNKNOWN_NODE', `no PC of this mesh is called "${id}"; \`omega nodes\` lists them`)
    return found.peer
  }

  async detail(id: string): Promise<NodeDetail> {
    const peer = this.findNode(id)
    const view = this.#nodeView(peer)!
    const told = peer === this.peer.self ? await this.#ownDetail() : await this.#askDetail(peer)
    return { ...view, ...told }
  }

  sessions(): SessionView[] {
    return [...this.peer.summaries()].map((record) => this.sessionView(record))
  }

  sessionView(record: SessionRecord): SessionView {
    const { peer } = this
    const holder = record.runner ?? record.owner
    const state = holder === peer.self ? 'alive' : peer.member(holder)?.state
    const gone = state === 'dead' || state === 'left' || state === undefined
    return sessionView(
      record,
      gone ? peer.nameOf(holder) : undefined,
      peer.forksOf(record.id),
      peer.sessions.awaitsWordOn(record)
    )
  }

  /** With what those say who know who may run it. */
  async wholeView(record: SessionRecord): Promise<SessionView> {
    const view = this.sessionView(record)
    if (view.strict === null) return view
    const right = await new Promise<Right | undefined>((resolve) => this.peer.right(record, resolve))
    return { ...view, strict: { ...view.strict, lease: leaseView(right) } }
  }

  tie(): TieView {
    const { tie } = this.peer
    const witnesses = this.nodes().flatMap((node) => (node.witness ? [node.peerId] : []))
    return { rule: tie.rule, anchor: tie.rule === 'anchor' ? tie.anchor : null, witnesses }
  }

  /** `anchor`: name or peer id. */
  async setTie(rule: TieView['rule'], anchor: string | undefined, by: string): Promise<TieView> {
    if ((rule === 'anchor') !== (anchor !== undefined))
      throw new MeshError('BAD_REQUEST', 'the rule "anchor" takes the name of a PC, and the others take none')
    const tie: Tie = rule === 'anchor' ? { rule, anchor: this.findNode(anchor!) } : { rule }
    await new Promise<void>((resolve, reject) =>
      this.peer.setTie(tie, (error) => (error === undefined ? resolve() : reject(error)))
    )
    const whose = tie.rule === 'anchor' ? ` ${this.peer.nameOf(tie.anchor)}` : ''
    const text = `${by} set the rule for strict sessions on two PCs to ${rule}${whose}`
    this.peer.addEvent({ kind: 'security', level: 'info', text, subject: null })
    return this.tie()
  }

  doors(): DoorView[] {
    const wall = this.#parts.clock.wall()
    return this.peer.doors().flatMap(([peerId, door]) => {
      const { untilMs, knocks } = door as Partial<DoorView>
      if (typeof untilMs !== 'number' || untilMs < wall || !Array.isArray(knocks)) return []
      return [{ peerId, name: this.peer.nameOf(peerId), untilMs, knocks }]
    })
  }

  /** The desk's door or its knocks changed: everyone shows it. */
  doorChanged(): void {
    const door = this.#desk.door()
    this.peer.putDoor(
      door === null ? undefined : { untilMs: door.untilMs, knocks: door.knocks.map((knock) => ({ ...knock })) }
    )
  }

  /** Owner's data changed (page address, certificate): others are told. */
  refresh(): void {
    this.#advertiseStatic()
  }

  // ---- own readings ----

  #begin(): void {
    const { peer } = this
    serveBlobs(peer, this.#parts.blobs)
    serveDisplays(peer, this.#parts.config.dataDir)
    serveWatchers(peer, this.#parts.host)
    peer.rpc.serve('detail', (_from, _arg, answer) => {
      this.#ownDetail().then(
        (detail) => answer(undefined, boundedDetail(detail)),
        (error: Error) => answer(new MeshError('HOST_FAILED', error.message))
      )
    })
    this.renewal.serve(peer)
    for (const hint of this.renewal.membership.members) peer.introduce(hint.peer, hint.addresses)
    this.#advertiseStatic()
    this.#read()
    this.doorChanged()
    this.#every(STEP_MS, () => this.#read())
    let due = this.#parts.clock.mono() + LAG_PROBE_MS
    this.#every(LAG_PROBE_MS, () => {
      const now = this.#parts.clock.mono()
      if (now - due > LAG_MS) peer.lagged(now - due)
      due = now + LAG_PROBE_MS
    })
  }

  #every(ms: number, fn: () => void): void {
    this.#timers.push(setInterval(fn, ms))
  }

  #read(): void {
    this.#noteAddresses()
    this.#parts.sensors.sample().then(
      (sample) => {
        this.#sample = sample
        this.#advertiseStatic()
        const own = { granted: this.peer.sessions.granted(), paused: false, draining: false, sessions: 0 }
        this.peer.advertise({ dynamic: dynamicAd(this.#parts.sensors.facts, sample, own) })
        this.#remember()
      },
      (error: Error) => this.#parts.log.warn('readings failed', { cause: error.message })
    )
  }

  /** A cable, another WiFi or another lease: whoever remembers this PC must remember where it is now. */
  #noteAddresses(): void {
    const addresses = this.network.addresses()
    const key = addresses.join(' ')
    if (key === this.#addresses || addresses.length === 0) return
    this.#addresses = key
    this.peer.renamed({ addresses })
  }

  /** The static half is sent only when something in it changed. */
  #advertiseStatic(): void {
    const { config, sensors, version } = this.#parts
    const leaf = this.renewal.leafFingerprint()
    const own = {
      labels: config.labels,
      name: config.name,
      version,
      urls: this.#parts.urls().filter((url) => url.startsWith('https:')),
      offer: givenBy(config, this.#sample),
      ...(config.witness ? { witness: true } : {}),
      tlsFingerprint: leaf,
      ...ownWindows()
    }
    const ad = staticAd(sensors.facts, this.#sample, this.#hardware()?.report, own)
    const key = JSON.stringify(ad)
    if (key === this.#staticKey) return
    this.#staticKey = key
    this.peer.sessions.admission.offer = own.offer
    this.peer.advertise({ static: ad })
  }

  #remember(): void {
    const now = this.#parts.clock.mono()
    const readings = new Map<PeerId, { cpu: number | undefined; memory: number | undefined; ageMs: number }>()
    for (const member of this.peer.members()) {
      const ad = this.peer.ad(member.peer)
      const total = ad?.static?.memoryBytes
      const used = ad?.dynamic?.memoryUsedBytes
      const memory = total === undefined || used === undefined ? undefined : used / total
      readings.set(member.peer, { cpu: ad?.dynamic?.cpu, memory, ageMs: ad === undefined ? Infinity : now - ad.at })
    }
    this.#history.step(readings)
  }

  #nodeView(peer: PeerId): NodeView | undefined {
    const member = this.peer.member(peer)
    if (member === undefined) return undefined
    const { clock, config } = this.#parts
    return nodeView(member, this.peer.ad(peer), {
      self: peer === this.peer.self,
      selfName: config.name,
      now: clock.mono(),
      wall: clock.wall(),
      history: this.#history.of(peer)
    })
  }

  async #ownDetail(): Promise<Omit<NodeDetail, keyof NodeView>> {
    const detail = await this.#parts.sensors.detail()
    const hardware = this.#hardware()
    const errors = hardware?.report?.errors ?? {}
    const sections: NodeDetail['hardware'] = { ...hardware?.report?.sections }
    for (const [section, reason] of Object.entries(errors)) sections[section] ??= [{ 'not available': reason }]
    return {
      ...detail,
      hardware: sections,
      hardwareAgeMs: hardware?.ageMs ?? null,
      hardwareMissing:
        hardware?.report === undefined
          ? (hardware?.error ?? 'not read yet; it takes some seconds after the start')
          : null
    }
  }

  async #askDetail(peer: PeerId): Promise<Omit<NodeDetail, keyof NodeView>> {
    return await new Promise((resolve) => {
      this.peer.rpc.ask(peer, 'detail', null, DETAIL_MS, (error, value) => {
        if (error === undefined) return resolve(value as Omit<NodeDetail, keyof NodeView>)
        const reason = error.message
        resolve({
          disks: { missing: reason },
          interfaces: { missing: reason },
          hardware: {},
          hardwareAgeMs: null,
          hardwareMissing: reason
        })
      })
    })
  }

  #hardware(): { report: HardwareReport | undefined; error: string | undefined; ageMs: number } | undefined {
    const { hardware } = this.#parts.host
    if (hardware === undefined) return undefined
    const { json, error, ageMs } = hardware
    if (json === undefined) return { report: undefined, error, ageMs }
    // Asked for at each reading, new each ten minutes.
    if (this.#report?.json !== json) this.#report = { json, ...readReport(json) }
    return { report: this.#report.report, error: this.#report.error, ageMs }
  }
}

function givenBy({ offer, witness }: Config, sample: Sample): { cpuMilli: number; memoryBytes: number } {
  return witness ? { cpuMilli: 0, memoryBytes: 0 } : offerOf(offer, capacityOf(sample))
}

function readReport(json: string): { report: HardwareReport | undefined; error: string | undefined } {
  try {
    return { report: HardwareReport.parse(JSON.parse(json)), error: undefined }
  } catch (error) {
    const why = (error as Error).message.slice(0, 200)
    return { report: undefined, error: `the hardware report is not readable: ${why}` }
  }
}

/** Whom a newcomer dials first: this peer, then others that are here. */
function memberHints(peer: Peer): { peer: PeerId; addresses: string[] }[] {
  const alive = [...peer.members()].filter((member) => member.peer === peer.self || member.state === 'alive')
  alive.sort((a, b) => Number(b.peer === peer.self) - Number(a.peer === peer.self))
  return alive.slice(0, 8).map((member) => ({ peer: member.peer, addresses: [...member.addresses].slice(0, 8) }))
}

/** An answer fits one frame: the longest hardware sections go first when it does not. */
function boundedDetail(detail: Omit<NodeDetail, keyof NodeView>): Omit<NodeDetail, keyof NodeView> {
  const hardware = { ...detail.hardware }
  const size = (): number => JSON.stringify({ ...detail, hardware }).length
  while (size() > 48_000) {
    const longest = Object.keys(hardware).sort(
      (a, b) => JSON.stringify(hardware[b]).length - JSON.stringify(hardware[a]).length
    )[0]
    if (longest === undefined) break
    hardware[longest] = [{ 'left out': 'too long to be sent; open the page of that PC' }]
    if (
      JSON.stringify(hardware[longest]).length < 100 &&
      Object.values(hardware).every((rows) => JSON.stringify(rows).length < 200)
    )
      break
  }
  return { ...detail, hardware }
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined
}
