/**
 * Multicast discovery of a simulated LAN: a program that starts is seen by those that run, and sees them when it asks. It
 * asks often at first, then each minute, as mDNS does. Like the real thing it only hints: addresses, no identity.
 */
import type { Random } from '../protocols/ports.ts'
import type { SimProcess } from './clock.ts'
import type { Fabric } from './fabric.ts'
import type { SimNetwork } from './network.ts'

const FIRST_QUERY_MAX_MS = 500
const ANSWER_MAX_MS = 120
const PAUSE_MIN_MS = 1000
const PAUSE_MAX_MS = 60_000

export function announce(network: SimNetwork, process: SimProcess, fabric: Fabric, random: Random): void {
  let pauseMs = PAUSE_MIN_MS
  const query = (first: boolean): void => {
    for (const station of fabric.stations.values()) {
      const other = station.program
      if (other === undefined || other === network || !other.running) continue
      if (!fabric.reachesBothWays(network.station, station)) continue
      process.setTimeout(() => network.see(other.self, other.addresses()), random.float() * ANSWER_MAX_MS)
      // multicast: the newcomer answers its own question, so everyone hears of it
      if (first)
        fabric.timeline.at(
          random.float() * ANSWER_MAX_MS,
          () => other.running && other.see(network.self, network.addresses())
        )
    }
    process.setTimeout(() => network.running && query(false), pauseMs)
    pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)
  }
  process.setTimeout(() => query(true), random.float() * FIRST_QUERY_MAX_MS)
}
