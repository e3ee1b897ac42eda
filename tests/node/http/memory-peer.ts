/** A PeerApi that lives in memory, for tests of the doors: what it was asked is recorded, what it answers can be set. */
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Readable } from 'node:stream'
import { MeshError } from '../../../protocols/errors.ts'
import type { SpecInput } from '../../../protocols/session/index.ts'
import type { Attachment, Change, Created, DisplayLine, Ledger, PeerApi, Principal } from '../../../node/http/api.ts'
import type {
  AppsView,
  EventView,
  NodeDetail,
  NodeView,
  SessionView,
  SimulationView,
  StatusView,
  TieView
} from '../../../node/http/views.ts'

export class MemoryLedger implements Ledger {
  readonly #values: Map<string, Uint8Array>
  /** Share a map for two members of one mesh. */
  constructor(values = new Map<string, Uint8Array>()) {
    this.#values = values
  }
  get(key: string) {
    return this.#values.get(key)
  }
  list(prefix: string) {
    return [...this.#values].filter(([key]) => key.startsWith(prefix))
  }
  async put(key: string, value: Uint8Array) {
    this.#values.set(key, value)
  }
  async remove(key: string) {
    this.#values.delete(key)
  }
}

/** What a session of the memory peer does with its watcher. */
export interface Script {
  output:
    | AsyncIterable<{ stream: 1 | 2 | 3; bytes: Uint8Array; offset: number }>
    | Iterable<{ stream: 1 | 2 | 3; bytes: Uint8Array; offset: number }>
  writeStdin?(bytes: Uint8Array): Promise<void>
  endStdin?(): void
  signal?(name: string): void
  resize?(size: { columns: number; rows: number }): void
  onProgress?(listener: (text: string) => void): void
  ended?: Promise<SessionView>
  close?(): void
}

export class MemoryPeer implements PeerApi {
  readonly peerId: string
  readonly ledger: MemoryLedger
  readonly calls: { name: string; args: unknown[] }[] = []
  readonly blobs = new Map<string, Buffer>()
  readonly listeners = new Set<(changes: ReadonlySet<Change>) => void>()
  readonly members: Map<string, KeyObject>
  readonly #key: KeyObject
  statusNow: StatusView
  nodesNow: NodeView[]
  sessionsNow: SessionView[] = []
  eventsNow: EventView[] = []
  script: (session: SessionView) => Script = () => ({ output: [] })
  /** The next call that the peer refuses. */
  refuse: MeshError | undefined

  constructor(name = 'den', shared: { ledger?: MemoryLedger; members?: Map<string, KeyObject> } = {}) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    this.peerId = `peer-of-${name}`
    this.ledger = shared.ledger ?? new MemoryLedger()
    this.members = shared.members ?? new Map()
    this.members.set(this.peerId, publicKey)
    this.#key = privateKey
    this.statusNow = statusOf(this.peerId, name)
    this.nodesNow = [nodeOf(this.peerId, name, true)]
  }

  changed(...changes: Change[]): void {
    for (const listener of this.listeners) listener(new Set(changes))
  }

