/**
 * Readings of Linux, straight from /proc and /sys. These files are made by the kernel when they are read, so the counters
 * are read synchronously; whatever may wait for a device is read in the background. `root` stands before every path,
 * so that tests can offer a tree of their own.
 */
import { existsSync, readFileSync } from 'node:fs'
import * as os from 'node:os'
import { readAllowedCpus, readCgroupLimits } from './cgroup.ts'
import type { CgroupLimits } from './cgroup.ts'
import { readSpaces } from './mounts.ts'
import { parseBootTimeS, parseCoreTicks, parseDiskstats, parseLoad1, parseMeminfo, parseNetDev } from './proc-text.ts'
import { attempt, mapReading, missing, value } from './reading.ts'
import type { Reading } from './reading.ts'
import type { Counters, Facts, Source } from './source.ts'
import { readBattery, readTemperature } from './sysfs.ts'

/** Limits of control groups change by hand only; while none applies, a look each 10 s is enough. */
const LIMITS_EVERY_MS = 10_000

export function createLinuxSource(options: { root: string; dataDir: string; now: () => number }): Source {
  const { root, dataDir, now } = options
  let limits: CgroupLimits = {}
  let allowed: number[] | undefined
  let limitsAtMs = -Infinity

  const refreshLimits = (): void => {
    const limited = limits.memoryBytes !== undefined || limits.cpuCores !== undefined
    if (!limited && now() - limitsAtMs < LIMITS_EVERY_MS) return
    limitsAtMs = now()
    limits = readCgroupLimits(root)
    allowed = readAllowedCpus(root)
  }

  return {
    facts: () => readFacts(root),
    counters() {
      refreshLimits()
      return readCounters(root, limits, allowed)
    },
    async slow() {
      const [temperatureC, battery, spaces] = await Promise.all([
        readTemperature(root),
        readBattery(root),
        readSpaces(root, dataDir)
      ])
      return { temperatureC, battery, spaces }
    },
    isPhysical: (name) => existsSync(`${root}/sys/class/net/${name}/device`),
    speedMbps(name) {
      // the driver answers with an error while the link is down, and -1 when it does not know
      const speed = attempt(() => Number(readFileSync(`${root}/sys/class/net/${name}/speed`, 'latin1')))
      return 'value' in speed && speed.value > 0 ? speed.value : null
    }
  }
}

function readFacts(root: string): Facts {
  const text = (path: string): string => readFileSync(root + path, 'utf8')
  return {
    hostname: os.hostname(),
    os: attempt(() => osName(text('/etc/os-release'))),
    platform: 'linux',
    arch: os.arch(),
    kernel: `Linux ${os.release()}`,
    cpuModel: readCpuModel(root, text),
    bootedAtMs: attempt(() => parseBootTimeS(text('/proc/stat')) * 1000)
  }
}

function osName(release: string): string {
  const found = /^PRETTY_NAME="?(.*?)"?$/m.exec(release)
  if (found?.[1] === undefined) throw new Error('/etc/os-release has no PRETTY_NAME')
  return found[1]
}

/** x86 names it in /proc/cpuinfo; boards with other processors name the board in the device tree. */
function readCpuModel(root: string, text: (path: string) => string): Reading<string> {
  const named = attempt(() => /^model name\s*:\s*(.+)$/m.exec(text('/proc/cpuinfo'))?.[1] ?? '')
  if ('value' in named && named.value !== '') return named
  const board = `${root}/proc/device-tree/model`
  if (existsSync(board)) return attempt(() => readFileSync(board, 'utf8').replace(/\0+$/, ''))
  return 'missing' in named ? named : missing('/proc/cpuinfo gives no model name for this processor')
}

function readCounters(root: string, limits: CgroupLimits, allowed: number[] | undefined): Counters {
  const read = <T>(path: string, parse: (text: string) => T): Reading<T> =>
    attempt(() => parse(readFileSync(root + path, 'latin1')))
  const all = read('/proc/stat', parseCoreTicks)
  const cores = mapReading(all, (map) =>
    allowed === undefined ? map : new Map([...map].filter(([cpu]) => allowed.includes(cpu)))
  )
  const installed = 'value' in all ? all.value.size : 0
  const usable = 'value' in cores ? cores.value.size : 0
  const memory = read('/proc/meminfo', parseMeminfo)
  const quota = limits.cpuCores !== undefined && limits.cpuCores < usable ? limits.cpuCores : undefined
  const words: string[] = []
  if (usable < installed)
    words.push(`${usable} of ${installed} cores: this program is bound to them (CPU set or affinity)`)
  if (quota !== undefined) words.push(`${round(quota)} of ${usable} cores: CPU quota of the control group`)
  if ('value' in memory && limits.memoryBytes !== undefined && limits.memoryBytes < memory.value.totalBytes) {
    words.push(`${gib(limits.memoryBytes)} of ${gib(memory.value.totalBytes)} memory: limit of the control group`)
  }
  return {
    cores,
    memory: memoryWithin(memory, limits),
    load1: read('/proc/loadavg', parseLoad1),
    net: read('/proc/net/dev', parseNetDev),
    disks: read('/proc/diskstats', parseDiskstats),
    quota: quota === undefined ? undefined : { cores: quota, usedMs: limits.cpuUsedMs },
    limits: words
  }
}

/** Used is what programs could not get any more: total less available, which leaves the page cache out. */
function memoryWithin(
  memory: Reading<{ totalBytes: number; availableBytes: number }>,
  limits: CgroupLimits
): Counters['memory'] {
  if ('missing' in memory) return memory
  const { totalBytes, availableBytes } = memory.value
  if (limits.memoryBytes === undefined || limits.memoryBytes >= totalBytes) {
    return value({ totalBytes, usedBytes: totalBytes - availableBytes })
  }
  if (limits.memoryUsedBytes === undefined) {
    return missing('the control group limits memory but does not say how much of it is used')
  }
  // the group cannot get its limit when the whole PC is short
  const usedBytes = Math.max(limits.memoryUsedBytes, limits.memoryBytes - availableBytes)
  return value({ totalBytes: limits.memoryBytes, usedBytes })
}

const round = (n: number): number => Math.round(n * 100) / 100
const gib = (bytes: number): string => `${round(bytes / 2 ** 30)} GiB`
