/**
 * What an idle mesh says: bytes per second that leave each PC, all headers included, at 2 and 3 real peers; and in the
 * simulator, at 10 and 100 peers, the frames and their payload by plane.
 */
import { startMesh } from '../../sim/mesh.ts'
import { namespacesMissing } from '../mesh/harness/index.ts'
import { trafficOf } from './measure.ts'
import { processesOfPeer, startBundledMesh } from './mesh.ts'
import { bench, kib, rounded, stretch } from './report.ts'
import type { Size } from './report.ts'

const FORM_MS = 60_000

await bench('gossip', async (size) => {
  const missing = namespacesMissing()
  return {
    realPeers: missing ?? [await real(['atlas', 'den'], size), await real(['atlas', 'den', 'lark'], size)],
    simulatedPeers: [simulated(10, size), simulated(100, size)]
  }
})

async function real(names: string[], size: Size) {
  await using mesh = await startBundledMesh({ peers: names })
  const pids = mesh.peers.map((peer) => processesOfPeer(peer).peerPid)
  await stretch(size.count(30, 5))
  const [before, startedAt] = [pids.map(trafficOf), performance.now()]
  await stretch(size.count(60, 10))
  const [after, tookS] = [pids.map(trafficOf), (performance.now() - startedAt) / 1000]
  return {
    peers: names.length,
    seconds: rounded(tookS),
    sentByEach: names.map((name, i) => {
      const sentBytesPerS = rounded((after[i]!.sentBytes - before[i]!.sentBytes) / tookS)
      return {
        name,
        sentBytesPerS,
        sentPacketsPerS: rounded((after[i]!.sentPackets - before[i]!.sentPackets) / tookS),
        sentBytesPerSPerOtherPeer: rounded(sentBytesPerS / (names.length - 1))
      }
    })
  }
}

/** Payload only: what TCP, Noise and yamux add is in the figures of the real peers. */
function simulated(peers: number, size: Size) {
  const mesh = startMesh({ seed: 1, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: FORM_MS,
    what: 'the mesh has formed',
    everyMs: 250
  })
  const formedMs = mesh.nowMs
  mesh.run(30_000)
  const { traffic } = mesh.world.fabric
  const counts = () => new Map([...traffic].map(([plane, { frames, bytes }]) => [plane, { frames, bytes }]))
  const before = counts()
  const seconds = size.count(60, 10)
  mesh.run(seconds * 1000)
  const planes = [...counts()].map(([plane, { frames, bytes }]) => {
    const was = before.get(plane) ?? { frames: 0, bytes: 0 }
    return {
      plane,
      framesPerSPerPeer: rounded((frames - was.frames) / seconds / peers),
      bytesPerSPerPeer: rounded((bytes - was.bytes) / seconds / peers)
    }
  })
  const sum = planes.reduce((total, { bytesPerSPerPeer }) => total + bytesPerSPerPeer, 0)
  return {
    peers,
    simulatedS: seconds,
    formedAfterSimulatedMs: rounded(formedMs),
    payloadBytesPerSPerPeer: rounded(sum),
    payloadKibPerSPerPeer: kib(sum),
    planes
  }
}
