/**
 * The libp2p node of the mesh: TCP, Noise with the mesh's own prologue (a stranger fails in the handshake), yamux, limits,
 * and the port it listens on. Liveness is membership's business, so libp2p's own monitor is off.
 */
import { createHash } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { guardedYamux } from './muxer.ts'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from 'libp2p'
import { fromHex } from '../../protocols/codec.ts'
import { MeshError } from '../../protocols/errors.ts'
import { PLANES } from '../../protocols/ports.ts'
import type { MeshId } from '../../protocols/ports.ts'
import { isBoundToAll, tcpMultiaddr } from './interfaces.ts'

export interface NodeOptions {
  /** Secret half of the Ed25519 device key, 32 bytes. */
  seed: Uint8Array
  meshId: MeshId
  /** 0: any free port. */
  listenPort: number
  /** '' is all interfaces. */
  bind: string
  /** True: a taken port moves on to the next free one. False: it is an error. */
  portIsDefault: boolean
  /** Asked once the remote key is proven. */
  isDenied(peer: string): boolean
  /** Somebody connected; told before the handshake, which a stranger fails. */
  onInbound(): void
}

const LIMITS = {
  /** A full mesh of some hundred peers, twice over while both sides dial. */
  connectionsMax: 1000,
  /** Handshakes at once; a mesh that starts together is below, and a stranger who never speaks holds one for 5 s. */
  pendingMax: 200,
  pendingTimeoutMs: 5000,
  /** New connections from one address a second; several peers on one PC or behind one NAT share it. */
  perAddressPerS: 50,
  dialsMax: 32,
  /** One a plane and direction, and room for a second plane version. */
  streamsMax: 4 * PLANES.length,
  /** Both ends must agree on the first window (yamux), so it is part of the wire: the default of its specification. */
  windowBytes: 256 << 10,
  windowMaxBytes: 1 << 20
} as const
/** Default ports tried in turn. */
const PORTS_TRIED = 20

/** Rejects with PORT_TAKEN. */
export async function listenNode(options: NodeOptions): Promise<{ node: Libp2p; port: number }> {
  const { listenPort, portIsDefault } = options
  const last = portIsDefault && listenPort !== 0 ? listenPort + PORTS_TRIED : listenPort
  for (let tried = listenPort; ; tried++) {
    try {
      return await listenAt(options, tried)
    } catch (error) {
      if (!isTaken(error)) throw cannotListen(options, tried, error)
      if (tried >= last) throw taken(options, last, error)
    }
  }
}

async function listenAt(options: NodeOptions, port: number): Promise<{ node: Libp2p; port: number }> {
  const hosts = isBoundToAll(options.bind) ? ['0.0.0.0', '::'] : [options.bind]
  if (port === 0 && hosts.length > 1) {
    // Any port: the one that IPv4 gets must be the one for IPv6.
    const scout = await createNode(options, [tcpMultiaddr(hosts[0]!, 0)])
    const chosen = portOf(scout)
    await scout.stop()
    return await listenAt(options, chosen)
  }
  // A PC without IPv6 listens on IPv4 alone; libp2p sees to that.
  const node = await createNode(
    options,
    hosts.map((host) => tcpMultiaddr(host, port))
  )
  return { node, port: portOf(node) }
}

function portOf(node: Libp2p): number {
  return Number(node.getMultiaddrs()[0]!.toString().split('/')[4])
}

async function createNode(options: NodeOptions, listen: string[]): Promise<Libp2p> {
  return await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', options.seed),
    addresses: { listen },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionEncrypters: [noise({ prologueBytes: prologue(options.meshId) })],
    streamMuxers: [
      guardedYamux({
        maxInboundStreams: LIMITS.streamsMax,
        maxOutboundStreams: LIMITS.streamsMax,
        streamOptions: {
          initialStreamWindowSize: LIMITS.windowBytes,
          maxStreamWindowSize: LIMITS.windowMaxBytes,
          maxReadBufferLength: 2 * LIMITS.windowMaxBytes,
          maxWriteBufferLength: LIMITS.windowMaxBytes
        }
      })
    ],
    connectionManager: {
      maxConnections: LIMITS.connectionsMax,
      maxIncomingPendingConnections: LIMITS.pendingMax,
      inboundConnectionThreshold: LIMITS.perAddressPerS,
      inboundUpgradeTimeout: LIMITS.pendingTimeoutMs,
      maxParallelDials: LIMITS.dialsMax
    },
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyInboundConnection: () => {
        options.onInbound()
        return false
      },
      denyInboundEncryptedConnection: (peer) => options.isDenied(peer.toString()),
      denyOutboundEncryptedConnection: (peer) => options.isDenied(peer.toString())
    }
  })
}

function prologue(meshId: MeshId): Uint8Array {
  return createHash('sha256').update('omega-mesh-v1\0').update(fromHex(meshId)).digest()
}

function isTaken(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isTaken)
  const { code, message, cause } = error as NodeJS.ErrnoException & { cause?: unknown }
  return code === 'EADDRINUSE' || (message ?? '').includes('EADDRINUSE') || (cause !== undefined && isTaken(cause))
}

function taken({ listenPort }: NodeOptions, last: number, cause: unknown): MeshError {
  const more = last > listenPort ? ` and so are the ports up to ${last}` : ''
  const text = `port ${listenPort} for the mesh is taken${more}: set OMEGA_MESH_PORT to a free one, or stop the program that has it`
  return new MeshError('PORT_TAKEN', text, { cause })
}

function cannotListen({ bind }: NodeOptions, port: number, cause: unknown): MeshError {
  const where = isBoundToAll(bind) ? 'all interfaces' : bind
  const text = `cannot listen on port ${port} of ${where}: ${(cause as Error).message}; check OMEGA_BIND and OMEGA_MESH_PORT`
  return new MeshError('BAD_REQUEST', text, { cause })
}
