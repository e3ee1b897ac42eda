/**
 * A crowd at the door of a PC: programs with keys of their own and no certificate of the mesh, which dial at once and say
 * nothing, noise, the hello of another mesh, or one of this mesh with a certificate that is none, and frames that are for
 * members. They dial again as often as they are shown out.
 */
import { encodeFrame } from '../protocols/codec.ts'
import { PLANES } from '../protocols/ports.ts'
import type { NetworkHandler, Random } from '../protocols/ports.ts'
import { SimProcess } from './clock.ts'
import type { SimMesh } from './mesh.ts'
import { SimNetwork } from './network.ts'
import type { SimPc } from './pc.ts'

const DIAL_AGAIN_MS = 300
const NOISE_BYTES = 200

/** So many of them, for so long. */
export function crowd(mesh: SimMesh, pc: SimPc, count: number, forMs: number, random: Random): void {
  const { fabric, ring, timeline } = mesh.world
  for (let i = 0; i < count; i++) {
    const { peerId } = ring.key(`stranger ${mesh.nowMs} ${pc.index} ${i}`)
    const process = new SimProcess(timeline)
    const network = new SimNetwork(fabric, fabric.station(peerId), process)
    const dial = (): void => network.dial(pc.id, [pc.station.address])
    network.attach(handler(mesh, network, random, () => void process.setTimeout(dial, DIAL_AGAIN_MS)))
    dial()
    timeline.at(forMs, () => {
      process.kill()
      network.killed()
    })
  }
}

function handler(mesh: SimMesh, network: SimNetwork, random: Random, again: () => void): NetworkHandler {
  const { idBytes } = mesh.world.genesis
  const hello = (own: Uint8Array): Uint8Array => {
    const [cert, record] = [random.bytes(NOISE_BYTES), random.bytes(NOISE_BYTES)]
    return encodeFrame({ t: 'hello', v: [1, 1], mesh: own, n: 1, cert, record, wall: mesh.wallMs, features: [] })
  }
  return {
    gate: () => 'member',
    up: (peer) => {
      const way = Math.floor(random.float() * 5)
      if (way === 1) network.send(peer, 'hello', random.bytes(NOISE_BYTES))
      if (way === 2) network.send(peer, 'hello', hello(random.bytes(idBytes.length)))
      if (way === 3) network.send(peer, 'hello', hello(idBytes))
      if (way === 4) for (const plane of PLANES) network.send(peer, plane, encodeFrame({ t: 'welcome' }))
    },
    down: again,
    dialFailed: again,
    frame: () => {},
    message: () => {},
    drain: () => {},
    seen: () => {}
  }
}
