/**
 * What a stranger on the LAN gets: nothing. Garbage on every port, a libp2p node that knows the mesh id but has no
 * certificate, a peer of another mesh; all refused and counted, and nothing dies. Two meshes on one LAN stay two.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { listenNode } from '../../node/adapters/libp2p-node.ts'
import { PLANES, planeProtocol } from '../../protocols/ports.ts'
import { startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 400_000 }
const KINDS: Record<string, (socket: Socket) => void> = {
  'random bytes': (socket) => socket.end(randomBytes(200_000)),
  'a web request': (socket) => socket.end('GET /api/v1/nodes HTTP/1.1\r\nhost: x\r\n\r\n'),
  'half of a handshake': (socket) =>
    socket.end('\x13/multistream/1.0.0\n\x07/noise\n' + '\xff'.repeat(70_000), 'latin1'),
  'a length that is none': (socket) => socket.end(Buffer.alloc(100_000, 0xff)),
  'nothing at all': (socket) => socket.end(),
  'a connection that breaks': (socket) => socket.resetAndDestroy()
}

test('garbage on the ports for peers, for new PCs and for browsers gets nothing, and nothing dies', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  await atlas.json(['invite', '--open', '10m'])
  const before = pidsOf(mesh)
  const counted = await counts(atlas)
  const [meshPort, joinPort, pagePort] = [
    portOf(atlas, 'OMEGA_MESH_PORT', 7777),
    portOf(atlas, 'OMEGA_JOIN_PORT', 7778),
    portOf(atlas, 'OMEGA_PORT', 8443)
  ]
  // Some who connect and never speak stay for as long as they are let; the others must get their turn all the same.
  const silent = [meshPort, joinPort, pagePort].map((port) => openSocket(atlas, port))
  for (const port of [meshPort, joinPort, pagePort])
    for (const [kind, speak] of Object.entries(KINDS)) {
      const heard = await talk(atlas, port, speak)
      expect({ kind, port, heard: leaks(heard) }).toEqual({ kind, port, heard: [] })
    }
  for (const request of [
    'GET /api/v1/nodes HTTP/1.1',
    'GET /metrics HTTP/1.1',
    'POST /api/v1/sessions HTTP/1.1',
    'GET /api/v1/nothing HTTP/1.1'
  ]) {
    expect({ request, status: (await askTls(atlas, pagePort, request)).split('\r\n')[0] }).toEqual({
      request,
      status: 'HTTP/1.1 401 Unauthorized'
    })
  }
  const failed = async (note: (seen: unknown) => void) => {
    const now = await counts(atlas)
    note(now)
    const strangers = (seen: Record<string, number>) => (seen.inboundConnections ?? 0) - (seen.inboundSecured ?? 0)
    return strangers(now) - strangers(counted) >= Object.keys(KINDS).length
  }
  await mesh.until(failed, { what: 'count of failed handshakes' })
  await worksOn(mesh, before)
  // The door is still a door.
  expect((await den.status()).doors.map((door) => door.name)).toEqual(['atlas'])
  for (const socket of silent) socket.destroy()
})

test('a node that knows the mesh id and has no certificate gets a hello and nothing else', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const atlas = mesh.peer('atlas')
  const before = pidsOf(mesh)
  const status = await atlas.status()
  for (const speaks of ['garbage', 'nothing'] as const) {
    const stranger = await strangerNode(status.mesh!.id)
    const heard: string[] = []
    const listen = (plane: string, stream: Stream | undefined): void =>
      stream?.addEventListener('message', ({ data }) =>
        heard.push(`${plane}: ${Buffer.from(data.subarray()).toString('latin1')}`)
      )
    for (const plane of PLANES) await stranger.handle(planeProtocol(plane), (stream) => listen(plane, stream))
    const connection = await stranger.dial(target(atlas, status.peerId), { signal: AbortSignal.timeout(30_000) })
    for (const plane of PLANES) {
      const stream = await connection.newStream(planeProtocol(plane)).catch(() => undefined)
      listen(plane, stream)
      if (speaks === 'garbage' && stream?.writeStatus === 'writable') stream.send(randomBytes(10_000))
    }
    await mesh.until(() => connection.status !== 'open', { what: `end of the link to a stranger that says ${speaks}` })
    // The hello of a member: its certificate and a challenge; nothing of other members, of sessions, of users.
    expect(heard.filter((line) => !line.startsWith('hello: ') || line.includes('den'))).toEqual([])
  }
  // The end of probation and that of the hello lie at the same moment, and a busy PC grants the first a second time.
  const { probationsOver = 0, garbageStreams = 0, hello_refused = 0, ...rest } = await counts(atlas)
  expect({ refused: probationsOver + garbageStreams + hello_refused, rest }).toMatchObject({ refused: 2 })
  await worksOn(mesh, before)
})

test(
  'two meshes on one LAN, both with mDNS, do not mix, and a peer of one is a stranger to the other',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark', 'moth'], join: 'none' })
    const [atlas, den, lark, moth] = ['atlas', 'den', 'lark', 'moth'].map((name) => mesh.peer(name)) as [
      Peer,
      Peer,
      Peer,
      Peer
    ]
    for (const [founder, second] of [
      [atlas, den],
      [lark, moth]
    ] as const) {
      await founder.up(['--new'])
      await second.up(['--join', (await founder.json<{ invite: string }>(['invite'])).invite])
    }
    const whole = async () => {
      await mesh.allSeeAll([atlas, den])
      await mesh.allSeeAll([lark, moth])
    }
    await whole()
    // All of them at once look for their own by mDNS.
    await Promise.all(mesh.peers.map((peer) => peer.killPeerProcess('SIGTERM')))
    await Promise.all(mesh.peers.map((peer) => peer.up()))
    await whole()
    for (const [peer, names] of [
      [atlas, 'atlas den'],
      [den, 'atlas den'],
      [lark, 'lark moth'],
      [moth, 'lark moth']
    ] as const) {
      expect(
        (await peer.nodes())
          .map((node) => node.name)
          .sort()
          .join(' ')
      ).toBe(names)
    }
    expect((await atlas.status()).mesh?.id).not.toBe((await lark.status()).mesh?.id)

    // A peer of the other mesh that is led to the address does not come through the handshake.
    const before = pidsOf(mesh)
    const stranger = await strangerNode((await lark.status()).mesh!.id)
    const { peerId } = await atlas.status()
    await expect(stranger.dial(target(atlas, peerId), { signal: AbortSignal.timeout(30_000) })).rejects.toThrow()
    const { stderr, code } = await atlas.omega(['run', '--no-files', '--on', 'lark', '--', 'true'])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'omega: no PC of this mesh is called "lark"; `omega nodes` lists them\n'
    })
    expect(pidsOf(mesh)).toEqual(before)
  }
)

const portOf = (peer: Peer, setting: string, byDefault: number): number => Number(peer.env[setting] ?? byDefault)
const target = (peer: Peer, peerId: string) =>
  multiaddr(`/ip4/${peer.address}/tcp/${portOf(peer, 'OMEGA_MESH_PORT', 7777)}/p2p/${peerId}`)

async function strangerNode(meshId: string) {
  const { node } = await listenNode({
    seed: randomBytes(32),
    meshId,
    listenPort: 0,
    bind: '',
    portIsDefault: true,
    isDenied: () => false,
    onInbound: () => {}
  })
  onTestFinished(async () => await node.stop())
  return node
}

function openSocket(peer: Peer, port: number): Socket {
  return connect(port, peer.address).on('error', () => {})
}

/** All that the peer answers until it, or the stranger, ends the connection. */
async function talk(peer: Peer, port: number, speak: (socket: Socket) => void): Promise<Buffer> {
  const socket = openSocket(peer, port)
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  socket.once('connect', () => speak(socket))
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(parts)
}

