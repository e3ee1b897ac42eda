/**
 * The sensors of this PC: a sample each second or two, rates as differences of two samples, and the detail that GET
 * /nodes/{id} shows. Reads the OS directly and starts no program. Slow readings (temperature, battery, room on disks) are
 * refreshed in the background each 10 s, so that a device that hangs delays no sample.
 */
import { networkInterfaces } from 'node:os'
import { sep } from 'node:path'
import type { NodeDetail } from '../http/views.ts'
import { createLinuxSource } from './linux.ts'
import { createPortableSource } from './portable.ts'
import type { Ticks } from './proc-text.ts'
import { mapReading, missing, value, valueOf } from './reading.ts'
import type { Reading } from './reading.ts'
import type { Battery, Counters, Facts, SlowReadings, Source, Space } from './source.ts'

const SLOW_EVERY_MS = 10_000
/** How long the first sample waits for slow readings, so that a fresh start shows them at once where they are quick. */
const FIRST_SLOW_WAIT_MS = 300
/** Counters of the kernel tick each 10 ms; nearer samples than this would be noise and get the former one. */
const MIN_INTERVAL_MS = 200

export interface SensorOptions {
  /** Folder that stands for `/` (a tree of files like /proc and /sys); only tests set it. */
  root?: string
  /** Clock.mono() and Clock.wall(). */
  now: () => number
  wall?: () => number
  dataDir: string
}

export interface Sample {
  /** now() of the sample. */
  atMs: number
  /** Interval that the rates cover; null on the first sample, which has none. */
  overMs: number | null
  /** Cores' worth of CPU time this program may use; a fraction under a quota. */
  cores: Reading<number>
  /** 0 … 1 of `cores`. */
  cpu: Reading<number>
  /** 0 … 1 a core. */
  perCore: Reading<number[]>
  load1: Reading<number>
  memoryBytes: Reading<number>
  memoryUsedBytes: Reading<number>
  /** All local disks together. */
  diskBytes: Reading<number>
  diskFreeBytes: Reading<number>
  /** Where sessions and their files go. */
  dataDiskFreeBytes: Reading<number>
  /** Through the PC's own network interfaces, without the loopback. */
  netRxBytesPerS: Reading<number>
  netTxBytesPerS: Reading<number>
  temperatureC: Reading<number>
  battery: Reading<Battery>
  /** In words: limits that make the PC look smaller than it is. */
  limits: string[]
  interfaces: Reading<InterfaceRate[]>
  disks: NodeDetail['disks']
}

export interface InterfaceRate {
  name: string
  rxBytes: number
  txBytes: number
  rxBytesPerS: number | null
  txBytesPerS: number | null
}

export interface Sensors {
  readonly facts: Facts
  sample(): Promise<Sample>
  detail(): Promise<Pick<NodeDetail, 'disks' | 'interfaces'>>
}

export function createSensors(options: SensorOptions): Sensors {
  const source = sourceFor(options)
  const refresh = refreshInBackground(source, options.now)
  const facts = source.facts()
  let before: { atMs: number; counters: Counters } | undefined
  let last: Sample | undefined

  async function sample(): Promise<Sample> {
    if (last !== undefined && options.now() - last.atMs < MIN_INTERVAL_MS) return last
    const slow = await refresh()
    const after = { atMs: options.now(), counters: source.counters() }
    last = toSample(source, options.dataDir, before, after, slow)
    before = after
    return last
  }

  return {
    facts,
    sample,
    async detail() {
      const { disks, interfaces } = await sample()
      const addresses = networkInterfaces()
      return {
        disks,
        interfaces: mapReading(interfaces, (list) =>
          list.map((net) => ({
            ...net,
            addresses: (addresses[net.name] ?? []).map((a) => a.address),
            speedMbps: source.speedMbps(net.name)
          }))
        )
      }
    }
  }
}

function sourceFor({ root, now, wall = Date.now, dataDir }: SensorOptions): Source {
  if (root !== undefined || process.platform === 'linux') return createLinuxSource({ root: root ?? '', dataDir, now })
  return createPortableSource({ dataDir, wall })
}

const notYet = missing<never>('not read yet')

/** Answers with what is known; one refresh runs at a time, however long it takes. */
function refreshInBackground(source: Source, now: () => number): () => Promise<SlowReadings> {
  let known: SlowReadings = { temperatureC: notYet, battery: notYet, spaces: notYet }
  let startedAtMs = -Infinity
  let running: Promise<void> | undefined
  return async () => {
    const first = startedAtMs === -Infinity
    if (running === undefined && now() - startedAtMs >= SLOW_EVERY_MS) {
      startedAtMs = now()
      running = source.slow().then((readings) => {
        known = readings
        running = undefined
      })
    }
    if (first && running !== undefined) await settledWithin(running, FIRST_SLOW_WAIT_MS)
    else if (running !== undefined && now() - startedAtMs > 3 * SLOW_EVERY_MS) {
      const seconds = Math.round((now() - startedAtMs) / 1000)
      return { ...known, spaces: missing(`a disk has not answered for ${seconds} s`) }
    }
    return known
  }
}

