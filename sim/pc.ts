/**
 * One simulated PC: its disk, its cable, its sessiond, and the peer program, which is the very protocols/peer that real PCs
 * run. What belongs to the PC outlives the program.
 */
import { encodeAdDynamic, encodeAdStatic, heartbeatMs, signEntry } from '../protocols/gossip/index.ts'
import type { AdDynamic, AdStatic } from '../protocols/gossip/index.ts'
import type { Genesis } from '../protocols/joining/index.ts'
import { MeshError } from '../protocols/errors.ts'
import type { MembershipSettings } from '../protocols/membership/index.ts'
import { Peer } from '../protocols/peer/index.ts'
import type { BlobRef, Log, PeerId, Random } from '../protocols/ports.ts'
import { SimProcess } from './clock.ts'
import type { ClockFault, Timeline } from './clock.ts'
import type { KeyRing, SimKey } from './crypto.ts'
import { announce } from './discovery.ts'
import { SimDisk } from './disk.ts'
import type { Fabric, Station } from './fabric.ts'
import { SimHost } from './host.ts'
import { DIAL_TIMEOUT_MS, SimNetwork } from './network.ts'
import { createRandom } from './random.ts'
import type { RegisterLog } from './register-log.ts'
import type { RunLog } from './run-log.ts'

/** Sensors of real PCs speak this often. */
const SENSOR_MS = 2000
const LOG_LINES = 200

/** What all PCs of a simulated world share. */
export interface World {
  readonly seed: number
  readonly timeline: Timeline
  readonly fabric: Fabric
  readonly ring: KeyRing
  readonly runs: RunLog
  /** What is asked of registers and what they answer, where somebody judges it. */
  registers?: RegisterLog
  readonly genesis: Genesis
  readonly pcs: SimPc[]
  /** False: peers learn addresses from each other only. */
  readonly discovery: boolean
  /** Limits of membership other than its own. */
  readonly membership: Partial<MembershipSettings>
  /** The mesh has formed already: what everyone holds. */
  formed: { readonly entries: readonly Uint8Array[] } | undefined
  /** Which version of the peer program a PC runs, at each start of it. Undefined: this one. */
  readonly program: Program | undefined
}

export type Program = (pc: { readonly index: number; readonly starts: number }) => typeof Peer

export interface Capacity {
  cpuMilli: number
  memoryBytes: number
}

export class SimPc {
  readonly index: number
  readonly name: string
  readonly key: SimKey
  readonly station: Station
  readonly disk: SimDisk
  readonly host: SimHost
  readonly capacity: Capacity
  /** It keeps records and votes, and runs nothing. */
  readonly witness: boolean
  readonly clock: ClockFault = { rate: 1, wallOffsetMs: 0 }
  /** Last lines of the program's log, over all its runs. */
  readonly log: string[] = []
  /** The running peer program. */
  peer: Peer | undefined
  readonly #world: World
  readonly #certificate: Uint8Array
  #process: SimProcess | undefined
  #network: SimNetwork | undefined
  /** How often the peer program was started. */
  starts = 0
  #offSinceMs = 0
  /** While it sleeps; each sleep is one of its own. */
  #asleep: object | undefined
  #eventMs = 0

