import { createHash } from 'node:crypto'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from 'libp2p'
import { afterEach, expect, test, vi } from 'vitest'
import { deviceCrypto } from '../../../node/adapters/crypto.ts'
import { createNetwork } from '../../../node/adapters/libp2p-network.ts'
import type { Libp2pNetwork } from '../../../node/adapters/libp2p-network.ts'
import { peerIdOf } from '../../../protocols/codec.ts'
import { PLANES, QUEUE_MAX, planeProtocol } from '../../../protocols/ports.ts'
import type { Log, PeerId } from '../../../protocols/ports.ts'
import { networkContract } from '../../contracts/network.ts'

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meshId = createHash('sha256').update('a mesh').digest('hex')
const seedOf = (name: number): Uint8Array => createHash('sha256').update(`peer ${name}`).digest()
const listen = (seed: Uint8Array, more: object = {}): Promise<Libp2pNetwork> =>
  createNetwork({ seed, meshId, listenPort: 0, bind: '127.0.0.1', portIsDefault: false, log: quiet, ...more })
const stop = (network: Libp2pNetwork): Promise<void> => new Promise((resolve) => network.stop(resolve))
const settle = (until: () => boolean, what: string): Promise<unknown> =>
  vi
    .waitUntil(until, { timeout: 20_000, interval: 5 })
    .catch(() => Promise.reject(new Error(`never happened: ${what}`)))

networkContract('libp2p on loopback', async (count) => {
  const networks: Libp2pNetwork[] = []
  for (let i = 0; i < count; i++) networks.push(await listen(seedOf(i)))
  const open = [...networks]
  return {
    networks,
    deadAddress: '/ip4/127.0.0.1/tcp/1',
    settle: async (until, what) => void (await settle(until, what)),
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async restart(index) {
      await stop(networks[index]!)
      const again = await listen(seedOf(index))
      open.push(again)
      return again
    },
    async dispose() {
      await Promise.all(open.map(stop))
    }
  }
})

// ---- what only a real network meets ----

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

type Told = { kind: string; peer: PeerId; plane?: string; why?: string; bytes?: Uint8Array }
interface Peer {
  network: Libp2pNetwork
  told: Told[]
  gates: Map<PeerId, 'member' | 'probation' | 'deny'>
  count(kind: string, peer?: PeerId): number
}

async function peer(name: number, more: object = {}, gate: 'member' | 'probation' | 'deny' = 'member'): Promise<Peer> {
  const network = await listen(seedOf(name), more)
  cleanups.push(() => stop(network))
  const told: Told[] = []
  const gates = new Map<PeerId, 'member' | 'probation' | 'deny'>()
  network.attach({
    gate: (id) => gates.get(id) ?? gate,
    up: (id) => void told.push({ kind: 'up', peer: id }),
    down: (id, why) => void told.push({ kind: 'down', peer: id, why }),
    dialFailed: (id, why) => void told.push({ kind: 'dialFailed', peer: id, why }),
    frame: (id, plane, bytes) => void told.push({ kind: 'frame', peer: id, plane, bytes }),
    drain: (id, plane) => void told.push({ kind: 'drain', peer: id, plane }),
    seen: (id) => void told.push({ kind: 'seen', peer: id })
  })
  const count = (kind: string, id?: PeerId): number =>
    told.filter((each) => each.kind === kind && (id === undefined || each.peer === id)).length
  return { network, told, gates, count }
}

/** A stranger with a libp2p of its own, who knows the mesh id unless told otherwise. */
async function stranger(
  options: { prologue?: string; key?: 'Ed25519' | 'secp256k1'; seed?: Uint8Array } = {}
): Promise<Libp2p> {
  const prologueBytes = createHash('sha256')
    .update('omega-mesh-v1\0')
    .update(Buffer.from(options.prologue ?? meshId, 'hex'))
    .digest()
  const node = await createLibp2p({
    privateKey:
      options.seed === undefined
        ? await generateKeyPair(options.key ?? 'Ed25519')
        : await generateKeyPairFromSeed('Ed25519', options.seed),
    transports: [tcp()],
    connectionEncrypters: [noise({ prologueBytes })],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false }
  })
  cleanups.push(() => node.stop())
  for (const plane of PLANES) await node.handle(planeProtocol(plane), () => {})
  return node
}
const reach = (node: Libp2p, target: Peer): Promise<Connection> => node.dial(multiaddr(target.network.addresses()[0]!))

