/**
 * Readings as the mesh hears of them: the static and the dynamic half of this PC's advertisement (protocols/gossip/ad.ts).
 * What could not be read stays absent in the dynamic half; the static half carries the reasons.
 */
import { availableParallelism, totalmem } from 'node:os'
import type { AdDynamic, AdStatic } from '../../protocols/gossip/index.ts'
import { valueOf } from './reading.ts'
import type { Reading } from './reading.ts'
import type { HardwareReport } from './hardware-rows.ts'
import type { Sample } from './sensors.ts'
import type { Facts } from './source.ts'

/** What the peer knows of itself and no sensor does. */
export type OwnStatic = Pick<
  AdStatic,
  'labels' | 'name' | 'version' | 'urls' | 'offer' | 'witness' | 'tlsFingerprint' | 'displays' | 'apps'
> & {
  /** Why a part of it is absent. */
  lacks?: Record<string, string>
}
export type OwnDynamic = Pick<AdDynamic, 'granted' | 'paused' | 'draining' | 'sessions' | 'usedBy'>

/** What the PC could give at most, as this program may use it (control groups and CPU sets count). */
export function capacityOf(sample: Sample): { cpuMilli: number; memoryBytes: number } {
  return {
    cpuMilli: Math.round((valueOf(sample.cores) ?? availableParallelism()) * 1000),
    memoryBytes: valueOf(sample.memoryBytes) ?? totalmem()
  }
}

export function staticAd(
  facts: Facts,
  sample: Sample,
  hardware: HardwareReport | undefined,
  { lacks = {}, ...own }: OwnStatic
): AdStatic {
  const { cpuMilli, memoryBytes } = capacityOf(sample)
  const model = valueOf(facts.cpuModel)
  return {
    os: cut(valueOf(facts.os) ?? facts.kernel, 120),
    arch: facts.arch,
    ...(model === undefined ? {} : { cpuModel: cut(model, 120) }),
    cores: Math.max(1, Math.round(cpuMilli / 1000)),
    memoryBytes,
    gpus: graphicsNames(hardware),
    missing: { ...reasons(facts, sample, hardware), ...mapped(lacks, (why) => cut(why, 120)) },
    ...own
  }
}

export function dynamicAd(facts: Facts, sample: Sample, own: OwnDynamic): AdDynamic {
  const perCore = valueOf(sample.perCore)
  const battery = valueOf(sample.battery)
  const measured = {
    cpu: rounded(sample.cpu, 3),
    perCore: perCore && Uint8Array.from(perCore.slice(0, 512), (share) => Math.round(share * 255)),
    load1: rounded(sample.load1, 2),
    memoryUsedBytes: rounded(sample.memoryUsedBytes, 0),
    diskBytes: rounded(sample.diskBytes, 0),
    diskFreeBytes: rounded(sample.diskFreeBytes, 0),
    rxBytesPerS: rounded(sample.netRxBytesPerS, 0),
    txBytesPerS: rounded(sample.netTxBytesPerS, 0),
    temperatureC: rounded(sample.temperatureC, 1),
    battery: battery && { percent: battery.percent, charging: battery.state !== 'discharging' },
    bootedAt: valueOf(facts.bootedAtMs)
  }
  const present = Object.entries(measured).filter(([, field]) => field !== undefined)
  return { ...own, ...Object.fromEntries(present) }
}

/** Models of the graphics cards that the hardware helper saw. */
export function graphicsNames(hardware: HardwareReport | undefined): string[] {
  const names = (hardware?.sections['Graphics'] ?? []).map(({ vendor, model, name }) => {
    const known = [vendor, name ?? model].filter((part) => typeof part === 'string')
    return cut(known.join(' '), 120)
  })
  return names.filter((name) => name !== '').slice(0, 16)
}

/** Field of an advertisement to why it is absent. A rate that only waits for its second sample is no news. */
function reasons(facts: Facts, sample: Sample, hardware: HardwareReport | undefined): Record<string, string> {
  const readings: Record<string, Reading<unknown>> = {
    cpuModel: facts.cpuModel,
    bootedAt: facts.bootedAtMs,
    load1: sample.load1,
    memoryUsedBytes: sample.memoryUsedBytes,
    diskBytes: sample.diskBytes,
    diskFreeBytes: sample.diskFreeBytes,
    temperatureC: sample.temperatureC,
    battery: sample.battery,
    ...(sample.overMs === null
      ? {}
      : {
          cpu: sample.cpu,
          perCore: sample.perCore,
          rxBytesPerS: sample.netRxBytesPerS,
          txBytesPerS: sample.netTxBytesPerS
        })
  }
  const found = Object.entries(readings).flatMap(([field, reading]) =>
    'missing' in reading ? [[field, cut(reading.missing, 120)]] : []
  )
  if (graphicsNames(hardware).length === 0) {
    found.push([
      'gpus',
      cut(hardware === undefined ? 'not read yet' : (hardware.errors['Graphics'] ?? 'none found'), 120)
    ])
  }
  return Object.fromEntries(found)
}

function rounded(reading: Reading<number>, digits: number): number | undefined {
  const number = valueOf(reading)
  return number === undefined ? undefined : Math.round(number * 10 ** digits) / 10 ** digits
}

const mapped = (record: Record<string, string>, to: (text: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(record).map(([key, text]) => [key, to(text)]))

const cut = (text: string, chars: number): string => (text.length <= chars ? text : `${text.slice(0, chars - 1)}…`)