  sign(bytes: Uint8Array) {
    return sign(null, bytes, this.#key)
  }
  verifyMember(peerId: string, bytes: Uint8Array, signature: Uint8Array) {
    const key = this.members.get(peerId)
    return key !== undefined && signature.length === 64 && verify(null, bytes, key, signature)
  }
  status() {
    return this.statusNow
  }
  nodes() {
    return this.nodesNow
  }
  pages() {
    return [{ peerId: 'peer-of-attic', name: 'attic', url: 'https://attic:8443' }]
  }
  async node(id: string): Promise<NodeDetail> {
    const node = this.nodesNow.find((one) => one.peerId === id || one.name === id)
    if (node === undefined) throw new MeshError('UNKNOWN_NODE', `no PC is called ${id}`)
    const missing = { missing: 'not read in this test' }
    return {
      ...node,
      disks: missing,
      interfaces: missing,
      hardware: {},
      hardwareAgeMs: null,
      hardwareMissing: 'not read in this test'
    }
  }
  sessions() {
    return [...this.sessionsNow]
  }
  async session(id: string) {
    const session = this.sessionsNow.find((one) => one.id.startsWith(id))
    if (session === undefined) throw new MeshError('UNKNOWN_SESSION', `no session ${id}`)
    return session
  }
  events() {
    return [...this.eventsNow]
  }
  counts() {
    return { refusedConnections: 3 }
  }
  async create(spec: SpecInput, who: Principal): Promise<Created> {
    this.#called('create', spec, who)
    const id = createHash('sha256')
      .update(spec.nonce ?? String(Math.random()))
      .digest('hex')
      .slice(0, 32)
    const known = this.sessionsNow.find((one) => one.id === id)
    const session =
      known ?? sessionOf(id, who.name, { appUri: spec.app_uri, state: 'pending', reason: 'no PC has room' })
    if (known === undefined) this.sessionsNow.push(session)
    return { session, durability: 1 }
  }
  async stop(id: string, who: Principal) {
    this.#called('stop', id, who)
    const session = await this.session(id)
    session.state = 'stopped'
    return session
  }
  async discardForks(id: string, who: Principal) {
    this.#called('discardForks', id, who)
    const session = await this.session(id)
    if (session.frozenOn.length === 0) throw new MeshError('BAD_REQUEST', 'no PC keeps a frozen run of it')
    session.frozenOn = []
    return session
  }
  async takeOver(id: string, who: Principal) {
    this.#called('takeOver', id, who)
    return await this.session(id)
  }
  tieNow: TieView = { rule: 'runner', anchor: null, witnesses: [] }
  tie() {
    return this.tieNow
  }
  async setTie(rule: TieView['rule'], anchor: string | undefined, who: Principal) {
    this.#called('setTie', rule, anchor, who)
    this.tieNow = { ...this.tieNow, rule, anchor: anchor ?? null }
    return this.tieNow
  }
  apps(): AppsView {
    return { apps: [], without: [] }
  }
  async display(id: string): Promise<DisplayLine> {
    throw new MeshError('BAD_REQUEST', `session ${id} has no windows`)
  }
  async attach(id: string, options: { from: number; follow: boolean; stdin: boolean }): Promise<Attachment> {
    this.#called('attach', id, options)
    const session = await this.session(id)
    const script = this.script(session)
    return {
      output: (async function* () {
        for await (const frame of script.output) if (frame.offset > options.from) yield frame
      })(),
      writeStdin: script.writeStdin ?? (async () => {}),
      endStdin: script.endStdin ?? (() => {}),
      signal: script.signal ?? (() => {}),
      resize: script.resize ?? (() => {}),
      ended: script.ended ?? Promise.resolve({ ...session, state: 'finished', exit: { code: 0, signal: null } }),
      onProgress: script.onProgress ?? (() => {}),
      close: script.close ?? (() => {})
    }
  }
  hasBlob(hash: string) {
    return this.blobs.has(hash)
  }
  async putBlob(hash: string, content: Readable) {
    const hasher = createHash('sha256')
    let bytes = 0
    for await (const chunk of content) {
      hasher.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
    if (hasher.digest('hex') !== hash) throw new MeshError('BAD_REQUEST', `the content is not ${hash}`)
    this.blobs.set(hash, Buffer.alloc(0))
    return { bytes }
  }
  async getBlob(hash: string) {
    const blob = this.blobs.get(hash)
    if (blob === undefined) throw new MeshError('BAD_REQUEST', `no peer has ${hash}`)
    return { bytes: blob.length, content: Readable.from([blob]) }
  }
  async invite(options: { uses: number; ttlMs: number }) {
    this.#called('invite', options)
    return { invite: 'omega-invite:test', expiresAt: options.ttlMs, uses: options.uses }
  }
  async openDoor(forMs: number) {
    this.#called('openDoor', forMs)
  }
  async closeDoor() {
    this.#called('closeDoor')
  }
  async join(invite: string) {
    this.#called('join', invite)
    return this.statusNow
  }
  async accept(offerId: string) {
    this.#called('accept', offerId)
    return this.statusNow
  }
  async found() {
    this.#called('found')
    return this.statusNow
  }
  async leave() {
    this.#called('leave')
    return this.statusNow
  }
  async pause(nodeId: string | undefined, who: Principal) {
    this.#called('pause', nodeId, who)
    return this.nodesNow[0]!
  }
  async resume(nodeId: string | undefined, who: Principal) {
    this.#called('resume', nodeId, who)
    return this.nodesNow[0]!
  }
  async down(options: { keepSessions: boolean }) {
    this.#called('down', options)
  }
  onChange(listener: (changes: ReadonlySet<Change>) => void) {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  #called(name: string, ...args: unknown[]): void {
    this.calls.push({ name, args })
    const refusal = this.refuse
    this.refuse = undefined
    if (refusal !== undefined) throw refusal
  }
}

export const SIMULATED: SimulationView = {
  seed: 1,
  peers: 3,
  nowMs: 1000,
  wallMs: 1_767_225_601_000,
  speed: 1,
  achieved: 1,
  eventsPerS: 100,
  off: [],
  cut: []
}

export function statusOf(peerId: string, name: string): StatusView {
  return {
    peerId,
    name,
    mesh: { id: 'ab'.repeat(32), name: 'home' },
    phase: 'active',
    version: '0.0.0',
    urls: [],
    dataDir: '/nowhere',
    uptimeS: 1,
    members: { alive: 1, total: 1 },
    sessions: { running: 0, total: 0 },
    notices: [],
    doors: [],
    offers: [],
    paused: false,
    leash: { connected: true, children: 0 },
    simulation: null
  }
}

export function nodeOf(peerId: string, name: string, self = false): NodeView {
  const missing = { missing: 'not read in this test' }
  return {
    peerId,
    name,
    state: 'alive',
    reason: 'it answers',
    self,
    addresses: [],
    lastSeenMs: 0,
    ageMs: 10,
    version: '0.0.0',
    os: missing,
    cpuModel: missing,
    cores: { value: 4 },
    cpu: { value: 0.25 },
    perCore: missing,
    load1: missing,
    memoryBytes: { value: 8e9 },
    memoryUsedBytes: { value: 2e9 },
    diskBytes: missing,
    diskFreeBytes: missing,
    netRxBytesPerS: missing,
    netTxBytesPerS: missing,
    gpus: missing,
    displays: missing,
    temperatureC: missing,
    battery: missing,
    bootedAtMs: missing,
    rttMs: missing,
    witness: false,
    offer: null,
    usedBy: '',
    labels: {},
    history: { cpu: [0.1, null, 0.25], memory: [0.2, 0.2, 0.25] }
  }
}

export function sessionOf(id: string, user: string, some: Partial<SessionView> = {}): SessionView {
  return {
    id,
    state: 'running',
    appUri: 'exec:sleep',
    args: ['60'],
    command: 'sleep 60',
    user,
    submitter: 'peer-of-den',
    owner: 'peer-of-den',
    runner: 'peer-of-den',
    keepers: ['peer-of-den'],
    epoch: 1,
    frozenOn: [],
    placement: null,
    reason: '',
    cpuMilli: 1000,
    memoryBytes: 2 ** 28,
    restart: 'no',
    mode: 'available',
    terminal: false,
    display: false,
    priority: 2,
    tasks: null,
    strict: null,
    exit: null,
    output: null,
    createdAt: 1_000,
    startedAt: 1_100,
    endedAt: null,
    history: [],
    ...some
  }
}
