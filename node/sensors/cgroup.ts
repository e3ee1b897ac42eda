/**
 * Limits that control groups set on this process, and so on what it may give: memory, CPU time, CPUs. Version 1, version 2
 * and both at once (cgroups(7)). A group is limited by each of its ancestors, so the walk goes from the leaf to the
 * root; inside a container the leaf's path may not exist below the mount, then the root is the container's own group.
 */
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseCpuList } from './proc-text.ts'

export interface CgroupLimits {
  /** Bytes, or undefined when nothing limits them. */
  memoryBytes?: number
  /** What the limiting group uses now, without the page cache it could drop. */
  memoryUsedBytes?: number
  /** Cores' worth of CPU time, may be a fraction. */
  cpuCores?: number
  /** CPU time the limiting group has used, ms; grows. */
  cpuUsedMs?: number
}

/** A limit above this is version 1's way to say none (the largest multiple of a page in 63 bits). */
const NO_LIMIT_BYTES = 2 ** 60

export function readCgroupLimits(root: string): CgroupLimits {
  const groups = controllerPaths(readText(`${root}/proc/self/cgroup`) ?? '')
  const base = `${root}/sys/fs/cgroup`
  const unified = groups.get('')
  const limits: CgroupLimits = {}
  for (const top of [base, `${base}/unified`]) {
    for (const folder of unified === undefined ? [] : ancestors(top, unified)) applyV2(limits, folder)
  }
  for (const folder of ancestors(`${base}/memory`, groups.get('memory') ?? '/')) applyMemoryV1(limits, folder)
  for (const folder of ancestors(`${base}/cpu`, groups.get('cpu') ?? '/')) {
    applyCpuV1(limits, folder, folder.replace(`${base}/cpu`, `${base}/cpuacct`))
  }
  return limits
}

/** CPUs this process may run on (cpusets and affinity together), or undefined when the kernel does not say. */
export function readAllowedCpus(root: string): number[] | undefined {
  const found = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readText(`${root}/proc/self/status`) ?? '')
  return found === null ? undefined : parseCpuList(found[1] ?? '')
}

/** Controller to path; version 2 under ''. */
function controllerPaths(text: string): Map<string, string> {
  const paths = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const controller of controllers.split(',')) paths.set(controller, path)
  }
  return paths
}

function ancestors(top: string, path: string): string[] {
  const folders: string[] = []
  for (let at = posix.normalize(`/${path}`); ; at = posix.dirname(at)) {
    folders.push(at === '/' ? top : top + at)
    if (at === '/') return folders
  }
}

function applyV2(limits: CgroupLimits, folder: string): void {
  const memoryMax = readNumber(`${folder}/memory.max`)
  if (memoryMax !== undefined && memoryMax < (limits.memoryBytes ?? NO_LIMIT_BYTES)) {
    setMemory(
      limits,
      memoryMax,
      readNumber(`${folder}/memory.current`),
      readText(`${folder}/memory.stat`),
      'inactive_file'
    )
  }
  const [quota, period] = (readText(`${folder}/cpu.max`) ?? 'max').trim().split(' ').map(Number)
  if (quota === undefined || period === undefined || !(quota / period < (limits.cpuCores ?? Infinity))) return
  const usedUs = /^usage_usec (\d+)$/m.exec(readText(`${folder}/cpu.stat`) ?? '')?.[1]
  setCpu(limits, quota / period, usedUs === undefined ? undefined : Number(usedUs) / 1000)
}

function applyMemoryV1(limits: CgroupLimits, folder: string): void {
  const max = readNumber(`${folder}/memory.limit_in_bytes`)
  if (max === undefined || max >= (limits.memoryBytes ?? NO_LIMIT_BYTES)) return
  const used = readNumber(`${folder}/memory.usage_in_bytes`)
  setMemory(limits, max, used, readText(`${folder}/memory.stat`), 'total_inactive_file')
}

function applyCpuV1(limits: CgroupLimits, folder: string, accounting: string): void {
  const quota = readNumber(`${folder}/cpu.cfs_quota_us`)
  const period = readNumber(`${folder}/cpu.cfs_period_us`)
  if (quota === undefined || period === undefined || quota <= 0) return
  if (quota / period >= (limits.cpuCores ?? Infinity)) return
  const usedNs = readNumber(`${accounting}/cpuacct.usage`) ?? readNumber(`${folder}/cpuacct.usage`)
  setCpu(limits, quota / period, usedNs === undefined ? undefined : usedNs / 1e6)
}

function setMemory(
  limits: CgroupLimits,
  max: number,
  used: number | undefined,
  stat: string | undefined,
  cacheKey: string
): void {
  limits.memoryBytes = max
  delete limits.memoryUsedBytes
  const cache = Number(new RegExp(`^${cacheKey} (\\d+)$`, 'm').exec(stat ?? '')?.[1] ?? 0)
  if (used !== undefined) limits.memoryUsedBytes = Math.max(0, used - cache)
}

function setCpu(limits: CgroupLimits, cores: number, usedMs: number | undefined): void {
  limits.cpuCores = cores
  delete limits.cpuUsedMs
  if (usedMs !== undefined) limits.cpuUsedMs = usedMs
}

/** Undefined for a missing file and for words such as `max`. */
function readNumber(path: string): number | undefined {
  const text = readText(path)?.trim()
  if (text === undefined || text === '') return undefined
  const number = Number(text)
  return Number.isFinite(number) ? number : undefined
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
