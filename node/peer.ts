/**
 * The composition root: config -> adapters -> peer -> doors. What outlives a membership is here (store, sessiond, sensors,
 * doors) and answers the doors; the membership comes and goes in belonging.ts.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { peerIdOf, tryPeerKey } from '../protocols/codec.ts'
import { MeshError } from '../protocols/errors.ts'
import type { SpecInput } from '../protocols/session/index.ts'
import { openBlobCache } from './adapters/blob-cache.ts'
import type { BlobCache } from './adapters/blob-cache.ts'
import { systemClock } from './adapters/clock.ts'
import { deviceCrypto } from './adapters/crypto.ts'
import { createHost } from './adapters/host.ts'
import type { PeerHost } from './adapters/host.ts'
import { openLevelStore } from './adapters/level-store.ts'
import type { LevelStore } from './adapters/level-store.ts'
import { createLog } from './adapters/log.ts'
import type { PeerLog } from './adapters/log.ts'
import { systemRandom } from './adapters/random.ts'
import { Belonging } from './belonging.ts'
import type { Entry } from './belonging.ts'
import { BLOB_MAX_BYTES } from './blob-transfer.ts'
import type { Config } from './config.ts'
import type { Attachment, AttachOptions, Change, Created, DisplayLine, Ledger, PeerApi, Principal } from './http/api.ts'
import { createDoors } from './http/doors.ts'
import type { Doors } from './http/doors.ts'
import type { AppsView, EventView, NodeDetail, NodeView, SessionView, StatusView, TieView } from './http/views.ts'
import { pageFolder, programVersion } from './install/layout.ts'
import { noticesOf } from './notices.ts'
import { ownNames } from './renewal.ts'
import { loadDeviceSeed, loadMembership } from './security/identity.ts'
import { SessionDesk } from './session-desk.ts'
import { createSensors } from './sensors/index.ts'
import type { Sensors } from './sensors/index.ts'
import { appsOf } from './windows.ts'

export interface StartOptions extends Entry {
  config: Config
  /** Told once each: a line for the person at the terminal. */
  say(line: string): void
}

