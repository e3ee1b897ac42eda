/**
 * The composition root: config -> adapters -> peer -> doors. What outlives a membership is here (store, sessiond, sensors,
 * doors); a membership comes by invite, by an open door, or by making a mesh, and may end again.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { peerIdOf, tryPeerKey } from '../protocols/codec.ts'
import { MeshError } from '../protocols/errors.ts'
import { readCertificate } from '../protocols/joining/index.ts'
import type { Enrolled } from '../protocols/joining/index.ts'
import type { SessionRecord, SessionSpec, SpecInput } from '../protocols/session/index.ts'
import { openBlobCache } from './adapters/blob-cache.ts'
import type { BlobCache } from './adapters/blob-cache.ts'
import { systemClock } from './adapters/clock.ts'
import { deviceCrypto } from './adapters/crypto.ts'
import { enrolByInvite } from './adapters/enrolment-newcomer.ts'
import type { NewcomerOptions } from './adapters/enrolment-newcomer.ts'
import { createHost } from './adapters/host.ts'
import type { PeerHost } from './adapters/host.ts'
import { openLevelStore } from './adapters/level-store.ts'
import { createLog } from './adapters/log.ts'
import type { PeerLog } from './adapters/log.ts'
import { systemRandom } from './adapters/random.ts'
import { blobSources, watchSession } from './attachment.ts'
import { BLOB_MAX_BYTES, fetchBlob, findBlob } from './blob-transfer.ts'
import type { Config } from './config.ts'
import type { Attachment, Change, Created, Ledger, PeerApi, Principal } from './http/api.ts'
import { createDoors } from './http/doors.ts'
import type { Doors } from './http/doors.ts'
import type { EventView, NodeDetail, NodeView, NoticeView, SessionView, StatusView } from './http/views.ts'
import { pageFolder, programVersion } from './install/layout.ts'
import { Member } from './member.ts'
import { Newcomer } from './newcomer.ts'
import type { LookOutcome } from './newcomer.ts'
import { ownNames } from './renewal.ts'
import { clearScope, scopedStore } from './scoped-store.ts'
import {
  BIP39_ENGLISH,
  forgetMembership,
  foundMesh,
  loadDeviceSeed,
  loadMembership,
  saveMembership
} from './security/identity.ts'
import type { Membership } from './security/identity.ts'
import { certificatePem, checkLeaf, issueLeaf, makeMeshCa, makeTlsKey, privateKeyPem } from './security/mesh-ca.ts'
import { createSensors } from './sensors/index.ts'
import type { Sensors } from './sensors/index.ts'

export interface StartOptions {
  config: Config
  /** A mesh of its own at once. */
  makeNew: boolean
  invite?: string
  acceptOpenDoor: boolean
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

