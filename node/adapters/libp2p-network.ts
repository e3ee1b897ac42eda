/**
 * The Network port over libp2p. It keeps one link a peer, whichever side dialled, asks the peer's gate who may come in,
 * and is the only place that registers stream handlers, so that PLANE_ACCESS holds for all of them.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Libp2p } from 'libp2p'
import { MeshError } from '../../protocols/errors.ts'
import { tryPeerKey } from '../../protocols/codec.ts'
import { FRAME_MAX, PLANES, PLANE_ACCESS, planeProtocol } from '../../protocols/ports.ts'
import type { DownReason, Log, Network, NetworkHandler, PeerId, Plane } from '../../protocols/ports.ts'
import { Dialler } from './dialler.ts'
import { reachableHosts, tcpMultiaddr } from './interfaces.ts'
import { listenNode } from './libp2p-node.ts'
import type { NodeOptions } from './libp2p-node.ts'
import { Link } from './link.ts'
import type { LinkOwner } from './link.ts'

export interface NetworkOptions extends Omit<NodeOptions, 'isDenied' | 'onInbound'> {
  log: Log
  /** Further addresses at which this peer is known to be reachable, such as a forwarded port; multiaddr text. */
  extraAddresses?: readonly string[]
}
export interface Libp2pNetwork extends Network {
  /** The port it listens on. */
  readonly port: number
  readonly peerId: PeerId
  /** What was refused or broke since start, by name. */
  readonly counts: Readonly<Record<string, number>>
  /** Discovery's way in: a hint, passed on to the handler as `seen`. */
  introduce(peer: PeerId, addresses: readonly string[]): void
}

/** How long a stranger may stay, and how many at once (SECURITY 1.4). */
const PROBATION_MS = 2000
const PROBATION_MAX = 8
const BLOCKED_MS = 500
/** Both sides dialling at once is one link. A later second connection says that the other side lost the first. */
const MERGE_MS = 5000

/** Rejects with PORT_TAKEN. */
export async function createNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  const network: Switch[] = []
  const { node, port } = await listenNode({
    ...options,
    isDenied: (peer) => network[0]?.isDenied(peer) ?? true,
    onInbound: () => network[0]?.onInbound()
  })
  if (port !== options.listenPort && options.listenPort !== 0) {
    options.log.warn('the default mesh port is taken, using another', { wanted: options.listenPort, port })
  }
  network.push(new Switch(node, port, options))
  await network[0]!.serve()
  return network[0]!
}

class Switch implements Libp2pNetwork, LinkOwner {
  readonly self: PeerId
  readonly peerId: PeerId
  readonly port: number
  readonly counts: Record<string, number> = {}
  readonly #node: Libp2p
  readonly #options: NetworkOptions
  readonly #dialler: Dialler
  readonly #links = new Map<PeerId, Link>()
  readonly #ofConnection = new Map<Connection, Link>()
  readonly #probation = new Map<Link, NodeJS.Timeout>()
  /** Links closed by `close` in this turn, whose `down` is still to be told. */
  readonly #closing = new Map<PeerId, () => void>()
  #handler: NetworkHandler | undefined
  #stopped = false

