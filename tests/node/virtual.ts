/** Lets virtual time and the event loop take turns, so that code with promises can be watched over simulated peers. */
import { startMesh } from '../../sim/mesh.ts'
import type { SimMesh } from '../../sim/mesh.ts'
import type { Peer } from '../../protocols/peer/index.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The promise's result, with virtual time passing until it is there. Fails when that takes too long. */
export async function driven<T>(
  mesh: SimMesh,
  promise: Promise<T>,
  { withinMs = 60_000, stepMs = 5 } = {}
): Promise<T> {
  let settled = false
  const watched = promise.finally(() => (settled = true))
  watched.catch(() => {})
  await turn()
  for (let ms = 0; !settled; ms += stepMs) {
    if (ms > withinMs) throw mesh.failure(`not settled within ${withinMs} ms of virtual time`)
    mesh.run(stepMs)
    await turn()
  }
  return await watched
}

/** Lets so much virtual time pass, with the event loop in between. */
export async function pass(mesh: SimMesh, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 5) {
    mesh.run(5)
    await turn()
  }
}

export function formed(seed: number, peers: number): SimMesh {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}

export function peerOf(mesh: SimMesh, n: number): Peer {
  return mesh.pc(n).peer!
}
