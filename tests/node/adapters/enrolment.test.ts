import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import { enrolByInvite, knock } from '../../../node/adapters/enrolment-newcomer.ts'
import { createJoinNode, hostPortOf, multiaddrOf } from '../../../node/adapters/enrolment-node.ts'
import { loadDeviceSeed, openMembership } from '../../../node/security/identity.ts'
import { JOIN_PROTOCOL, verifyCertificate } from '../../../protocols/joining/index.ts'
import { clock, handClock, Site } from './enrolment-fixtures.ts'

const site = new Site()
afterEach(() => site.end())

const HOUR_MS = 3_600_000

test('a PC joins by an invite over libp2p and has all it needs on disk', async () => {
  const { desk, options, event } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const den = await site.newcomer('den')
  const enrolled = await enrolByInvite(invite, den.options)
  const membership = den.membership()!
  expect(membership.certificate).toEqual(enrolled.certificate.signed)
  expect(membership.signing).toBeUndefined()
  expect(membership.members).toEqual(options.members())
  const of = { genesis: options.genesis, device: den.peer, wall: clock.wall(), crypto: den.options.crypto }
  expect(verifyCertificate(membership.certificate, of).certificate).toMatchObject({
    name: 'den',
    caps: ['mesh', 'run', 'store', 'serve']
  })
  await event((e) => e.k === 'joined' && e.peer === den.peer && e.by === 'invite')
})

test('a PC joins through an open door after consent, with the same six words on both sides', async () => {
  const { desk, until, event } = await site.signer()
  await desk.openDoor(60_000)
  const den = await site.newcomer('den')
  const standing = await knock([`127.0.0.1:${desk.port}`], den.options)
  await until(() => desk.door()?.knocks.length === 1)
  expect(desk.door()!.knocks).toEqual([
    { name: 'den', words: standing.offer.words, platform: `${process.platform} ${process.arch}`, state: 'waiting' }
  ])
  expect(standing.offer).toMatchObject({ meshName: 'home', memberName: 'attic' })
  expect(den.membership()).toBeUndefined()
  await standing.accept()
  expect(den.membership()).toBeDefined()
  await event((e) => e.k === 'joined' && e.by === 'door')
  expect(desk.door()!.knocks[0]!.state).toBe('joined')
})

test('a newcomer that withdraws is shown as such and is no member', async () => {
  const { desk, until } = await site.signer()
  await desk.openDoor(60_000)
  const den = await site.newcomer('den')
  const standing = await knock([`127.0.0.1:${desk.port}`], den.options)
  await until(() => desk.door()?.knocks.length === 1)
  standing.withdraw()
  await until(() => desk.door()!.knocks[0]!.state === 'refused')
  expect((await standing.gone).message).toMatch(/did not join/)
  expect(den.membership()).toBeUndefined()
})

test('closing the door ends the offers that stand at it', async () => {
  const { desk } = await site.signer()
  await desk.openDoor(60_000)
  const standing = await knock([`127.0.0.1:${desk.port}`], (await site.newcomer('den')).options)
  await desk.closeDoor()
  expect((await standing.gone).message).toMatch(/door/)
  await expect(standing.accept()).rejects.toThrow()
})

test('a door that is opened again keeps the newcomers that stand at it', async () => {
  const { hand, advance } = handClock()
  const { desk, until } = await site.signer({ clock: hand })
  await desk.openDoor(60_000)
  const standing = await knock([`127.0.0.1:${desk.port}`], (await site.newcomer('den', { clock: hand })).options)
  await until(() => desk.door()?.knocks.length === 1)
  await desk.openDoor(120_000)
  advance(60_001)
  expect(desk.door()!.knocks[0]!.state).toBe('waiting')
  await standing.accept()
  expect(desk.door()!.knocks).toHaveLength(1)
})

test('a stranger that connects and is silent is cut after ten seconds, with or without a conversation', async () => {
  const { hand, advance } = handClock()
  const { desk } = await site.signer({ clock: hand })
  await desk.openDoor(60_000)
  const stranger = await createJoinNode([])
  try {
    for (const talks of [false, true]) {
      const connection = await stranger.dial(multiaddr(`/ip4/127.0.0.1/tcp/${desk.port}`))
      const closed = new Promise((done) => connection.addEventListener('close', done))
      // Also waits until the other side has the connection.
      await connection.newStream(talks ? JOIN_PROTOCOL : '/no/such/1').catch(() => {})
      advance(9_999)
      expect(connection.status).toBe('open')
      advance(1)
      await closed
    }
  } finally {
    await stranger.stop()
  }
})