async function linked(a: Peer, b: Peer): Promise<void> {
  a.network.dial(b.network.self, b.network.addresses())
  await settle(() => a.count('up', b.network.self) > 0 && b.count('up', a.network.self) > 0, 'the link stands')
}
/** The peer still does its work. */
async function stillServes(target: Peer, name = 90): Promise<void> {
  const friend = await peer(name)
  await linked(friend, target)
  friend.network.send(target.network.self, 'mem', Uint8Array.of(7))
  await settle(() => target.count('frame', friend.network.self) === 1, 'a frame arrives')
}

test('a peer of another mesh fails in the handshake', async () => {
  const a = await peer(1)
  const b = await peer(2, { meshId: createHash('sha256').update('another mesh').digest('hex') })
  b.network.dial(a.network.self, a.network.addresses())
  await settle(() => b.count('dialFailed') === 1, 'the dial fails')
  expect(b.told).toMatchObject([{ kind: 'dialFailed', why: 'denied' }])
  const other = await stranger({ prologue: 'ff'.repeat(32) })
  await expect(reach(other, a)).rejects.toThrow()
  expect(a.told).toEqual([])
})

test('a key that is not Ed25519 is refused', async () => {
  const a = await peer(1)
  const other = await stranger({ key: 'secp256k1' })
  await reach(other, a).catch(() => {})
  await settle(() => (a.network.counts['refusedConnections'] ?? 0) > 0, 'it is refused')
  expect(a.told).toEqual([])
})

test('nobody comes in before a handler is attached', async () => {
  const network = await listen(seedOf(1))
  cleanups.push(() => stop(network))
  const b = await peer(2)
  b.network.dial(network.self, network.addresses())
  await settle(() => b.count('dialFailed') === 1, 'the dial fails')
  expect(b.told[0]!.why).toBe('denied')
})

test('garbage, silence and half a handshake on the port leave the peer serving', async () => {
  const a = await peer(1)
  const sockets: net.Socket[] = []
  for (let i = 0; i < 24; i++) {
    const socket = net.connect(a.network.port, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    if (i % 4 === 0) continue
    if (i % 4 === 1) socket.write('\x13/multistream/1.0.0\n\x07/noise\n')
    socket.write(Buffer.alloc(1 + i * 500).map((_, at) => (at * 31 + i) & 0xff))
    if (i % 4 === 2) socket.end()
    if (i % 4 === 3) socket.on('connect', () => socket.resetAndDestroy())
  }
  cleanups.push(() => sockets.forEach((socket) => socket.destroy()))
  await stillServes(a)
  expect(a.count('up')).toBe(1)
})

test('a frame longer than the bound, or half a frame, ends that link and no other', async () => {
  const a = await peer(1)
  const hostile = await stranger()
  const connection = await reach(hostile, a)
  const stream = await connection.newStream(planeProtocol('hello'))
  stream.send(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]))
  await settle(() => a.count('down', hostile.peerId.toString()) === 1, 'its link goes')
  expect(a.network.counts['garbageStreams']).toBe(1)

  const half = await reach(hostile, a)
  const started = await half.newStream(planeProtocol('hello'))
  started.send(Buffer.from([0, 0, 0, 9, 1, 2, 3]))
  await started.close()
  await half.close()
  await settle(() => a.count('down', hostile.peerId.toString()) === 2, 'its link goes again')
  expect(a.count('frame')).toBe(0)
  await stillServes(a)
})

test('frames cut into single bytes arrive whole', async () => {
  const a = await peer(1)
  const slow = await stranger()
  const stream = await (await reach(slow, a)).newStream(planeProtocol('gossip'))
  const wire = [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1, 9]
  for (const byte of wire) stream.send(Uint8Array.of(byte))
  await settle(() => a.count('frame') === 3, 'all frames arrive')
  expect(a.told.filter((each) => each.kind === 'frame').map((each) => Array.from(each.bytes!))).toEqual([
    [1, 2, 3],
    [],
    [9]
  ])
})