type LevelStore = Awaited<ReturnType<typeof openLevelStore>>

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
  #doors: Doors | undefined
  #member: Member | undefined
  #newcomer: Newcomer | undefined
  /** What HTTPS shows before there is a mesh CA. */
  #temporaryTls: { key: string; cert: string; ca: string } | undefined
  #tlsKey: { tlsKey: Uint8Array; spki: Uint8Array } | undefined
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
    const membership = loadMembership(dataDir)
    try {
      if (membership === undefined) await this.#makeTemporaryTls()
      else await this.#become(membership)
      await this.#openDoors()
    } catch (error) {
      await this.#member?.stop({ drain: false, forever: false, farewell: true })
      await this.#host.shutdown({ keepSessions: true })
      throw error
    }
    if (membership === undefined) void this.#look(this.#options)
  }

  // ---- PeerApi: what the doors ask ----

  sign(bytes: Uint8Array): Uint8Array {
    return this.#crypto.sign(bytes)
  }

  verifyMember(peerId: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    const key = tryPeerKey(peerId)
    const known = this.#member?.peer.member(peerId)
    return key !== undefined && known !== undefined && this.#crypto.verify(key, bytes, signature)
  }

  readonly ledger: Ledger = {
    get: (key) => this.#member?.peer.ledger(key),
    list: (prefix) => this.#member?.peer.ledgerList(prefix) ?? [],
    put: (key, value) => this.#ledgerPut(key, value),
    remove: (key) => this.#ledgerPut(key, new Uint8Array())
  }

  status(): StatusView {
    const member = this.#member
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
      notices: this.#notices(),
      doors: member?.doors() ?? [],
      offers: this.#newcomer?.offers() ?? [],
      paused: member?.peer.sessions.admission.paused ?? false,
      leash: { connected: this.#host.state.connected, children: this.#host.state.children }
    }
  }

  nodes(): NodeView[] {
    return this.#member?.nodes() ?? []
  }
  async node(id: string): Promise<NodeDetail> {
    return await this.#active().detail(id)
  }
  pages(): { peerId: string; name: string; url: string }[] {
    const member = this.#member
    if (member === undefined) return []
    return [...member.peer.members()].flatMap(({ peer, name, state }) => {
      if (peer === this.peerId || state !== 'alive') return []
      const [likeliest, ...others] = member.peer.ad(peer)?.static?.urls ?? []
      const urls = likeliest === undefined ? [] : [likeliest, ...others.filter((url) => BY_ADDRESS.test(url))]
      return urls.slice(0, PAGES_PER_PEER).map((url) => ({ peerId: peer, name, url }))
    })
  }
  sessions(): SessionView[] {
    return this.#member?.sessions() ?? []
  }
  async session(id: string): Promise<SessionView> {
    const member = this.#active()
    return member.sessionView(await this.#record(id))
  }
  events(): EventView[] {
    return [...(this.#member?.peer.events ?? [])]
  }

  counts(): Readonly<Record<string, number>> {
    const member = this.#member
    return member === undefined ? {} : { ...Object.fromEntries(member.peer.counters), ...member.network.counts }
  }

  async create(input: SpecInput, who: Principal): Promise<Created> {
    const member = this.#active()
    const spec = specOf(input, who)
    if (spec.on !== undefined) spec.on = member.findNode(spec.on)
    if (spec.notOn !== undefined) spec.notOn = member.findNode(spec.notOn)
    if (spec.input !== undefined && !this.#blobs.has(spec.input.hash)) {
      throw new MeshError(
        'BAD_REQUEST',
        `the files ${spec.input.hash.slice(0, 8)} were not uploaded: PUT /api/v1/blobs/{hash} first`
      )
    }
    const nonce = input.nonce === undefined ? this.#random.bytes(16) : Buffer.from(input.nonce, 'hex')
    const { record, durability } = await new Promise<{ record: SessionRecord; durability: number }>(
      (resolve, reject) => {
        member.peer.sessions.submit(spec, nonce, (error, result) =>
          error === undefined ? resolve(result!) : reject(error)
        )
      }
    )
    return { session: member.sessionView(record), durability }
  }

  async stop(id: string, who: Principal): Promise<SessionView> {
    const member = this.#active()
    const record = await this.#record(id)
    await new Promise<void>((resolve, reject) => {
      member.peer.sessions.stop(record, who.name, (error) => (error === undefined ? resolve() : reject(error)))
    })
    return member.sessionView(await this.#record(record.id))
  }

  async attach(id: string, options: { from: number; follow: boolean; stdin: boolean }): Promise<Attachment> {
    const member = this.#active()
    const record = await this.#record(id)
    return watchSession(
      { peer: member.peer, host: this.#host, view: (found) => member.sessionView(found) },
      record.id,
      options
    )
  }

  hasBlob(hash: string): boolean {
    return this.#blobs.has(hash)
  }
  async putBlob(hash: string, content: Readable): Promise<{ bytes: number }> {
    return await this.#blobs.put(hash, content, BLOB_MAX_BYTES)
  }
  async getBlob(hash: string): Promise<{ bytes: number; content: Readable }> {
    if (!this.#blobs.has(hash)) {
      const { peer } = this.#active()
      const record = [...peer.summaries()].find((one) => one.output?.hash === hash || one.spec.input?.hash === hash)
      const sources = blobSources(
        record,
        [...peer.members()].map((member) => member.peer)
      )
      const source = await findBlob(peer, hash, sources)
      if (source === undefined)
        throw new MeshError('PEER_UNREACHABLE', `no PC that can be reached has the files ${hash.slice(0, 8)}`)
      await fetchBlob(peer, this.#blobs, { hash, bytes: BLOB_MAX_BYTES }, [source])
    }
    return await this.#blobs.open(hash)
  }

  async invite(options: { uses: number; ttlMs: number }): Promise<{ invite: string; expiresAt: number; uses: number }> {
    return await this.#active().desk.invite(options)
  }
  async openDoor(forMs: number): Promise<void> {
    await this.#active().desk.openDoor(forMs)
  }
  async closeDoor(): Promise<void> {
    await this.#active().desk.closeDoor()
  }

  async join(invite: string): Promise<StatusView> {
    const member = this.#member
    if (member === undefined) {
      const newcomer = this.#newcomer
      if (newcomer === undefined)
        throw new MeshError('NOT_ACTIVE', 'this peer is still starting; try again in a moment')
      await newcomer.join(invite)
      return await this.#afterJoining(newcomer)
    }
    this.#refuseToMove(member)
    // The old mesh is given up only once the new membership is on disk.
    const enrolled = await enrolByInvite(invite, await this.#newcomerOptions())
    await this.#end(member, true)
    await this.#become(this.#membershipOf(enrolled))
    return this.status()
  }

  async accept(offerId: string): Promise<StatusView> {
    const newcomer = this.#newcomer
    if (newcomer === undefined) throw new MeshError('BAD_REQUEST', 'this PC is not looking for a mesh')
    await newcomer.accept(offerId)
    return await this.#afterJoining(newcomer)
  }

  async found(): Promise<StatusView> {
    const newcomer = this.#newcomer
    if (newcomer === undefined)
      throw new MeshError(
        'BAD_REQUEST',
        this.#member === undefined
          ? 'this peer is still starting'
          : `this PC is in mesh "${this.#member.genesis.name}" already`
      )
    newcomer.decline()
    return await this.#afterJoining(newcomer)
  }

  async leave(): Promise<StatusView> {
    const member = this.#active()
    await this.#end(member, true)
    forgetMembership(this.#config.dataDir)
    rmSync(join(this.#config.dataDir, 'invites.cbor'), { force: true })
    await this.#makeTemporaryTls()
    // What it was started with has served: an invite is used up, and nobody agreed to enter a door again.
    await this.#look({ makeNew: false, acceptOpenDoor: false })
    this.#changed('status')
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
    if (this.#member !== undefined) return this.#member.peer.phase
    return this.#newcomer === undefined ? 'starting' : 'looking'
  }

  get #name(): string {
    return this.#member?.peer.nameOf(this.peerId) ?? this.#config.name
  }

  /** Enters the mesh of this membership. */
  async #become(membership: Membership): Promise<void> {
    const { name } = readCertificate(membership.certificate)
    const scope = `${Buffer.from(this.#crypto.sha256(membership.genesis)).toString('hex').slice(0, 16)}/`
    writeFileSync(join(this.#config.dataDir, 'mesh-ca.pem'), certificatePem(membership.ca), { mode: 0o644 })
    const member = await Member.start({
      config: { ...this.#config, name },
      seed: this.#seed,
      membership,
      store: scopedStore(this.#store, scope),
      host: this.#host,
      blobs: this.#blobs,
      sensors: this.#sensors,
      clock: this.#clock,
      random: this.#random,
      crypto: this.#crypto,
      log: this.#log,
      version: this.#version,
      urls: () => this.#doors?.urls() ?? []
    })
    this.#member = member
    this.#newcomer = undefined
    member.peer.onChange((what) => {
      if (what === 'ledger' || what === 'doors') this.#changed('status')
      else this.#changed(what)
      if (what === 'nodes') this.#changed('status')
    })
    if (this.#doors !== undefined) member.refresh()
    this.#changed('status')
    this.#changed('nodes')
    this.#changed('sessions')
  }

  async #end(member: Member, forever: boolean): Promise<void> {
    this.#member = undefined
    await member.stop({ drain: true, forever, farewell: true })
    if (!forever) return
    const scope = `${member.genesis.id.slice(0, 16)}/`
    await clearScope(this.#store, scope)
  }

  /** Joins by invite, makes a mesh, or looks for an open door for some seconds before it makes one. Never rejects. */
  async #look({
    makeNew,
    acceptOpenDoor,
    invite
  }: Pick<StartOptions, 'makeNew' | 'acceptOpenDoor' | 'invite'>): Promise<void> {
    try {
      const enrol = await this.#newcomerOptions()
      if (makeNew) return await this.#makeMesh()
      const newcomer = new Newcomer({
        lookMs: this.#config.lookMs,
        acceptOpenDoor,
        ...(invite === undefined ? {} : { invite }),
        enrol,
        clock: this.#clock,
        log: this.#log,
        onChange: () => {
          this.#changed('status')
          for (const offer of this.#newcomer?.offers() ?? [])
            this.#sayOffer(
              offer.id,
              `"${offer.meshName}" (${offer.memberName}) has its door open. Six words: ${offer.words}`
            )
        }
      })
      this.#newcomer = newcomer
      void newcomer.outcome.then((outcome) => this.#arrive(outcome))
    } catch (error) {
      await this.#notEntered('the mesh could not be entered', error)
    }
  }

  async #arrive(outcome: LookOutcome): Promise<void> {
    if (outcome.k === 'failed') return await this.#notEntered('joining failed', outcome.error)
    try {
      if (outcome.k === 'enrolled') await this.#become(this.#membershipOf(outcome.enrolled))
      else await this.#makeMesh()
    } catch (error) {
      await this.#notEntered('the mesh could not be entered', error)
    }
  }

  async #notEntered(what: string, error: unknown): Promise<void> {
    const cause = error instanceof Error ? error.message : String(error)
    this.failure = new MeshError(error instanceof MeshError ? error.code : 'NOT_ACTIVE', `${what}: ${cause}`, {
      cause: error
    })
    this.#log.error(what, { cause })
    await this.down({ keepSessions: false })
  }

  readonly #said = new Set<string>()
  #sayOffer(id: string, line: string): void {
    if (this.#said.has(id)) return
    this.#said.add(id)
    this.#options.say(line)
    this.#options.say('Press Enter to join when the other PC shows the same words, or use the page.')
  }

  async #makeMesh(): Promise<void> {
    const names = ownNames()
    const founded = await foundMesh({
      dir: this.#config.dataDir,
      deviceSeed: this.#seed,
      meshName: this.#config.meshName,
      peerName: this.#config.name,
      ...names,
      wall: this.#clock.wall()
    })
    this.#options.say(founded.kitNotice)
    await this.#become(founded.membership)
  }

  async #afterJoining(newcomer: Newcomer): Promise<StatusView> {
    const outcome = await newcomer.outcome
    if (outcome.k === 'failed') throw outcome.error
    while (this.#member === undefined && !this.#ending) await new Promise((resolve) => setTimeout(resolve, 20))
    return this.status()
  }

  #refuseToMove(member: Member): void {
    const others = [...member.peer.members()].filter((one) => one.peer !== this.peerId && one.state !== 'left')
    const live = [...member.peer.summaries()].filter((record) => record.endedAt === undefined)
    if (others.length > 0)
      throw new MeshError(
        'BAD_REQUEST',
        `this PC is in mesh "${member.genesis.name}" with ${others.length} other PCs; \`omega leave\` first`
      )
    if (live.length > 0)
      throw new MeshError(
        'BAD_REQUEST',
        `${live.length} sessions live in mesh "${member.genesis.name}" of this PC; stop them or \`omega leave\` first`
      )
  }

  async #shutDown({ keepSessions }: { keepSessions: boolean }): Promise<void> {
    try {
      const member = this.#member
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

  // ---- doors ----

  async #openDoors(): Promise<void> {
    const { config } = this.#options
    this.#doors = await createDoors({
      api: this,
      dataDir: config.dataDir,
      uiDir: pageFolder() ?? join(config.dataDir, 'no-page'),
      port: config.port,
      bind: config.bind,
      localPort: config.localPort,
      tls: () => this.#tls(),
      tlsEnabled: config.tlsEnabled,
      log: this.#log,
      version: this.#version,
      hostNames: () => {
        const { host, ips } = ownNames()
        return [...(host === '' ? [] : [host, `${host}.local`]), ...ips]
      },
      defaultPorts: { port: !config.portsSet.port, localPort: !config.portsSet.localPort }
    })
    this.#member?.refresh()
  }

  #tls(): { key: string; cert: string; ca: string } {
    const membership = this.#member?.renewal.membership
    if (membership === undefined) return this.#temporaryTls!
    return {
      key: privateKeyPem(membership.tlsKey),
      cert: certificatePem(membership.leaf) + certificatePem(membership.ca),
      ca: certificatePem(membership.ca)
    }
  }

  /** Before there is a mesh, HTTPS has a certificate of its own that nobody is asked to trust for long. */
  async #makeTemporaryTls(): Promise<void> {
    const wall = this.#clock.wall()
    const ca = await makeMeshCa('a PC without a mesh', wall)
    const { tlsKey, spki } = await this.#ownTlsKey()
    const leaf = await issueLeaf(ca, { name: this.#config.name, ...ownNames(), spki, wall })
    this.#temporaryTls = { key: privateKeyPem(tlsKey), cert: certificatePem(leaf), ca: certificatePem(ca.ca) }
  }

  async #ownTlsKey(): Promise<{ tlsKey: Uint8Array; spki: Uint8Array }> {
    return (this.#tlsKey ??= await makeTlsKey())
  }

  async #newcomerOptions(): Promise<NewcomerOptions> {
    const { spki } = await this.#ownTlsKey()
    return {
      device: this.#crypto.publicKey,
      crypto: this.#crypto,
      spki,
      name: this.#config.name,
      ...ownNames(),
      words: BIP39_ENGLISH,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      keep: (enrolled) => {
        checkLeaf(enrolled.leaf, enrolled.ca, spki)
        saveMembership(this.#config.dataDir, this.#membershipOf(enrolled))
      }
    }
  }

  #membershipOf(enrolled: Enrolled): Membership {
    return {
      genesis: enrolled.genesis.signed,
      certificate: enrolled.certificate.signed,
      ca: enrolled.ca,
      leaf: enrolled.leaf,
      tlsKey: this.#tlsKey!.tlsKey,
      members: enrolled.members.map(({ peer, addresses }) => ({ peer, addresses: [...addresses] }))
    }
  }

  // ---- small ----

  #active(): Member {
    if (this.#member === undefined)
      throw new MeshError(
        'NOT_ACTIVE',
        this.#newcomer === undefined
          ? 'this peer is still starting'
          : 'this PC has no mesh yet: join one, or make one with `omega up --new`'
      )
    return this.#member
  }

  async #record(id: string): Promise<SessionRecord> {
    const { peer } = this.#active()
    const known = [...peer.summaries()].filter((record) => record.id.startsWith(id))
    const local = [...peer.sessions.records.all.values()].filter((record) => record.id.startsWith(id))
    const ids = [...new Set([...known, ...local].map((record) => record.id))]
    if (ids.length > 1) throw new MeshError('BAD_REQUEST', `${ids.length} sessions begin with ${id}; give more digits`)
    if (ids[0] === undefined)
      throw new MeshError('UNKNOWN_SESSION', `no session begins with ${id}; \`omega ps --all\` lists them`)
    const record = await new Promise<SessionRecord | undefined>((resolve) => peer.record(ids[0]!, resolve))
    if (record === undefined)
      throw new MeshError('UNKNOWN_SESSION', `session ${id} is known, and none of its keepers can be reached`)
    return record
  }

  async #setPaused(nodeId: string | undefined, paused: boolean): Promise<NodeView> {
    const member = this.#active()
    const peer = nodeId === undefined ? this.peerId : member.findNode(nodeId)
    if (peer !== this.peerId) {
      throw new MeshError(
        'DENIED',
        `only at ${member.peer.nameOf(peer)} itself can it be ${paused ? 'paused' : 'resumed'}: a PC belongs to its owner`
      )
    }
    // sessiond takes work again before any is given to it.
    if (!paused) this.#host.pauseAll(false)
    if (paused) member.peer.sessions.pause()
    else member.peer.sessions.resume()
    if (paused) this.#host.pauseAll(true)
    this.#changed('status')
    return member.nodes().find((node) => node.self)!
  }

  #ledgerPut(key: string, value: Uint8Array): Promise<void> {
    const { peer } = this.#active()
    return new Promise((resolve, reject) =>
      peer.ledgerPut(key, value, (error) => (error === undefined ? resolve() : reject(error)))
    )
  }

  #notices(): NoticeView[] {
    const notices: NoticeView[] = []
    const member = this.#member
    const add = (code: string, text: string, fix: string): void => void notices.push({ code, text, fix })
    if (!this.#host.state.connected)
      add(
        'no-sessiond',
        'the process that owns the sessions of this PC is not running; nothing can run here',
        'it is being restarted; see the log if this stays'
      )
    if (pageFolder() === undefined) add('no-page', 'the page is not built', 'npm run build')
    const trouble = member?.discoveryTrouble()
    if (trouble !== undefined)
      add('no-multicast', `other PCs cannot be found by themselves: ${trouble.reason}`, trouble.fix)
    if (member?.peer.isolated === true)
      add('isolated', 'no other PC of the mesh answers', 'check the network; what runs here goes on')
    for (const [peer, skewMs] of member?.peer.skews ?? []) {
      const minutes = Math.round(Math.abs(skewMs) / 60_000)
      add(
        'clock',
        `the clock of ${member!.peer.nameOf(peer)} is ${minutes} min ${skewMs > 0 ? 'ahead' : 'behind'}`,
        'set the clocks; from ten minutes on the PCs refuse each other'
      )
    }
    const refused = member?.peer.refusals.at(-1)
    if (refused !== undefined && this.#clock.wall() - refused.at < 60_000)
      add('refused', `a link was refused: ${refused.text}`, '')
    for (const [id, epoch] of member?.peer.sessions.forks ?? []) {
      add(
        'fork',
        `a second run of session ${id.slice(0, 8)} (epoch ${epoch}) is kept frozen here`,
        `omega stop ${id.slice(0, 8)}`
      )
    }
    if (this.#store.repaired)
      add(
        'store-repaired',
        'the data folder was damaged and has been repaired; what could not be saved comes back from the other PCs',
        ''
      )
    if (this.#store.damagedValues > 0)
      add(
        'store-damaged',
        `${this.#store.damagedValues} damaged entries were left out of the data folder`,
        'check the disk'
      )
    const { trouble: diskTrouble } = this.#store
    if (diskTrouble !== undefined)
      add(
        'disk',
        `the disk refuses what this PC has to keep: ${diskTrouble}`,
        `make room on the disk of ${this.#config.dataDir}`
      )
    return notices
  }

  #changed(change: Change): void {
    this.#changes.add(change)
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = undefined
      const changes = this.#changes
      this.#changes = new Set()
      for (const listener of this.#listeners) listener(changes)
    }, TELL_MS)
  }
}

const Scheme = z.string().regex(/^(exec|shell):/)

function specOf(input: SpecInput, who: Principal): Mutable<SessionSpec> {
  if (!Scheme.safeParse(input.app_uri).success) {
    throw new MeshError(
      'BAD_REQUEST',
      `"${input.app_uri.slice(0, 60)}" names no launcher; there are exec: (a program) and shell: (a command line)`
    )
  }
  if (input.gpu_units > 0) throw new MeshError('BAD_REQUEST', 'gpu_units: GPUs cannot be granted yet; leave it out')
  if (input.user_id !== undefined && input.user_id !== who.name && who.role !== 'admin') {
    throw new MeshError('DENIED', `${who.name} cannot start sessions for ${input.user_id}`)
  }
  const { constraints } = input
  return {
    appUri: input.app_uri,
    args: input.args,
    env: input.env,
    cwd: input.cwd,
    user: input.user_id ?? who.name,
    cpuMilli: Math.round(input.cpu_cores * 1000),
    memoryBytes: input.ram_bytes,
    labels: constraints.labels,
    ...(constraints.on === undefined ? {} : { on: constraints.on }),
    ...(constraints.not_on === undefined ? {} : { notOn: constraints.not_on }),
    restart: input.restart,
    stdin: input.stdin,
    ...(input.inputs === undefined ? {} : { input: input.inputs })
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