test('a second PC cannot use a used-up invite, and hears why', async () => {
  const { desk } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  await enrolByInvite(invite, (await site.newcomer('den')).options)
  await expect(enrolByInvite(invite, (await site.newcomer('loft')).options)).rejects.toThrow(/used up/)
})

test('an invite without an answer names the addresses that were tried', async () => {
  const { desk } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const { port } = desk
  await desk.close()
  const den = await site.newcomer('den')
  await expect(enrolByInvite(invite, den.options)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining(`127.0.0.1:${port}`)
  })
})

test('a membership that cannot be stored is no success, and the same PC can try again', async () => {
  const { desk } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const den = await site.newcomer('den')
  const keep = (): never => {
    throw new Error('disk full')
  }
  await expect(enrolByInvite(invite, { ...den.options, keep })).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await enrolByInvite(invite, den.options)
  expect(openMembership(den.membership()!, loadDeviceSeed(den.dir)).certificate.name).toBe('den')
})

test('garbage on the port, plain or inside the handshake, harms nobody', async () => {
  const { desk } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const throwAt = (bytes: Uint8Array): Promise<void> =>
    new Promise((done) => {
      const socket = connect(desk.port!, '127.0.0.1', () => socket.end(bytes))
      socket
        .on('error', () => {})
        .on('close', () => done())
        .resume()
    })
  const header = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n', 'latin1')
  for (const bytes of [
    randomBytes(5000),
    Buffer.alloc(0),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.concat([header, randomBytes(300)])
  ]) {
    await throwAt(bytes)
  }
  await enrolByInvite(invite, (await site.newcomer('den')).options)
})

test('frames that are garbage, too long or too many end the stranger’s own conversation only', async () => {
  const { desk } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const frame = (bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 255]), bytes])
  const hostile = [
    frame(randomBytes(100)),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
    Buffer.concat(Array.from({ length: 2000 }, () => frame(new Uint8Array(20)))),
    Buffer.from([0, 0])
  ]
  for (const bytes of hostile) {
    const stranger = await createJoinNode([])
    const connection = await stranger.dial(multiaddr(`/ip4/127.0.0.1/tcp/${desk.port}`))
    const stream = await connection.newStream(JOIN_PROTOCOL)
    const closed = new Promise((done) => connection.addEventListener('close', done))
    stream.send(bytes)
    await stream.close().catch(() => {})
    await closed
    await stranger.stop()
  }
  await enrolByInvite(invite, (await site.newcomer('den')).options)
})

test('a node without the prologue of enrolment does not get through the handshake', async () => {
  const { desk } = await site.signer()
  await desk.openDoor(60_000)
  const other = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
  try {
    await expect(other.dial(multiaddr(`/ip4/127.0.0.1/tcp/${desk.port}`))).rejects.toThrow()
  } finally {
    await other.stop()
  }
})

test('more than eight connections at once are not held', async () => {
  const { desk } = await site.signer()
  await desk.openDoor(60_000)
  const nodes = await Promise.all(Array.from({ length: 12 }, () => createJoinNode([])))
  try {
    const dials = nodes.map(async (node) => {
      const connection = await node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${desk.port}`))
      const stream = await connection.newStream(JOIN_PROTOCOL)
      return stream.status === 'open'
    })
    const held = (await Promise.allSettled(dials)).filter((dial) => dial.status === 'fulfilled' && dial.value)
    expect(held.length).toBeGreaterThan(0)
    expect(held.length).toBeLessThanOrEqual(8)
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
})

test('host:port and multiaddr are two forms of one address', () => {
  for (const [plain, multi] of [
    ['192.168.1.5:7778', '/ip4/192.168.1.5/tcp/7778'],
    ['[fd00::5]:7778', '/ip6/fd00::5/tcp/7778']
  ] as const) {
    expect(multiaddrOf(plain)).toBe(multi)
    expect(hostPortOf(multi)).toBe(plain)
  }
  expect(multiaddrOf('den.local:7778')).toBe('/dns/den.local/tcp/7778')
  for (const bad of ['', 'den', 'den:99999', 'a/b:1', ':1', '[::1]']) expect(multiaddrOf(bad), bad).toBeUndefined()
  expect(hostPortOf('/ip4/1.2.3.4/udp/1')).toBeUndefined()
})
