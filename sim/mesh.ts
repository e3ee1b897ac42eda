/**
 * A simulated mesh: PCs on one LAN, all members from the start, and the things that can happen to them. Everything is
 * drawn from the seed and nothing reads the real clock: same seed and same calls, same trace hash.
 */
import {
  CERT_LIFE_MS,
  DELEGATION_LIFE_MS,
  FIRST_MEMBER_CAPS,
  issueCertificate,
  makeDelegation,
  makeGenesis,
  MEMBER_CAPS,
  openGenesis
} from '../protocols/joining/index.ts'
import type { MeshError } from '../protocols/errors.ts'
import { signRecord } from '../protocols/membership/index.ts'
import type { MembershipSettings } from '../protocols/membership/index.ts'
import type { PeerId, SessionId } from '../protocols/ports.ts'
import { compareVersion, FINAL_STATES } from '../protocols/session/index.ts'
import type { SessionRecord, SessionSpec } from '../protocols/session/index.ts'
import { Timeline, WALL_START_MS } from './clock.ts'
import { KeyRing } from './crypto.ts'
import { Fabric } from './fabric.ts'
import type { LinkShape } from './fabric.ts'
import { SimPc } from './pc.ts'
import type { Capacity, Program, World } from './pc.ts'
import { createRandom } from './random.ts'
import { RunLog } from './run-log.ts'
import { Sites } from './sites.ts'
import { Trace } from './trace.ts'
import type { Watch } from './watch.ts'

export interface MeshOptions {
  seed: number
  /** How many, or their names. */
  peers: number | readonly string[]
  shape?: LinkShape
  /** Longest flush of the disks, ms. */
  syncMaxMs?: number
  /** Default: yes. */
  discovery?: boolean
  /** Of each PC. Default: 4 cores, 8 GiB. */
  capacity?: Capacity
  /** Names of PCs that keep records and vote, and run nothing. */
  witnesses?: readonly string[]
  /** The PCs are switched on within this time. Default: 500. */
  startWithinMs?: number
  /** The PCs know each other's words and addresses from the last time. */
  acquainted?: boolean
  /** And that all are here and what they give: the story begins in the middle. */
  warm?: boolean
  /** Limits of membership other than its own. */
  membership?: Partial<MembershipSettings>
  /** Every message goes through the codec; otherwise one in a hundred. */
  wire?: boolean
  /** The certificate of this PC runs out so long after the start. */
  lapsing?: { name: string; afterMs: number }
  /** Which version of the peer program a PC runs, at each start of it. Default: this one. */
  program?: Program
  /** How a person runs this again; part of every failure. */
  replay?: string
}

/** A PC by its place in the list, its name, or itself. */
export type Which = number | string | SimPc

/** What a submitter has heard so far. */
export interface Job {
  id: SessionId | undefined
  /** Copies on disk when it was accepted. */
  durability: number | undefined
  error: MeshError | undefined
}

export function startMesh(options: MeshOptions): SimMesh {
  const mesh = new SimMesh(options)
  const random = createRandom(options.seed, 'switch on')
  for (const pc of mesh.pcs) mesh.world.timeline.at(random.float() * (options.startWithinMs ?? 500), () => pc.start())
  return mesh
}

export class SimMesh {
  readonly seed: number
  readonly world: World
  readonly sites: Sites
  /** What must hold at every moment, where somebody looks. */
  watch: Watch | undefined
  /** Sessions that were stopped before anybody held them for ended, and that was answered. */
  readonly stopped = new Set<SessionId>()
  readonly #trace = new Trace()
  readonly #replay: string
  #jobs = 0