/** A page goes on at another PC by the first of its addresses that answers: which one that is depends on where the browser is. */
const PAGES_PER_PEER = 4
/** Names need a resolver that knows the PCs of a home. */
const BY_ADDRESS = /^https:\/\/[[\d]/
/** Changes are told to the doors at most this often. */
const TELL_MS = 100

/** Starts everything; resolves when the doors are open. Rejects with what is wrong, and leaves nothing behind. */
export async function startPeer(options: StartOptions): Promise<PeerProcess> {
  const { config } = options
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const store = await openLevelStore(join(config.dataDir, 'db'))
  try {
    writeFileSync(join(config.dataDir, 'peer.pid'), String(process.pid), { mode: 0o600 })
    const process_ = new PeerProcess(options, store)
    await process_.begin()
    return process_
  } catch (error) {
    rmSync(join(config.dataDir, 'peer.pid'), { force: true })
    await store.close()
    throw error
  }
}

export class PeerProcess implements PeerApi {
  readonly peerId: string
  /** Resolves when the peer has ended. */
  readonly ended: Promise<void>
  /** Why it ended, when nobody asked it to. */
  failure: MeshError | undefined
  readonly #options: StartOptions
  readonly #config: Config
  readonly #store: LevelStore
  readonly #log: PeerLog
  readonly #seed: Uint8Array
  readonly #clock = systemClock()
  readonly #random = systemRandom()
  readonly #crypto: ReturnType<typeof deviceCrypto>
  readonly #startedAt: number
  readonly #version = programVersion()
  readonly #sensors: Sensors
  readonly #listeners = new Set<(changes: ReadonlySet<Change>) => void>()
  #changes = new Set<Change>()
  #tellTimer: NodeJS.Timeout | undefined
  #host!: PeerHost
  #blobs!: BlobCache
  #belonging!: Belonging
  #desk!: SessionDesk
  #doors: Doors | undefined
  #ending = false
  #resolveEnded: () => void = () => {}

  constructor(options: StartOptions, store: LevelStore) {
    this.#options = options
    this.#config = options.config
    this.#store = store
    this.#log = createLog({ level: options.config.logLevel, file: join(options.config.dataDir, 'logs', 'peer.log') })
    this.#seed = loadDeviceSeed(options.config.dataDir)
    this.#crypto = deviceCrypto(this.#seed)
    this.peerId = peerIdOf(this.#crypto.publicKey)
    this.#startedAt = this.#clock.mono()
    this.#sensors = createSensors({
      now: () => this.#clock.mono(),
      wall: () => this.#clock.wall(),
      dataDir: options.config.dataDir
    })
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve))
  }

  async begin(): Promise<void> {
    const { dataDir } = this.#config
    this.#blobs = await openBlobCache({ dataDir, log: this.#log })
    this.#host = await createHost({
      dataDir,
      log: this.#log,
      clock: this.#clock,
      peerId: this.peerId,
      peerName: this.#config.name,
      blobs: this.#blobs,
      config: { finishedKeepBytes: this.#config.keep.bytes, finishedKeepMs: this.#config.keep.ms }
    })
    this.#belonging = new Belonging({
      config: this.#config,
      peerId: this.peerId,
      seed: this.#seed,
      store: this.#store,
      host: this.#host,
      blobs: this.#blobs,
      sensors: this.#sensors,
      clock: this.#clock,
      random: this.#random,
      crypto: this.#crypto,
      log: this.#log,
      version: this.#version,
      urls: () => this.#doors?.urls() ?? [],
      say: (line) => this.#options.say(line),
      changed: (change) => this.#changed(change),
      isEnding: () => this.#ending,
      failed: async (error) => {
        this.failure = error
        await this.down({ keepSessions: false })
      }
    })
    this.#desk = new SessionDesk({
      dataDir,
      active: () => this.#belonging.active(),
      blobs: this.#blobs,
      host: this.#host,
      random: this.#random
    })
    const membership = loadMembership(dataDir)
    try {
      await this.#belonging.begin(membership)
      await this.#openDoors()
    } catch (error) {
      await this.#belonging.member?.stop({ drain: false, forever: false, farewell: true })
      await this.#host.shutdown({ keepSessions: true })
      throw error
    }
    if (membership === undefined) void this.#belonging.look(this.#options)
  }

  // ---- PeerApi: what the doors ask ----

  sign(bytes: Uint8Array): Uint8Array {
    return this.#crypto.sign(bytes)
  }

  verifyMember(peerId: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    const key = tryPeerKey(peerId)
    const known = this.#belonging.member?.peer.member(peerId)
    return key !== undefined && known !== undefined && this.#crypto.verify(key, bytes, signature)
  }

  readonly ledger: Ledger = {
    get: (key) => this.#belonging.member?.peer.ledger(key),
    list: (prefix) => this.#belonging.member?.peer.ledgerList(prefix) ?? [],
    put: (key, value) => this.#ledgerPut(key, value),
    remove: (key) => this.#ledgerPut(key, new Uint8Array())
  }

  status(): StatusView {
    const member = this.#belonging.member
    const nodes = member === undefined ? [] : [...member.peer.members()]
    const sessions = member === undefined ? [] : [...member.peer.summaries()]
    return {
      peerId: this.peerId,
      name: this.#name,
      mesh: member === undefined ? null : { id: member.genesis.id, name: member.genesis.name },
      phase: this.#phase,
      version: this.#version,
      urls: this.#doors?.urls() ?? [],
      dataDir: this.#config.dataDir,
      uptimeS: Math.round((this.#clock.mono() - this.#startedAt) / 1000),
      members: { alive: nodes.filter((node) => node.state === 'alive').length, total: nodes.length },
      sessions: { running: sessions.filter((session) => session.state === 'running').length, total: sessions.length },
      notices: noticesOf({
        member,
        host: this.#host,
        store: this.#store,
        dataDir: this.#config.dataDir,
        wall: this.#clock.wall()
      }),
      doors: member?.doors() ?? [],
      offers: this.#belonging.newcomer?.offers() ?? [],
      paused: member?.peer.sessions.admission.paused ?? false,
      leash: { connected: this.#host.state.connected, children: this.#host.state.children },
      simulation: null
    }
  }

  nodes(): NodeView[] {
    return this.#belonging.member?.nodes() ?? []
  }

  async node(id: string): Promise<NodeDetail> {
    return await this.#belonging.active().detail(id)
  }

  pages(): { peerId: string; name: string; url: string }[] {
    const member = this.#belonging.member
    if (member === undefined) return []
    return [...member.peer.members()].flatMap(({ peer, name, state }) => {
      if (peer === this.peerId || state !== 'alive') return []
      const [likeliest, ...others] = member.peer.ad(peer)?.static?.urls ?? []
      const urls = likeliest === undefined ? [] : [likeliest, ...others.filter((url) => BY_ADDRESS.test(url))]
      return urls.slice(0, PAGES_PER_PEER).map((url) => ({ peerId: peer, name, url }))
    })
  }

  apps(): AppsView {
    return appsOf(this.#belonging.active().peer)
  }

  sessions(): SessionView[] {
    return this.#belonging.member?.sessions() ?? []
  }

  events(): EventView[] {
    return [...(this.#belonging.member?.peer.events ?? [])]
  }

  counts(): Readonly<Record<string, number>> {
    const member = this.#belonging.member
    return member === undefined ? {} : { ...Object.fromEntries(member.peer.counters), ...member.network.counts }
  }

  async session(id: string): Promise<SessionView> {
    return await this.#desk.session(id)
  }
  async create(input: SpecInput, who: Principal): Promise<Created> {
    return await this.#desk.create(input, who)
  }
  async stop(id: string, who: Principal): Promise<SessionView> {
    return await this.#desk.stop(id, who)
  }
  async takeOver(id: string, who: Principal): Promise<SessionView> {
    return await this.#desk.takeOver(id, who)
  }
  tie(): TieView {
    return this.#belonging.active().tie()
  }
  async setTie(rule: TieView['rule'], anchor: string | undefined, who: Principal): Promise<TieView> {
    return await this.#belonging.active().setTie(rule, anchor, who.name)
  }
  async discardForks(id: string, who: Principal): Promise<SessionView> {
    return await this.#desk.discardForks(id, who)
  }
  async display(id: string): Promise<DisplayLine> {
    return await this.#desk.display(id)
  }
  async attach(id: string, options: AttachOptions): Promise<Attachment> {
    return await this.#desk.attach(id, options)
  }

  hasBlob(hash: string): boolean {
    return this.#blobs.has(hash)
  }

  async putBlob(hash: string, content: Readable): Promise<{ bytes: number }> {
    return await this.#blobs.put(hash, content, BLOB_MAX_BYTES)
  }

  async getBlob(hash: string): Promise<{ bytes: number; content: Readable }> {
    return await this.#desk.getBlob(hash)
  }

  async invite(options: { uses: number; ttlMs: number }): Promise<{ invite: string; expiresAt: number; uses: number }> {
    return await this.#belonging.active().desk.invite(options)
  }

  async openDoor(forMs: number): Promise<void> {
    await this.#belonging.active().desk.openDoor(forMs)
  }

  async closeDoor(): Promise<void> {
    await this.#belonging.active().desk.closeDoor()
  }

  async join(invite: string): Promise<StatusView> {
    await this.#belonging.join(invite)
    return this.status()
  }
  async accept(offerId: string): Promise<StatusView> {
    await this.#belonging.accept(offerId)
    return this.status()
  }
  async found(): Promise<StatusView> {
    await this.#belonging.found()
    return this.status()
  }
  async leave(): Promise<StatusView> {
    await this.#belonging.leave()
    return this.status()
  }

  async pause(nodeId: string | undefined, _who: Principal): Promise<NodeView> {
    return this.#setPaused(nodeId, true)
  }

  async resume(nodeId: string | undefined, _who: Principal): Promise<NodeView> {
    return this.#setPaused(nodeId, false)
  }

  async down(options: { keepSessions: boolean }): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    this.#changed('status')
    // The caller gets its answer before the door closes.
    setTimeout(() => void this.#shutDown(options), 50)
  }

  onChange(listener: (changes: ReadonlySet<Change>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** One-time link for the first account; null when there is one already. */
  firstRunLink(): string | null {
    return this.#doors?.firstRunLink() ?? null
  }

  get log(): PeerLog {
    return this.#log
  }

  // ---- life ----

  get #phase(): StatusView['phase'] {
    if (this.#ending) return 'draining'
    if (this.#belonging.member !== undefined) return this.#belonging.member.peer.phase
    return this.#belonging.newcomer === undefined ? 'starting' : 'looking'
  }

  get #name(): string {
    return this.#belonging.member?.peer.nameOf(this.peerId) ?? this.#config.name
  }

  async #shutDown({ keepSessions }: { keepSessions: boolean }): Promise<void> {
    try {
      const member = this.#belonging.member
      if (member !== undefined) await member.stop({ drain: !keepSessions, forever: false, farewell: !keepSessions })
      await this.#host.shutdown({ keepSessions })
      await this.#doors?.close()
    } catch (error) {
      this.#log.error('the end was not clean', { cause: String(error) })
    } finally {
      await this.#store.close().catch(() => {})
      rmSync(join(this.#config.dataDir, 'peer.pid'), { force: true })
      this.#log.close()
      this.#resolveEnded()
    }
  }

  async #openDoors(): Promise<void> {
    const { config } = this.#options
    this.#doors = await createDoors({
      api: this,
      dataDir: config.dataDir,
      uiDir: pageFolder() ?? join(config.dataDir, 'no-page'),
      port: config.port,
      bind: config.bind,
      localPort: config.localPort,
      tls: () => this.#belonging.tls(),
      tlsEnabled: config.tlsEnabled,
      log: this.#log,
      version: this.#version,
      hostNames: () => {
        const { host, ips } = ownNames()
        return [...(host === '' ? [] : [host, `${host}.local`]), ...ips]
      },
      defaultPorts: { port: !config.portsSet.port, localPort: !config.portsSet.localPort }
    })
    this.#belonging.member?.refresh()
  }

  // ---- small ----

  async #setPaused(nodeId: string | undefined, paused: boolean): Promise<NodeView> {
    const member = this.#belonging.active()
    const peer = nodeId === undefined ? this.peerId : member.findNode(nodeId)
    if (peer !== this.peerId) {
      throw new MeshError(
        'DENIED',
        `only at ${member.peer.nameOf(peer)} itself can it be ${paused ? 'paused' : 'resumed'}: a PC belongs to its owner`
      )
    }
    // sessiond takes work again before any is given to it.
    if (!paused) this.#host.pauseAll(false)
    const { sessions } = member.peer
    const kept = new Promise<void>((resolve, reject) => {
      const done = (error?: MeshError): void => (error === undefined ? resolve() : reject(error))
      if (paused) sessions.pause(done)
      else sessions.resume(done)
    })
    if (paused) this.#host.pauseAll(true)
    this.#changed('status')
    await kept
    return member.nodes().find((node) => node.self)!
  }

  #ledgerPut(key: string, value: Uint8Array): Promise<void> {
    const { peer } = this.#belonging.active()
    return new Promise((resolve, reject) =>
      peer.ledgerPut(key, value, (error) => (error === undefined ? resolve() : reject(error)))
    )
  }

  #changed(change: Change): void {
    if (this.#listeners.size === 0) return
    this.#changes.add(change)
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = undefined
      const changes = this.#changes
      this.#changes = new Set()
      for (const listener of this.#listeners) listener(changes)
    }, TELL_MS)
  }
}