test('at most eight strangers are in probation, and what they send on other planes is never heard', async () => {
  const a = await peer(1, {}, 'probation')
  const nodes = await Promise.all(Array.from({ length: 10 }, () => stranger()))
  const outcomes: string[] = []
  for (const node of nodes) {
    const connection = await reach(node, a).catch(() => undefined)
    const stream = await connection?.newStream(planeProtocol('mem')).catch(() => undefined)
    stream?.send(Buffer.from([0, 0, 0, 1, 5]))
    outcomes.push(stream === undefined ? 'refused' : 'in')
  }
  expect(outcomes.filter((outcome) => outcome === 'in')).toHaveLength(8)
  expect(a.count('up')).toBe(8)
  expect(a.network.counts['refusedConnections']).toBe(2)
  await settle(() => a.count('down') === 8, 'all go after their time')
  expect(a.count('frame')).toBe(0)
  a.gates.set(createIdOf(91), 'member')
  await stillServes(a, 91)
})

test('a stranger in probation who pours frames is held at a window of bytes, and admitted later loses none', async () => {
  const a = await peer(1)
  const b = await peer(2)
  a.gates.set(b.network.self, 'probation')
  await linked(b, a)
  let sent = 0
  const frame = (i: number): Uint8Array => new Uint8Array(10_000).fill(i & 0xff)
  for (
    const until = performance.now() + 500;
    performance.now() < until;
    await new Promise((resolve) => setTimeout(resolve, 5))
  ) {
    while (b.network.send(a.network.self, 'sched', frame(sent))) sent += 1
  }
  // The queue here, a window on the way, and what the sockets of both sides hold.
  expect(sent * 10_000).toBeLessThan(3 << 20)
  a.gates.set(b.network.self, 'member')
  b.network.send(a.network.self, 'hello', Uint8Array.of(1))
  await settle(() => a.count('frame') === sent + 1, 'all frames arrive')
  const got = a.told.filter((each) => each.plane === 'sched').map((each) => each.bytes![9999])
  expect(got).toEqual(Array.from({ length: sent }, (_, i) => i & 0xff))
})

test('a peer that does not read fills only its own queue', async () => {
  const a = await peer(1)
  const c = await peer(3)
  const lazy = await stranger()
  await lazy.unhandle(planeProtocol('chan'))
  await lazy.handle(planeProtocol('chan'), (stream) => stream.pause())
  const id = lazy.peerId.toString()
  await reach(lazy, a)
  await settle(() => a.count('up', id) === 1, 'it is linked')
  let taken = 0
  for (
    const until = performance.now() + 700;
    performance.now() < until;
    await new Promise((resolve) => setTimeout(resolve, 5))
  ) {
    while (a.network.send(id, 'chan', new Uint8Array(30_000))) taken += 30_000
  }
  expect(taken).toBeGreaterThan(QUEUE_MAX.chan / 2)
  expect(taken).toBeLessThan(QUEUE_MAX.chan + (2 << 20))
  expect(a.network.send(id, 'mem', Uint8Array.of(1))).toBe(true)
  await linked(a, c)
  a.network.send(c.network.self, 'chan', Uint8Array.of(1))
  await settle(() => c.count('frame') === 1, 'others are served')
})

test('a second stream on a plane and floods of streams are refused, the first goes on', async () => {
  const a = await peer(1)
  const greedy = await stranger()
  const connection = await reach(greedy, a)
  const first = await connection.newStream(planeProtocol('mem'))
  first.send(Buffer.from([0, 0, 0, 1, 1]))
  const opening = Array.from({ length: 60 }, () => connection.newStream([planeProtocol('mem'), '/mesh/mem/2']))
  const opened = (await Promise.allSettled(opening)).flatMap((each) =>
    each.status === 'fulfilled' ? [each.value] : []
  )
  await settle(() => opened.every((stream) => stream.status !== 'open'), 'all others are reset')
  first.send(Buffer.from([0, 0, 0, 1, 2]))
  await settle(() => a.count('frame') === 2, 'the first stream goes on')
})

