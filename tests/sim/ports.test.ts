/** The simulated clock, disk and network keep the promises of the ports, by the suites that the real ones pass too. */
import { KeyRing } from '../../sim/crypto.ts'
import { SimProcess, Timeline } from '../../sim/clock.ts'
import { SimDisk } from '../../sim/disk.ts'
import { Fabric } from '../../sim/fabric.ts'
import { SimNetwork } from '../../sim/network.ts'
import { createRandom } from '../../sim/random.ts'
import { Trace } from '../../sim/trace.ts'
import { clockContract } from '../contracts/clock.ts'
import { networkContract } from '../contracts/network.ts'
import { storeContract } from '../contracts/store.ts'

/** Virtual time is free: long enough for any timeout of the network. */
const PATIENCE_MS = 120_000

async function settleOn(timeline: Timeline, until: () => boolean, what: string): Promise<void> {
  if (!timeline.until(until, PATIENCE_MS)) throw new Error(`never within ${PATIENCE_MS} simulated ms: ${what}`)
}

clockContract('simulated', () => {
  const timeline = new Timeline()
  return { clock: new SimProcess(timeline), advance: async (ms) => timeline.run(ms), dispose: () => {} }
})

for (const seed of [1, 2, 3, 4, 5]) {
  storeContract(`simulated disk, seed ${seed}`, () => {
    const timeline = new Timeline()
    const disk = new SimDisk(createRandom(seed, 'disk'))
    let process = new SimProcess(timeline)
    const reopen = (loss: () => void) => async () => {
      process.kill()
      loss()
      process = new SimProcess(timeline)
      return disk.open(process)
    }
    return {
      store: disk.open(process),
      settle: (until, what) => settleOn(timeline, until, what),
      restart: reopen(() => disk.stopped()),
      powerCut: reopen(() => disk.powerCut()),
      dispose: () => {}
    }
  })

  networkContract(`simulated, seed ${seed}`, (count) => {
    const timeline = new Timeline()
    const fabric = new Fabric({ timeline, trace: new Trace(), seed })
    const ring = new KeyRing(seed)
    const start = (index: number): SimNetwork => {
      const { peerId } = ring.key(`peer ${index}`)
      const station = fabric.stations.get(peerId) ?? fabric.station(peerId)
      return new SimNetwork(fabric, station, new SimProcess(timeline))
    }
    const networks = Array.from({ length: count }, (_, i) => start(i))
    return {
      networks,
      deadAddress: '/ip4/10.255.255.1/tcp/7777',
      settle: (until, what) => settleOn(timeline, until, what),
      pass: async (ms) => timeline.run(ms),
      async restart(index) {
        networks[index]!.stop(() => {})
        fabric.readdress(networks[index]!.station)
        return start(index)
      },
      dispose: () => {}
    }
  })
}