async function settledWithin(work: Promise<void>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

type Stamped = { atMs: number; counters: Counters }

function toSample(
  source: Source,
  dataDir: string,
  before: Stamped | undefined,
  after: Stamped,
  slow: SlowReadings
): Sample {
  const { counters } = after
  const overMs = before === undefined ? null : after.atMs - before.atMs
  const perCore = coreShares(before?.counters.cores, counters.cores)
  const interfaces = interfaceRates(before?.counters.net, counters.net, overMs)
  const [netRxBytesPerS, netTxBytesPerS] = netTotals(source, interfaces)
  const sum = (pick: (s: Space) => number): Reading<number> =>
    mapReading(slow.spaces, (spaces) => spaces.reduce((total, space) => total + pick(space), 0))
  return {
    atMs: after.atMs,
    overMs,
    cores: mapReading(counters.cores, (cores) => counters.quota?.cores ?? cores.size),
    cpu: cpuShare(before?.counters, counters, overMs),
    perCore: mapReading(perCore, (shares) => shares.map((s) => s.share)),
    load1: counters.load1,
    memoryBytes: mapReading(counters.memory, (m) => m.totalBytes),
    memoryUsedBytes: mapReading(counters.memory, (m) => m.usedBytes),
    diskBytes: sum((space) => space.bytes),
    diskFreeBytes: sum((space) => space.freeBytes),
    dataDiskFreeBytes: holderFree(slow.spaces, dataDir),
    netRxBytesPerS,
    netTxBytesPerS,
    temperatureC: slow.temperatureC,
    battery: slow.battery,
    limits: counters.limits,
    interfaces,
    disks: diskRates(slow.spaces, before?.counters, counters, overMs)
  }
}

const firstSample = missing<never>('a rate needs two samples; this is the first')

interface Share {
  share: number
  busy: number
  total: number
}

/** Of each core that both samples saw, in the order of their numbers. */
function coreShares(before: Counters['cores'] | undefined, after: Counters['cores']): Reading<Share[]> {
  if (before === undefined) return 'missing' in after ? after : firstSample
  if ('missing' in after) return after
  const earlier = valueOf(before) ?? new Map<number, Ticks>()
  const shares: Share[] = []
  for (const [core, now] of after.value) {
    const then = earlier.get(core)
    if (then === undefined) continue
    const total = now.total - then.total
    // idle time of a core may step back a little (proc(5), iowait), so the share is held within its bounds
    const busy = within(now.busy - then.busy, 0, total)
    if (total > 0) shares.push({ share: busy / total, busy, total })
  }
  return shares.length > 0 ? value(shares) : missing('no core was counted in both samples')
}

function cpuShare(before: Counters | undefined, after: Counters, overMs: number | null): Reading<number> {
  const { quota } = after
  if (quota?.usedMs !== undefined && before !== undefined && overMs !== null) {
    const usedBefore = before.quota?.usedMs
    if (usedBefore === undefined) return missing('the CPU quota was set between the two samples')
    return value(within((quota.usedMs - usedBefore) / (quota.cores * overMs), 0, 1))
  }
  return mapReading(coreShares(before?.cores, after.cores), (shares) => {
    const total = shares.reduce((sum, s) => sum + s.total, 0)
    return shares.reduce((sum, s) => sum + s.busy, 0) / total
  })
}

function interfaceRates(
  before: Counters['net'] | undefined,
  after: Counters['net'],
  overMs: number | null
): Reading<InterfaceRate[]> {
  const earlier = new Map((before === undefined ? [] : (valueOf(before) ?? [])).map((net) => [net.name, net]))
  return mapReading(after, (list) =>
    list.map((net) => ({
      ...net,
      rxBytesPerS: perSecond(earlier.get(net.name)?.rxBytes, net.rxBytes, overMs),
      txBytesPerS: perSecond(earlier.get(net.name)?.txBytes, net.txBytes, overMs)
    }))
  )
}

/** Physical interfaces, or, where a container or virtual network has none, all but the loopback. */
function netTotals(source: Source, interfaces: Reading<InterfaceRate[]>): [Reading<number>, Reading<number>] {
  if ('missing' in interfaces) return [interfaces, interfaces]
  const outward = interfaces.value.filter((net) => net.name !== 'lo')
  const physical = outward.filter((net) => source.isPhysical(net.name))
  const counted = physical.length > 0 ? physical : outward
  if (counted.length === 0)
    return [missing('no network interface but the loopback'), missing('no network interface but the loopback')]
  const total = (pick: (net: InterfaceRate) => number | null): Reading<number> => {
    const rates = counted.map(pick).filter((rate) => rate !== null)
    return rates.length > 0 ? value(rates.reduce((sum, rate) => sum + rate, 0)) : firstSample
  }
  return [total((net) => net.rxBytesPerS), total((net) => net.txBytesPerS)]
}

function diskRates(
  spaces: Reading<Space[]>,
  before: Counters | undefined,
  after: Counters,
  overMs: number | null
): NodeDetail['disks'] {
  const then = before === undefined ? undefined : valueOf(before.disks)
  const now = valueOf(after.disks)
  return mapReading(spaces, (list) =>
    list.map(({ counterId, ...space }) => {
      const [from, to] = counterId === undefined ? [] : [then?.get(counterId), now?.get(counterId)]
      return {
        ...space,
        readBytesPerS: to === undefined ? null : perSecond(from?.readBytes, to.readBytes, overMs),
        writeBytesPerS: to === undefined ? null : perSecond(from?.writtenBytes, to.writtenBytes, overMs)
      }
    })
  )
}

/** Null without an earlier count, or when the counter began anew. */
function perSecond(before: number | undefined, after: number, overMs: number | null): number | null {
  if (before === undefined || overMs === null || overMs <= 0 || after < before) return null
  return ((after - before) * 1000) / overMs
}

function holderFree(spaces: Reading<Space[]>, dataDir: string): Reading<number> {
  if ('missing' in spaces) return spaces
  const holders = spaces.value.filter(({ mount }) =>
    `${dataDir}${sep}`.startsWith(mount.endsWith(sep) ? mount : mount + sep)
  )
  const nearest = holders.sort((a, b) => b.mount.length - a.mount.length)[0]
  return nearest === undefined ? missing(`no disk that was read holds ${dataDir}`) : value(nearest.freeBytes)
}

const within = (n: number, low: number, high: number): number => Math.min(high, Math.max(low, n))
