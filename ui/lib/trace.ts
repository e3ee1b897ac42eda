/**
 * A minute of totals that no peer keeps for the page, a sample each 2 s since the page was opened: network and disk, and of
 * large meshes, whose PCs' own minutes are not sent, processor and memory. Immutable.
 */
import type { NodeView } from '../../node/http/views.ts'
import { isKnown } from './reading.ts'
import { disk, memoryTotal, network, processor, type Total } from './totals.ts'

const EVERY_MS = 2_000
const SAMPLES = 31

export interface Sample {
  at: number
  /** Bytes per second in and out, of all PCs. */
  network: number | null
  /** 0 … 1 of all disks. */
  disk: number | null
  cpu: number | null
  memory: number | null
}

const NOTHING = { network: null, disk: null, cpu: null, memory: null }

function share({ sum }: Total): number | null {
  return isKnown(sum) && sum.value[1] > 0 ? sum.value[0] / sum.value[1] : null
}

export class Trace {
  readonly samples: readonly Sample[]

  constructor(samples: readonly Sample[] = []) {
    this.samples = samples
  }

  /** With a sample of now, when the last one is old enough. A pause without messages leaves a gap, not a line. */
  with(nodes: readonly NodeView[], now: number): Trace {
    const last = this.samples.at(-1)
    if (last && now - last.at < EVERY_MS - 100) return this
    const missed = last ? Math.min(SAMPLES, Math.round((now - last.at) / EVERY_MS) - 1) : 0
    const gaps = Array.from({ length: Math.max(0, missed) }, () => ({ at: now, ...NOTHING }))
    const age = () => null
    const rates = network(nodes, age).sum
    const sample = {
      at: now,
      network: isKnown(rates) ? rates.value[0] + rates.value[1] : null,
      disk: share(disk(nodes, age)),
      cpu: share(processor(nodes, age)),
      memory: share(memoryTotal(nodes, age))
    }
    return new Trace([...this.samples, ...gaps, sample].slice(-SAMPLES))
  }

  /** Always a whole minute wide; what was before the page is a gap. */
  line(kind: Exclude<keyof Sample, 'at'>): (number | null)[] {
    const known = this.samples.map((sample) => sample[kind])
    return [...Array.from({ length: SAMPLES - known.length }, () => null), ...known]
  }
}