test('a peer that lost its side of the link and dials again gets a new one', async () => {
  const a = await peer(1)
  const before = await stranger({ seed: seedOf(50) })
  await reach(before, a)
  const id = before.peerId.toString()
  await settle(() => a.count('up', id) === 1, 'it is linked')
  const now = performance.now.bind(performance)
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000)
  cleanups.push(() => later.mockRestore())
  const after = await stranger({ seed: seedOf(50) })
  await reach(after, a)
  await settle(() => a.count('up', id) === 2, 'it is linked anew')
  expect(a.told.map(({ kind, why }) => why ?? kind)).toEqual(['up', 'reset', 'up'])
  await settle(() => before.getConnections().length === 0, 'the old connection is closed')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(a.count('down')).toBe(1)
})

test('a handler that throws is counted and the link goes on', async () => {
  const a = await peer(1)
  const b = await listen(seedOf(2))
  cleanups.push(() => stop(b))
  const fail = (): never => {
    throw new Error('a bug')
  }
  b.attach({ gate: () => 'member', up: fail, down: fail, dialFailed: fail, frame: fail, drain: fail, seen: fail })
  a.network.dial(b.self, b.addresses())
  await settle(() => a.count('up') === 1, 'the link stands')
  a.network.send(b.self, 'mem', Uint8Array.of(1))
  await settle(() => b.counts['handlerErrors'] === 2, 'up and frame failed')
  b.send(a.network.self, 'mem', Uint8Array.of(1))
  await settle(() => a.count('frame') === 1, 'the link carries')
})

test('a port that the user chose and that is taken is an error that names it', async () => {
  const a = await peer(1)
  await expect(listen(seedOf(2), { listenPort: a.network.port })).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringMatching(new RegExp(`${a.network.port}.*OMEGA_MESH_PORT`))
  })
})

test('a default port that is taken moves to the next free one, on IPv4 and IPv6 alike', async () => {
  const a = await peer(1, { bind: '' })
  const b = await peer(2, { bind: '', listenPort: a.network.port, portIsDefault: true })
  expect(b.network.port).toBeGreaterThan(a.network.port)
  expect(b.network.port).toBeLessThanOrEqual(a.network.port + 20)
  expect(b.network.addresses().every((address) => address.endsWith(`/tcp/${b.network.port}`))).toBe(true)
  await linked(a, b)
})

test('an address that is none is a failed dial, not an exception', async () => {
  const a = await peer(1)
  const target = createIdOf(2)
  a.network.dial(target, [
    'nonsense',
    '/ip4/127.0.0.1/udp/1',
    '/ip4/999.1.1.1/tcp/1',
    '/unix/tmp/x',
    `/dnsaddr/x/p2p/${target}`
  ])
  await settle(() => a.count('dialFailed') === 1, 'the dial fails')
  a.network.dial('not a peer id', ['/ip4/127.0.0.1/tcp/1'])
  await settle(() => a.count('dialFailed') === 2, 'the dial fails')
  a.network.dial(a.network.self, a.network.addresses())
  await settle(() => a.count('dialFailed') === 3, 'a dial to itself fails')
})

test('IPv6 carries a link', async (context) => {
  if (!Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))) {
    return context.skip('this PC has no IPv6')
  }
  const a = await peer(1, { bind: '::1' })
  const b = await peer(2, { bind: '::1' })
  expect(a.network.addresses()[0]).toMatch(/^\/ip6\/::1\/tcp\/\d+$/)
  await linked(a, b)
})

test('extra addresses are told after the own ones', async () => {
  const a = await peer(1, { extraAddresses: ['/dns4/pc.example/tcp/7777'] })
  expect(a.network.addresses()).toEqual([`/ip4/127.0.0.1/tcp/${a.network.port}`, '/dns4/pc.example/tcp/7777'])
})

function createIdOf(name: number): PeerId {
  return peerIdOf(deviceCrypto(seedOf(name)).publicKey)
}
