/**
 * How fast the simulator is: peer-seconds of an idle mesh for each second of the wall clock, at 10 and 100 peers, beside its
 * bare clock firing as many entries that do nothing.
 */
import { Timeline } from '../../sim/clock.ts'
import { startMesh } from '../../sim/mesh.ts'
import { bench, rounded } from './report.ts'

const FORM_MS = 60_000

await bench('sim', (size) => ({ atPeers: [simulate(10, size.count(300, 30)), simulate(100, size.count(30, 5))] }))

function simulate(peers: number, seconds: number) {
  const mesh = startMesh({ seed: 1, peers })
  const startedAt = performance.now()
  mesh.until(() => mesh.running.length === peers && mesh.agree(), { withinMs: FORM_MS, what: 'formed', everyMs: 250 })
  const formedAt = performance.now()
  const formedAfterSimulatedMs = mesh.nowMs
  const firedBefore = mesh.world.timeline.fired
  mesh.run(seconds * 1000)
  const wallS = (performance.now() - formedAt) / 1000
  const entries = mesh.world.timeline.fired - firedBefore
  const bareS = bareClockS(peers, entries)
  return {
    peers,
    simulatedS: seconds,
    wallS: rounded(wallS),
    simulatedPeerSecondsPerWallS: rounded((peers * seconds) / wallS),
    entriesPerWallS: rounded(entries / wallS),
    wallOverBareClock: rounded(wallS / bareS),
    forming: { simulatedMs: rounded(formedAfterSimulatedMs), wallS: rounded((formedAt - startedAt) / 1000) },
    heapMib: rounded(process.memoryUsage().heapUsed / 2 ** 20),
    traceHash: mesh.traceHash()
  }
}

/** The floor: as many entries through the same heap, each arming the next. */
function bareClockS(lines: number, entries: number): number {
  const timeline = new Timeline()
  let left = entries
  const again = (): void => {
    if (left-- > 0) timeline.at(1 + (left % 7), again)
  }
  for (let i = 0; i < lines * 4; i++) timeline.at(i / 8, again)
  const startedAt = performance.now()
  while (timeline.step(Infinity));
  return (performance.now() - startedAt) / 1000
}