async function askTls(peer: Peer, port: number, request: string): Promise<string> {
  // A stranger does not check whom it talks to.
  const socket = connectTls({ port, host: peer.address, rejectUnauthorized: false })
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => (text += part))
  socket.write(
    `${request}\r\nhost: ${peer.address}:${port}\r\norigin: https://${peer.address}:${port}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
  )
  await new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject))
  return text
}

/** Words of the mesh in what a stranger heard. */
function leaks(heard: Buffer): string[] {
  return ['atlas', 'den', '12D3Koo', 'mesh "'].filter((word) => heard.includes(word))
}

async function counts(peer: Peer): Promise<Record<string, number>> {
  const lines = (await peer.text('/metrics')).matchAll(/^omega_counts_total\{what="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, what = '', count]) => [what, Number(count)]))
}

const pidsOf = (mesh: Mesh): number[][] =>
  mesh.peers.map((peer) =>
    peer
      .processes()
      .filter(({ command }) => / up |sessiond/.test(command))
      .map(({ pid }) => pid)
  )

/** The same processes, all members, and work is done. */
async function worksOn(mesh: Mesh, before: number[][]): Promise<void> {
  expect(pidsOf(mesh)).toEqual(before)
  await mesh.allSeeAll()
  const ran = await mesh.peers[0]!.omega(['run', '--no-files', '--on', mesh.peers[1]!.name, '--', 'echo', 'works'])
  expect(ran).toMatchObject({ code: 0, stdout: 'works\n' })
}
