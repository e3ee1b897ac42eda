/**
 * Finds the other peers of the mesh on the LAN and lets them find this one, and shows or looks for open doors.
 * @libp2p/mdns serves the interface of the default multicast route; our own announcer, with the same record, serves the
 * others and LANs with public addresses, and asks on all of them with growing pauses. Interfaces that come and go are followed.
 */
import { createSocket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import { mdns } from '@libp2p/mdns'
import type { PeerDiscovery, Startable } from '@libp2p/interface'
import { isPrivate } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { Log, MeshId, PeerId } from '../../protocols/ports.ts'
import { Candidates } from './candidates.ts'
import { allInterfaces, lanInterfaces, tcpMultiaddr, watchInterfaces } from './interfaces.ts'
import type { LanInterface } from './interfaces.ts'
import { MULTICAST_FIX, MdnsSockets, NO_NETWORK, PAUSE_MAX_MS } from './mdns-sockets.ts'
import type { DiscoveryState } from './mdns-sockets.ts'
import {
  DOOR_SERVICE,
  doorRecord,
  labelOf,
  meshService,
  peerRecord,
  readDoorRecord,
  readPeerRecord
} from './mdns-records.ts'
import type { Answer, Door } from './mdns-records.ts'
import type { Libp2pNetwork } from './libp2p-network.ts'

export type { Door } from './mdns-records.ts'
export type { DiscoveryState } from './mdns-sockets.ts'

export interface Discovery {
  readonly state: DiscoveryState
  /** Shows an open door on the LAN until `untilMs` (wall clock) or until the function it returns is called. */
  announceDoor(door: { port: number; untilMs: number; meshName: string }): () => void
  /** Asks again at once and starts with short pauses, as after a change of the network. */
  lookAgain(): void
  stop(): Promise<void>
}

/** A door that is still shown is told of again after that, for those who could not enter the first time. */
const DOOR_AGAIN_MS = 15_000
/** Told of in that time, and remembered: each costs its hearer a connection, and strangers can shout. */
const DOORS_TOLD_MAX = 16
const DOORS_MAX = 64

/** Starts at once; `seen` of the network's handler hears of peers. */
export async function startDiscovery(options: {
  network: Libp2pNetwork
  meshId: MeshId
  self: PeerId
  log: Log
}): Promise<Discovery> {
  const discovery = new MeshDiscovery(options)
  await discovery.start()
  return discovery
}

/** For a PC without a mesh: tells of doors on the LAN, each once and again every 15 s while it is shown. */
export function lookForDoors(onDoor: (door: Door) => void, log: Log): { readonly state: DiscoveryState; stop(): void } {
  const known = new Map<string, { addresses: Set<string>; atMs: number }>()
  let window = { startMs: -Infinity, told: 0 }

  function heard(door: Door): void {
    const entry = known.get(door.id) ?? { addresses: new Set<string>(), atMs: -Infinity }
    known.set(door.id, entry)
    if (known.size > DOORS_MAX) known.delete(known.keys().next().value!)
    // One door is heard once an interface, with the addresses of that interface.
    for (const address of door.addresses) if (entry.addresses.size < DOORS_TOLD_MAX) entry.addresses.add(address)
    const now = performance.now()
    if (now - window.startMs >= DOOR_AGAIN_MS) window = { startMs: now, told: 0 }
    if (now - entry.atMs < DOOR_AGAIN_MS || window.told >= DOORS_TOLD_MAX) return
    window.told += 1
    entry.atMs = now
    onDoor({ ...door, addresses: [...entry.addresses] })
  }

  const sockets = new MdnsSockets(allInterfaces, log, {
    services: () => [DOOR_SERVICE],
    answer: () => undefined,
    heard(answers) {
      const door = readDoorRecord(answers)
      if (door !== undefined) heard(door)
    }
  })
  return {
    get state() {
      return sockets.state
    },
    stop: () => void sockets.close()
  }
}

class MeshDiscovery implements Discovery {
  readonly #network: Libp2pNetwork
  readonly #self: PeerId
  readonly #log: Log
  readonly #service: string
  readonly #label = randomBytes(16).toString('hex')
  readonly #candidates: Candidates
  /** One for the life of this peer: a door that is told of again is no other door. */
  readonly #doorId = randomBytes(8).toString('hex')
  readonly #doors = new Map<string, { port: number; meshName: string }>()
  readonly #sockets: MdnsSockets
  readonly #stopWatching: () => void
  #libp2p: (PeerDiscovery & Startable) | undefined
  /** Address of the interface that @libp2p/mdns uses; undefined: no multicast route. */
  #routeHost: string | undefined
  #changing: Promise<void> = Promise.resolve()

  constructor({ network, meshId, self, log }: { network: Libp2pNetwork; meshId: MeshId; self: PeerId; log: Log }) {
    this.#network = network
    this.#self = self
    this.#log = log
    this.#service = meshService(meshId)
    this.#candidates = new Candidates((peer, addresses) => network.introduce(peer, addresses))
    this.#sockets = new MdnsSockets(() => allInterfaces().filter((lan) => this.#hosts(lan).length > 0), log, {
      services: () => [this.#service],
      answer: (service, lan) => this.#answer(service, lan),
      heard: (answers) => {
        if (labelOf(this.#service, answers) === this.#label) return
        const heard = readPeerRecord(this.#service, answers)
        if (heard !== undefined && heard.peer !== self) this.#candidates.heard(heard.peer, heard.addresses)
      }
    })
    this.#stopWatching = watchInterfaces(() => {
      log.info('network interfaces changed', { addresses: network.addresses() })
      this.#changing = this.#changing.then(() => this.#startLibp2p())
    })
  }

  async start(): Promise<void> {
    await this.#startLibp2p()
  }

  get state(): DiscoveryState {
    const real = lanInterfaces().filter((lan) => !lan.isLoopback)
    if (real.length === 0) return NO_NETWORK
    const { state } = this.#sockets
    const isLocalOnly = real.every((lan) => this.#hosts(lan).length === 0)
    if (!state.ok || this.#routeHost !== undefined || isLocalOnly) return state
    const reason = 'this PC has no route for multicast; other PCs are looked for on each network interface by itself'
    return { ok: true, reason, fix: MULTICAST_FIX }
  }

  announceDoor({ port, untilMs, meshName }: { port: number; untilMs: number; meshName: string }): () => void {
    const id = this.#doorId
    const door = { port, meshName }
    this.#doors.set(id, door)
    this.#sockets.announce(DOOR_SERVICE)
    const close = (): void => {
      clearTimeout(timer)
      if (this.#doors.get(id) === door) this.#doors.delete(id)
    }
    const timer = setTimeout(close, Math.min(Math.max(untilMs - Date.now(), 0), 2 ** 31 - 1))
    timer.unref()
    return close
  }

  lookAgain(): void {
    this.#sockets.lookAgain()
  }

  async stop(): Promise<void> {
    this.#stopWatching()
    this.#doors.clear()
    await this.#changing
    await this.#libp2p?.stop()
    this.#libp2p = undefined
    await this.#sockets.close()
  }

  /** (Re)starts @libp2p/mdns for the interface that multicast leaves by now. */
  async #startLibp2p(): Promise<void> {
    await this.#libp2p?.stop()
    this.#libp2p = undefined
    this.#routeHost = await multicastHost()
    const lan = this.#routeInterface()
    if (lan === undefined) return
    const addresses = this.#multiaddrs(lan).map((address) => multiaddr(`${address}/p2p/${this.#self}`))
    const silent = silentLogger(this.#log)
    const discovery = mdns({ serviceTag: this.#service, peerName: this.#label, interval: PAUSE_MAX_MS })({
      logger: { forComponent: () => silent },
      addressManager: { getAddresses: () => addresses }
    } as never) as PeerDiscovery & Startable
    discovery.addEventListener('peer', ({ detail }) => {
      const peer = detail.id.toString()
      if (peer === this.#self) return
      const lan = detail.multiaddrs
        .map((address) => address.toString())
        .filter((address) => !address.startsWith('/ip4/127.'))
      this.#candidates.heard(peer, lan.slice(0, 8))
    })
    await discovery.start()
    this.#libp2p = discovery
  }

  /** Undefined when libp2p's announcer would not help: no route, not ours, or an address that it does not announce. */
  #routeInterface(): LanInterface | undefined {
    const lan = allInterfaces().find((each) => each.hosts.includes(this.#routeHost ?? ''))
    if (lan === undefined || lan.isLoopback || this.#hosts(lan).length === 0) return undefined
    return isPrivate(multiaddr(tcpMultiaddr(lan.ipv4, 1))) ? lan : undefined
  }

  #answer(service: string, lan: LanInterface): Answer[][] | undefined {
    const hosts = this.#hosts(lan)
    if (service === DOOR_SERVICE) {
      return [...this.#doors].map(([id, { port, meshName }]) =>
        doorRecord({
          id,
          meshName,
          addresses: hosts.map((host) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
        })
      )
    }
    if (service !== this.#service || (this.#libp2p !== undefined && this.#routeInterface()?.name === lan.name))
      return undefined
    return [peerRecord(this.#service, this.#label, this.#self, this.#multiaddrs(lan))]
  }

  /** Own hosts on that interface at which the network listens. */
  #hosts(lan: LanInterface): string[] {
    const own = this.#network.addresses().map((address) => address.split('/')[2])
    return lan.hosts.filter((host) => own.includes(host))
  }
  #multiaddrs(lan: LanInterface): string[] {
    return this.#hosts(lan).map((host) => tcpMultiaddr(host, this.#network.port))
  }
}

/** The own address by which multicast leaves; asks the kernel without sending. Undefined: no route. */
async function multicastHost(): Promise<string | undefined> {
  const socket = createSocket('udp4')
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('error', () => resolve(undefined))
      socket.connect(5353, '224.0.0.251', (error?: Error) => resolve(error ? undefined : socket.address().address))
    })
  } finally {
    socket.close()
  }
}

interface SilentLogger {
  (): void
  error(...args: unknown[]): void
  trace(): void
  enabled: boolean
  newScope(): SilentLogger
}

function silentLogger(log: Log): SilentLogger {
  const logger: SilentLogger = Object.assign(() => {}, {
    error: (...args: unknown[]) => log.debug('mdns trouble', { args: args.map(String).join(' ') }),
    trace() {},
    enabled: false,
    newScope: () => logger
  })
  return logger
}