  constructor(
    world: World,
    options: { index: number; name: string; certificate: Uint8Array; key: SimKey; capacity: Capacity; witness: boolean }
  ) {
    const { index, name, key, certificate, witness } = options
    const capacity = witness ? { cpuMilli: 0, memoryBytes: 0 } : options.capacity
    this.#world = world
    this.index = index
    this.name = name
    this.key = key
    this.capacity = capacity
    this.witness = witness
    this.#certificate = certificate
    this.station = world.fabric.station(key.peerId)
    this.disk = new SimDisk(this.#random('disk'))
    this.host = new SimHost({
      timeline: world.timeline,
      random: this.#random('host'),
      log: world.runs,
      peer: key.peerId,
      clock: this.clock
    })
  }

  /** What it has told everyone in a mesh that has formed, in its life before the story begins. */
  told(wall: number): Uint8Array[] {
    const crypto = this.#world.ring.cryptoOf(this.key)
    const by = { author: this.id, epoch: 0, wall }
    const quiet = { cpuMilli: 0, memoryBytes: 0 }
    const dynamic = encodeAdDynamic(dynamicAd(this.capacity, 0.05, quiet, wall))
    return [
      signEntry(crypto, 'ad.s', {
        ...by,
        key: `ad.s/${this.id}`,
        seq: 1,
        body: encodeAdStatic(staticAd(this.name, this.capacity))
      }).bytes,
      signEntry(crypto, 'ad.d', { ...by, key: `ad.d/${this.id}`, seq: 2, body: dynamic }).bytes
    ]
  }

  get id(): PeerId {
    return this.key.peerId
  }
  /** Nothing starts it again. */
  stolen = false

  get running(): boolean {
    return this.#process?.alive === true
  }

  /** Its Clock.mono, as it is now. */
  get mono(): number {
    return this.#world.timeline.nowMs * this.clock.rate
  }

  /** Stalled or asleep: nothing that it is asked reaches it. */
  get paused(): boolean {
    return this.#process?.paused === true
  }

  get asleep(): boolean {
    return this.#asleep !== undefined
  }

  /** Switches the PC on where it is off, and starts the peer program where none runs. */
  start(): void {
    if (this.running || this.#asleep !== undefined || this.stolen) return
    const { fabric, timeline, discovery } = this.#world
    if (!this.station.powered) this.#powered()
    this.starts++
    const process = new SimProcess(timeline, this.clock)
    process.eventMs = this.#eventMs
    const network = new SimNetwork(fabric, this.station, process)
    this.#process = process
    this.#network = network
    if (discovery) announce(network, process, fabric, this.#random('discovery', this.starts))
    this.peer = this.#peer(process, network)
    const { registers } = this.#world
    if (registers !== undefined) this.peer.sessions.strict.registers.observer = registers.observer(this)
    this.peer.start((error) => {
      if (error === undefined) return this.#sense(process)
      // it says why and ends
      timeline.at(0, () => this.#process === process && this.killPeerProcess())
    })
  }

  /** The peer program is killed; the PC, its children and its page cache live on. */
  killPeerProcess(): void {
    if (this.#end()) this.disk.programKilled()
  }

  /** The peer program stands still: its event loop is blocked, or it was stopped by a signal. sessiond goes on. */
  pause(forMs: number): void {
    if (!this.running || this.#asleep !== undefined) return
    this.#process!.pause(forMs)
    this.host.peerPaused(forMs)
  }

  /** A busy PC: each event of the peer program takes so long. */
  slow(eventMs: number): void {
    this.#eventMs = eventMs
    if (this.#process !== undefined) this.#process.eventMs = eventMs
  }

  /** The whole PC sleeps: nothing runs, nothing answers, and the time passes. */
  suspend(forMs: number): void {
    if (!this.station.powered || this.#asleep !== undefined) return
    const asleep = (this.#asleep = {})
    this.#off()
    this.host.suspend()
    this.#process?.pause(forMs)
    this.#world.timeline.at(forMs, () => {
      if (this.#asleep !== asleep) return
      this.#asleep = undefined
      this.#powered()
      this.host.wake()
      this.#process?.wake()
    })
  }

  /** Power cut: the program, the children and what was not synced are gone; others hear nothing. */
  powerCut(): void {
    if (!this.station.powered && this.#asleep === undefined) return
    this.#asleep = undefined
    this.#off()
    this.#end()
    this.disk.powerCut()
    this.host.powerCut()
  }

  /** Ends the peer program as `omega down` does. */
  down(how: { drain: boolean; forever: boolean }, done: () => void): void {
    const process = this.#process
    this.peer?.stop({ ...how, farewell: true }, () => {
      if (this.#process !== process) return
      this.#end()
      this.disk.stopped()
      done()
    })
  }

  #off(): void {
    if (this.station.powered) this.#offSinceMs = this.#world.timeline.nowMs
    this.station.powered = false
  }

  /** What waited on the cable moves again, both ways. */
  #powered(): void {
    this.station.powered = true
    const offMs = this.#world.timeline.nowMs - this.#offSinceMs
    for (const pc of this.#world.pcs) {
      pc.#network?.resume(this.id, offMs)
      if (this.running) this.#network?.resume(pc.id, offMs)
    }
  }

  #end(): boolean {
    if (!this.running) return false
    this.#process?.kill()
    this.#network?.killed()
    this.host.peerGone()
    this.peer = undefined
    return true
  }

  #peer(process: SimProcess, network: SimNetwork): Peer {
    const { ring, genesis } = this.#world
    const ports = {
      clock: process,
      random: this.#random('peer', this.starts),
      network,
      store: this.disk.open(process),
      crypto: ring.cryptoOf(this.key),
      log: this.#log(process),
      host: this.host.connect(process),
      fetchBlob: (blob: BlobRef, sources: readonly PeerId[], done: (error?: MeshError) => void) =>
        this.#fetch(process, blob, sources, done)
    }
    const Program = this.#world.program?.(this) ?? Peer
    return new Program(ports, {
      genesis,
      certificate: () => this.#certificate,
      name: this.name,
      version: '0.1.0',
      offer: this.capacity,
      membership: this.#world.membership,
      formed: this.starts === 1 ? this.#world.formed : undefined
    })
  }

  /** What the sensors of a real PC would tell: here a quiet PC whose use wavers a little, and the sessions it runs. */
  #sense(process: SimProcess): void {
    const random = this.#random('sensors', this.starts)
    const fixed = staticAd(this.name, this.capacity)
    const isTold = this.#world.formed !== undefined && this.starts === 1 && !this.witness
    if (!isTold) this.peer?.advertise({ static: this.witness ? { ...fixed, witness: true } : fixed })
    const sample = (): void => {
      const idle = 0.02 + 0.06 * random.float()
      const granted = this.peer?.sessions.granted() ?? { cpuMilli: 0, memoryBytes: 0 }
      this.peer?.advertise({ dynamic: dynamicAd(this.capacity, idle, granted, process.wall()) })
      process.setTimeout(sample, SENSOR_MS)
    }
    // in a mesh that has formed each is somewhere between two of its readings
    if (isTold) process.setTimeout(sample, random.float() * heartbeatMs(this.#world.pcs.length))
    else sample()
  }

  /** From the first PC of the list that has the blob and can be reached, as fast as the cable allows. */
  #fetch(process: SimProcess, blob: BlobRef, sources: readonly PeerId[], done: (error?: MeshError) => void): void {
    const { fabric, pcs } = this.#world
    const source = pcs.find(
      (pc) =>
        sources.includes(pc.id) &&
        pc.running &&
        pc.host.blobs.has(blob.hash) &&
        fabric.reachesBothWays(this.station, pc.station)
    )
    if (source === undefined) {
      const error = new MeshError(
        'PEER_UNREACHABLE',
        `none of ${sources.length} PCs that may have ${blob.hash.slice(0, 8)} answered`
      )
      process.setTimeout(() => done(error), DIAL_TIMEOUT_MS)
      return
    }
    const takesMs = 4 * fabric.latencyMs(this.station, source.station) + blob.bytes / fabric.shape.bytesPerMs
    process.setTimeout(() => {
      this.host.blobs.add(blob.hash)
      done()
    }, takesMs)
  }

  #log(process: SimProcess): Log {
    const write = (level: string) => (phrase: string, fields?: Record<string, unknown>) => {
      this.log.push(
        `${(process.mono() / 1000).toFixed(3)} s ${this.name} ${level} ${phrase} ${fields === undefined ? '' : JSON.stringify(fields)}`
      )
      if (this.log.length > LOG_LINES) this.log.shift()
    }
    return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') }
  }

  #random(...purpose: (string | number)[]): Random {
    return createRandom(this.#world.seed, this.name, ...purpose)
  }
}

function staticAd(name: string, capacity: Capacity): AdStatic {
  return {
    os: 'Simulated',
    arch: 'x64',
    cores: Math.max(1, Math.round(capacity.cpuMilli / 1000)),
    memoryBytes: capacity.memoryBytes,
    gpus: [],
    labels: {},
    name,
    version: '0.1.0',
    urls: [],
    offer: capacity,
    tlsFingerprint: '',
    missing: {}
  }
}

function dynamicAd(capacity: Capacity, idle: number, granted: Capacity, wall: number): AdDynamic {
  const cpu = Math.min(1, idle + (0.9 * granted.cpuMilli) / Math.max(1, capacity.cpuMilli))
  return {
    cpu: Math.round(cpu * 1000) / 1000,
    memoryUsedBytes: Math.min(capacity.memoryBytes, Math.round(capacity.memoryBytes * 0.2 + granted.memoryBytes * 0.8)),
    bootedAt: wall - (wall % 86_400_000),
    granted: { cpuMilli: 0, memoryBytes: 0 },
    paused: false,
    draining: false,
    sessions: 0
  }
}