  constructor(node: Libp2p, port: number, options: NetworkOptions) {
    this.#node = node
    this.#options = options
    this.port = port
    this.self = this.peerId = node.peerId.toString()
    this.#dialler = new Dialler(node, {
      isWanted: (peer) => !this.#stopped && !this.#links.has(peer),
      dialled: (connection, hello, early) => this.#dialled(connection, hello, early),
      failed: (peer, why, detail) => this.#tell((handler) => handler.dialFailed(peer, why, detail))
    })
  }

  async serve(): Promise<void> {
    this.#node.addEventListener('connection:open', ({ detail }) => {
      if (detail.direction !== 'inbound') return
      // The rest of the inbound ones failed the handshake: strangers.
      this.#count('inboundSecured')
      this.#join(detail, true)
    })
    this.#node.addEventListener('connection:close', ({ detail }) => this.#left(detail))
    for (const plane of PLANES) {
      // The one registration of handlers: what a peer in probation may not use is held by its link.
      await this.#node.handle(planeProtocol(plane), (stream, connection) => this.#incoming(plane, stream, connection), {
        maxInboundStreams: 1,
        maxOutboundStreams: 1
      })
    }
  }

  // ---- the port ----

  attach(handler: NetworkHandler): void {
    this.#handler = handler
  }

  dial(peer: PeerId, addresses: readonly string[]): void {
    if (!this.#stopped && !this.#links.has(peer)) this.#dialler.dial(peer, addresses)
  }

  send(peer: PeerId, plane: Plane, frame: Uint8Array): boolean {
    if (frame.length > FRAME_MAX) {
      throw new MeshError('WIRE_LIMIT', `a frame has at most ${FRAME_MAX} bytes, this one ${frame.length}`)
    }
    const link = this.#links.get(peer)
    if (link === undefined) return false
    if (!link.admitted && PLANE_ACCESS[plane] === 'member' && !this.#admit(link)) return false
    return link.send(plane, frame)
  }

  close(peer: PeerId, why: string): void {
    const link = this.#links.get(peer)
    if (link === undefined) return
    this.#options.log.debug('link closed here', { peer, why })
    this.#drop(link, true)
    const down = (): void => {
      if (this.#closing.delete(peer)) this.#tell((handler) => handler.down(peer, 'closed'))
    }
    this.#closing.set(peer, down)
    setImmediate(down)
  }

  addresses(): readonly string[] {
    if (this.#stopped) return []
    const own = reachableHosts(this.#options.bind).map((host) => tcpMultiaddr(host, this.port))
    return [...own, ...(this.#options.extraAddresses ?? [])]
  }

  stop(done: () => void): void {
    if (this.#stopped) return void setImmediate(done)
    this.#stopped = true
    this.#handler = undefined
    for (const link of [...this.#links.values()]) this.#drop(link, true)
    void Promise.resolve(this.#node.stop())
      .catch((error: Error) => this.#options.log.warn('libp2p did not stop cleanly', { error }))
      .then(done)
  }

  introduce(peer: PeerId, addresses: readonly string[]): void {
    if (peer !== this.self) this.#tell((handler) => handler.seen(peer, addresses))
  }

  // ---- connections ----

  onInbound(): void {
    this.#count('inboundConnections')
  }

  /** Only Ed25519 keys are peers. Before anybody is attached nobody comes in. */
  isDenied(peer: PeerId): boolean {
    const denied = this.#stopped || tryPeerKey(peer) === undefined || this.#gate(peer) === 'deny'
    if (denied) this.#count('refusedConnections')
    return denied
  }

  /** The link that the connection belongs to; undefined when it was refused. */
  #join(connection: Connection, inbound: boolean): Link | undefined {
    const peer = connection.remotePeer.toString()
    const verdict = this.#stopped ? 'deny' : this.#gate(peer)
    const known = this.#links.get(peer)
    if (verdict === 'deny' || (verdict === 'probation' && known === undefined && inbound && this.#isFull())) {
      this.#count('refusedConnections')
      connection.abort(new Error('not admitted'))
      return undefined
    }
    if (known !== undefined && performance.now() - known.upAtMs > MERGE_MS) this.#finish(known, 'reset', false)
    const standing = this.#links.get(peer)
    const link = standing ?? new Link(peer, this, performance.now())
    link.add(connection)
    this.#ofConnection.set(connection, link)
    if (standing !== undefined) return link
    this.#closing.get(peer)?.()
    this.#links.set(peer, link)
    if (verdict === 'member') link.admit()
    else this.#startProbation(link)
    this.#tell((handler) => handler.up(peer, { inbound, address: connection.remoteAddr.toString() }))
    return link
  }

  #dialled(connection: Connection, hello: Stream, early: readonly { plane: Plane; stream: Stream }[]): void {
    const link = this.#join(connection, false)
    if (link === undefined || link.over) return
    if (!link.adopt('hello', hello, connection)) void hello.close().catch((error: Error) => hello.abort(error))
    for (const { plane, stream } of early) link.receive(plane, stream, connection)
  }

  #incoming(plane: Plane, stream: Stream, connection: Connection): void {
    const link = this.#ofConnection.get(connection)
    if (link !== undefined && !link.over) return link.receive(plane, stream, connection)
    // The other side may speak before this side's dial knows that it is welcome.
    if (!this.#dialler.early(connection, plane, stream)) stream.abort(new Error('no link'))
  }

  #left(connection: Connection): void {
    const link = this.#ofConnection.get(connection)
    this.#ofConnection.delete(connection)
    if (link === undefined || link.over || link.remove(connection)) return
    this.#finish(link, connection.status === 'closed' ? 'closed' : 'reset', false)
  }

  #drop(link: Link, gently: boolean): void {
    if (this.#links.get(link.peer) === link) this.#links.delete(link.peer)
    clearTimeout(this.#probation.get(link))
    this.#probation.delete(link)
    link.end(gently)
    // libp2p remembers every peer it ever spoke to; a stranger with ever new keys must not fill that.
    if (!link.admitted) this.#node.peerStore.delete(peerIdFromString(link.peer)).catch(() => {})
  }

  #finish(link: Link, why: DownReason, gently: boolean): void {
    if (link.over) return
    this.#drop(link, gently)
    this.#tell((handler) => handler.down(link.peer, why))
  }

  // ---- probation ----

  #gate(peer: PeerId): 'member' | 'probation' | 'deny' {
    return this.#handler?.gate(peer) ?? 'deny'
  }

  #isFull(): boolean {
    return this.#probation.size >= PROBATION_MAX
  }

  #admit(link: Link): boolean {
    if (this.#gate(link.peer) !== 'member') return false
    clearTimeout(this.#probation.get(link))
    this.#probation.delete(link)
    link.admit()
    return true
  }

  #startProbation(link: Link): void {
    const dueMs = performance.now() + PROBATION_MS
    const timer = setTimeout(() => {
      // A loop that was blocked has not yet read what the peer sent in time.
      if (performance.now() - dueMs > BLOCKED_MS && !link.over) this.#startProbation(link)
      else this.#probationOver(link)
    }, PROBATION_MS)
    this.#probation.set(link, timer)
  }

  #probationOver(link: Link): void {
    if (link.over || this.#admit(link)) return
    this.#count('probationsOver')
    this.#finish(link, 'denied', true)
  }

  // ---- what links tell ----

  frame(link: Link, plane: Plane, bytes: Uint8Array): void {
    this.#tell((handler) => handler.frame(link.peer, plane, bytes))
    if (!link.admitted && !link.over) this.#admit(link)
  }
  drain(link: Link, plane: Plane): void {
    this.#tell((handler) => handler.drain(link.peer, plane))
  }
  broke(link: Link, why: DownReason): void {
    this.#finish(link, why, false)
  }
  garbage(link: Link, plane: Plane): void {
    this.#count('garbageStreams')
    this.#options.log.warn('garbage from a peer, link closed', { peer: link.peer, plane })
  }

  /** A handler that throws is a bug, but not one that may take the process with it. */
  #tell(say: (handler: NetworkHandler) => void): void {
    if (this.#handler === undefined) return
    try {
      say(this.#handler)
    } catch (error) {
      this.#count('handlerErrors')
      this.#options.log.error('network handler failed', { error })
    }
  }
  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
  }
}