  constructor(options: MeshOptions) {
    const { seed, peers } = options
    this.seed = seed
    this.#replay = options.replay ?? `omega sim replay --seed ${seed}`
    const timeline = new Timeline()
    const ring = new KeyRing(seed)
    const fabric = new Fabric({
      timeline,
      trace: this.#trace,
      seed,
      wire: options.wire === true,
      ...(options.shape === undefined ? {} : { shape: options.shape })
    })
    const root = ring.key('root')
    const nonce = createRandom(seed, 'genesis').bytes(16)
    const signed = makeGenesis({ name: 'simulated', root: root.publicKey, nonce, created: WALL_START_MS }, root.sign)
    const genesis = openGenesis(signed, ring.cryptoOf(root))
    const runs = new RunLog(timeline, this.#trace)
    this.world = {
      seed,
      timeline,
      fabric,
      ring,
      runs,
      genesis,
      pcs: [],
      discovery: options.discovery ?? true,
      membership: options.membership ?? {},
      formed: undefined,
      program: options.program
    }
    const names = typeof peers === 'number' ? Array.from({ length: peers }, (_, i) => `pc${i}`) : peers
    this.#enrol(names, options.capacity ?? { cpuMilli: 4000, memoryBytes: 8 * 2 ** 30 }, options)
    if (options.acquainted === true || options.warm === true) this.#acquaint()
    if (options.warm === true) this.world.formed = { entries: this.pcs.flatMap((pc) => pc.told(WALL_START_MS)) }
    if (options.syncMaxMs !== undefined)
      for (const pc of this.pcs) pc.disk.times.syncMaxMs = Math.max(pc.disk.times.syncMinMs, options.syncMaxMs)
    this.sites = new Sites(this)
  }

  get pcs(): readonly SimPc[] {
    return this.world.pcs
  }
  get nowMs(): number {
    return this.world.timeline.nowMs
  }
  /** The date, as PCs with right clocks have it. */
  get wallMs(): number {
    return Math.floor(WALL_START_MS + this.nowMs)
  }
  get running(): SimPc[] {
    return this.pcs.filter((pc) => pc.running)
  }

  /** All but those that nobody will see again. */
  get left(): SimPc[] {
    return this.pcs.filter((pc) => !pc.stolen)
  }

  pc(which: Which): SimPc {
    if (typeof which === 'object') return which
    const found = typeof which === 'number' ? this.pcs[which] : this.pcs.find((pc) => pc.name === which)
    if (found === undefined) throw new Error(`no PC "${which}" among ${this.pcs.map((pc) => pc.name).join(', ')}`)
    return found
  }

  // ---- time ----

  run(ms: number): void {
    this.#guarded(() => this.world.timeline.run(ms))
  }

  /** Runs until the condition holds. Fails with what was waited for, the seed and how to see it again. */
  until(
    condition: () => boolean,
    { withinMs, what, everyMs = 10 }: { withinMs: number; what: string; everyMs?: number }
  ): void {
    const sinceMs = this.nowMs
    let nextMs = -Infinity
    // the condition may look at every peer, so it is not asked after every event
    const sampled = (): boolean => {
      if (this.nowMs < nextMs) return false
      nextMs = this.nowMs + everyMs
      return condition()
    }
    const held = this.#guarded(() => this.world.timeline.until(sampled, withinMs)) || condition()
    if (!held) throw this.failure(`not within ${withinMs} ms from ${(sinceMs / 1000).toFixed(3)} s: ${what}`)
  }

  /** Sixteen hex digits over all that was delivered so far, in order. */
  traceHash(): string {
    return this.#trace.digest()
  }

  /** An error that says how to see it again, with the last words of the PCs. */
  failure(what: string, cause?: unknown): Error {
    const lines = this.pcs.flatMap((pc) => pc.log).sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b))
    const text = [
      what,
      `at ${(this.nowMs / 1000).toFixed(3)} s, seed ${this.seed}; again: ${this.#replay}`,
      ...lines.slice(-20)
    ].join('\n')
    return new Error(text, cause === undefined ? {} : { cause })
  }

  // ---- what happens to PCs ----

  /** Power cut of one PC: others hear nothing. */
  kill(which: Which): void {
    this.pc(which).powerCut()
  }
  /** Only the peer program dies; its children live on under the leash. */
  killPeerProcess(which: Which): void {
    this.pc(which).killPeerProcess()
  }
  /** Starts what is off or killed; `readdress`: at a new address, as after another DHCP lease. */
  restart(which: Which, options: { readdress?: boolean } = {}): void {
    const pc = this.pc(which)
    if (options.readdress === true) this.world.fabric.readdress(pc.station)
    pc.start()
  }
  /** Groups lose each other; a PC in no group keeps all. */
  cut(...groups: readonly Which[][]): void {
    this.world.fabric.cut(groups.map((group) => this.#ids(group)))
  }
  /** What `from` says does not reach `to`; the other way works. */
  cutOneWay(from: readonly Which[], to: readonly Which[]): void {
    this.world.fabric.block(this.#ids(from), this.#ids(to))
  }
  heal(): void {
    this.world.fabric.heal()
  }

  // ---- work ----

  /** `command`: a program of simulated PCs (host.ts). The answer fills in as virtual time passes. */
  submit(which: Which, command: string, spec: Partial<SessionSpec> = {}, key = this.#jobs++): Job {
    const pc = this.pc(which)
    const job: Job = { id: undefined, durability: undefined, error: undefined }
    const nonce = createRandom(this.seed, 'job', key).bytes(16)
    const defaults: SessionSpec = {
      appUri: 'shell:' + command,
      args: [],
      env: {},
      cwd: '',
      user: 'ann',
      cpuMilli: 1000,
      memoryBytes: 256 * 2 ** 20,
      labels: {},
      restart: 'no',
      stdin: false
    }
    if (pc.peer === undefined) throw new Error(`${pc.name} runs no peer that could take the job`)
    pc.peer.sessions.submit({ ...defaults, ...spec }, nonce, (error, result) => {
      job.error = error
      job.id = result?.record.id
      job.durability = result?.durability
      if (error === undefined) this.sites.accepted(pc)
    })
    return job
  }

  /** At that PC, or the next that knows the session, as a person would. */
  stop(id: SessionId, at: Which): void {
    const from = this.pc(at).index
    for (const { peer, paused } of [...this.pcs.slice(from), ...this.pcs.slice(0, from)]) {
      if (peer?.phase !== 'active' || paused) continue
      const known = peer.sessions.records.all.get(id) ?? peer.summary(id)
      if (known === undefined) continue
      const isOver = this.pcs.some((pc) => {
        const record = pc.peer?.sessions.records.all.get(id)
        return record !== undefined && FINAL_STATES.has(record.state)
      })
      return peer.sessions.stop(known, 'ann', (error) => void (error === undefined && !isOver && this.stopped.add(id)))
    }
  }

  /** The session as the newest record on any running PC has it. */
  session(id: SessionId | undefined): SessionRecord | undefined {
    if (id === undefined) return undefined
    let best: SessionRecord | undefined
    for (const { peer } of this.running) {
      const record = peer?.sessions.records.all.get(id)
      if (record !== undefined && (best === undefined || compareVersion(record, best) > 0)) best = record
    }
    return best
  }

  /** True when each of these PCs, by default all that run, holds exactly them for alive. */
  agree(pcs: readonly SimPc[] = this.running): boolean {
    const ids = new Set(pcs.map((pc) => pc.id))
    return pcs.every(({ peer }) => {
      if (peer === undefined) return false
      let alive = 0
      for (const member of peer.members()) {
        if (member.state !== 'alive') continue
        if (!ids.has(member.peer)) return false
        alive++
      }
      return alive === ids.size
    })
  }

  /** True when each of these PCs knows what each other one gives. */
  advertised(pcs: readonly SimPc[] = this.running): boolean {
    return pcs.every(
      ({ peer }) =>
        peer !== undefined &&
        pcs.every((other) => peer.ad(other.id)?.dynamic !== undefined && peer.ad(other.id)?.static !== undefined)
    )
  }

  #enrol(names: readonly string[], capacity: Capacity, { witnesses = [], lapsing }: MeshOptions): void {
    const { ring, genesis, pcs } = this.world
    const keys = names.map((name) => ring.key(`pc ${name}`))
    const first = keys[0]
    if (first === undefined) throw new Error('a mesh has at least one PC')
    const nbf = WALL_START_MS - (lapsing === undefined ? 0 : CERT_LIFE_MS)
    const dates = { nbf, exp: nbf + DELEGATION_LIFE_MS }
    const delegation = makeDelegation(
      { mesh: genesis.idBytes, device: first.publicKey, caps: ['enrol', 'renew'], ...dates },
      ring.key('root').sign
    )
    for (const [index, name] of names.entries()) {
      const key = keys[index]!
      const random = createRandom(this.seed, 'certificate', index)
      const certificate = issueCertificate(
        {
          genesis,
          issuer: first.publicKey,
          delegation,
          serial: random.bytes(16),
          device: key.publicKey,
          name,
          caps: index === 0 ? FIRST_MEMBER_CAPS : MEMBER_CAPS,
          tls: random.bytes(32),
          wall: name === lapsing?.name ? WALL_START_MS - CERT_LIFE_MS + lapsing.afterMs : WALL_START_MS
        },
        first.sign
      )
      pcs.push(new SimPc(this.world, { index, name, key, certificate, capacity, witness: witnesses.includes(name) }))
    }
  }

  #acquaint(): void {
    const { pcs, ring } = this.world
    const words = pcs.map((pc): [string, Uint8Array] => {
      const { peerId: peer } = pc.key
      const record = { peer, inc: 1, boot: '0'.repeat(16), name: pc.name, addrs: [pc.station.address], ver: '0.1.0' }
      return [`m/${peer}`, signRecord(record, ring.cryptoOf(pc.key))]
    })
    words.sort(([a], [b]) => (a < b ? -1 : 1))
    for (const pc of pcs) pc.disk.imprint(words)
  }

  #ids(group: readonly Which[]): PeerId[] {
    return group.map((which) => this.pc(which).id)
  }

  /** What a peer throws is a bug of the program: it ends the run and says where. */
  #guarded<T>(fn: () => T): T {
    try {
      return fn()
    } catch (error) {
      throw this.failure(`a peer threw: ${(error as Error).message}`, error)
    }
  }
}
