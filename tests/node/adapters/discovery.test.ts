import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import multicastDns from 'multicast-dns'
import { afterEach, expect, test, vi } from 'vitest'
import { lookForDoors, startDiscovery } from '../../../node/adapters/discovery.ts'
import type { Discovery, Door } from '../../../node/adapters/discovery.ts'
import { createNetwork } from '../../../node/adapters/libp2p-network.ts'
import { doorRecord } from '../../../node/adapters/mdns-records.ts'
import { MdnsSockets } from '../../../node/adapters/mdns-sockets.ts'
import type { Libp2pNetwork } from '../../../node/adapters/libp2p-network.ts'
import type { Log, PeerId } from '../../../protocols/ports.ts'

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const sha = (text: string): Buffer => createHash('sha256').update(text).digest()
/** Other tests may run on this PC at the same time, and mDNS knows no walls. */
const unique = `of test ${process.pid}`
const settle = (until: () => boolean, what: string): Promise<unknown> =>
  vi
    .waitUntil(until, { timeout: 20_000, interval: 10 })
    .catch(() => Promise.reject(new Error(`never happened: ${what}`)))

interface Peer {
  network: Libp2pNetwork
  discovery: Discovery
  seen: Map<PeerId, readonly string[]>
}
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function peer(name: string, mesh: string): Promise<Peer> {
  const meshId = sha(`${mesh} ${unique}`).toString('hex')
  const network = await createNetwork({
    seed: sha(name),
    meshId,
    listenPort: 0,
    bind: '127.0.0.1',
    portIsDefault: false,
    log: quiet
  })
  const seen = new Map<PeerId, readonly string[]>()
  network.attach({
    gate: () => 'member',
    up() {},
    down() {},
    dialFailed() {},
    frame() {},
    drain() {},
    seen: (id, addresses) => void seen.set(id, addresses)
  })
  const discovery = await startDiscovery({ network, meshId, self: network.self, log: quiet })
  open.push(async () => {
    await discovery.stop()
    await new Promise<void>((resolve) => network.stop(resolve))
  })
  return { network, discovery, seen }
}

test('two peers of a mesh find each other, a peer of another mesh finds neither', async () => {
  const a = await peer('a', 'one mesh')
  const b = await peer('b', 'one mesh')
  const c = await peer('c', 'another mesh')
  await settle(() => a.seen.has(b.network.self) && b.seen.has(a.network.self), 'both are introduced')
  expect(a.seen.get(b.network.self)).toEqual(b.network.addresses())
  expect(a.discovery.state.ok).toBe(true)
  c.discovery.lookAgain()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(c.seen.size).toBe(0)
  expect(a.seen.has(c.network.self)).toBe(false)
  expect(a.seen.has(a.network.self)).toBe(false)
})

test('a PC without a mesh finds a door that opens while it looks, and one that was open before; not one that closed', async () => {
  const a = await peer('a', 'one mesh')
  const meshName = `Ännes Büro ${unique}`
  const collect = (doors: Door[]) =>
    lookForDoors((door) => void (door.meshName === meshName && doors.push(door)), quiet)
  const doors: Door[] = []
  const early = collect(doors)
  const close = a.discovery.announceDoor({ port: 7778, untilMs: Date.now() + 600_000, meshName })
  await settle(() => doors.length > 0, 'the door is seen')
  expect(doors[0]).toMatchObject({ meshName, addresses: ['127.0.0.1:7778'] })
  early.stop()

  const later: Door[] = []
  const late = collect(later)
  await settle(() => later.length > 0, 'the open door is seen')
  expect(later[0]!.id).toBe(doors[0]!.id)
  late.stop()

  // Told of again before it is closed, as when its time is extended: the same door, and the first close is none any more.
  const closeAgain = a.discovery.announceDoor({ port: 7778, untilMs: Date.now() + 600_000, meshName })
  close()
  const again: Door[] = []
  const third = collect(again)
  await settle(() => again.length > 0, 'the door is still seen')
  expect(again[0]!.id).toBe(doors[0]!.id)
  third.stop()

  closeAgain()
  const none: Door[] = []
  const last = collect(none)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(none).toEqual([])
  last.stop()
})

test('garbage on the mDNS port changes nothing', async () => {
  const a = await peer('a', 'one mesh')
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  socket.setMulticastInterface('127.0.0.1')
  for (let i = 0; i < 200; i++) {
    const bytes = Buffer.alloc(i * 3, 0).map((_, at) => (at * 31 + i * 7) & 0xff)
    if (i % 2 === 0 && bytes.length > 2) bytes[2] = 0x84
    await new Promise((resolve) => socket.send(bytes, 5353, '224.0.0.251', resolve))
  }
  socket.close()
  const b = await peer('b', 'one mesh')
  await settle(() => a.seen.has(b.network.self) && b.seen.has(a.network.self), 'both are introduced')
})

test('a PC on no network, and one that cannot send multicast, say so with a way out', async () => {
  const owner = { services: () => ['_x._udp.local'], answer: () => undefined, heard() {} }
  const none = new MdnsSockets(() => [], quiet, owner)
  expect(none.state).toMatchObject({
    ok: false,
    reason: expect.stringContaining('no network'),
    fix: expect.stringMatching(/\w/)
  })
  await none.close()
  const gone = { name: 'gone', ipv4: '192.0.2.77', netmask: '255.255.255.0', isLoopback: false, hosts: ['192.0.2.77'] }
  const broken = new MdnsSockets(() => [gone], quiet, owner)
  await settle(() => !broken.state.ok, 'the trouble shows')
  expect(broken.state.reason).toMatch(/multicast DNS: .+/)
  expect(broken.state.fix).toMatch(/\w/)
  await broken.close()
})

test('a flood of doors is passed on at a bounded rate', async () => {
  const told: Door[] = []
  const search = lookForDoors((door) => void (door.meshName === `flood ${unique}` && told.push(door)), quiet)
  const loud = multicastDns({ interface: '127.0.0.1', bind: '0.0.0.0' })
  await settle(() => search.state.ok, 'it listens')
  for (let i = 0; i < 300; i++) {
    const answers = doorRecord({ id: `flood${i}`, meshName: `flood ${unique}`, addresses: [`10.0.0.1:${i + 1}`] })
    await new Promise<void>((resolve) => loud.respond({ answers }, () => resolve()))
  }
  await settle(() => told.length > 0, 'some are told of')
  expect(told.length).toBeLessThanOrEqual(16)
  search.stop()
  await new Promise<void>((resolve) => loud.destroy(resolve))
})
