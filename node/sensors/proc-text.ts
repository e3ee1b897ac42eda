/**
 * Parsers for the texts of Linux: /proc/stat, meminfo, loadavg, net/dev, diskstats, self/mountinfo, CPU lists. Text in,
 * plain data out (proc(5)). A line that does not fit is skipped; a text without any usable line throws with what it lacked.
 */

/** Time a core has spent since boot, in ticks of the kernel; only differences mean anything. */
export interface Ticks {
  busy: number
  total: number
}

export interface NetCounters {
  name: string
  rxBytes: number
  txBytes: number
}

export interface DiskCounters {
  /** Kernel name, such as nvme0n1p2. */
  name: string
  readBytes: number
  writtenBytes: number
}

export interface Mount {
  mount: string
  device: string
  /** major:minor; 0:n for file systems without a block device of their own. */
  deviceId: string
  type: string
  /** Which part of the file system is mounted; '/' unless it is a bind mount or a subvolume. */
  subtree: string
}

/** Sectors of /proc/diskstats are 512 bytes whatever the disk's are. */
const SECTOR_BYTES = 512

export function parseCoreTicks(text: string): Map<number, Ticks> {
  const cores = new Map<number, Ticks>()
  // The lines of the cores come first; the interrupt line behind them can be tens of kilobytes and is not split.
  for (let start = 0; text.startsWith('cpu', start);) {
    const end = text.indexOf('\n', start)
    const [label = '', ...fields] = text.slice(start, end < 0 ? undefined : end).split(/ +/)
    // guest and guest_nice, fields 9 and 10, are already part of user and nice
    const ticks = fields.slice(0, 8).map(Number)
    const total = ticks.reduce((sum, n) => sum + n, 0)
    const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0)
    if (label !== 'cpu' && Number.isFinite(total)) cores.set(Number(label.slice(3)), { busy: total - idle, total })
    if (end < 0) break
    start = end + 1
  }
  if (cores.size === 0) throw new Error('/proc/stat lists no core')
  return cores
}

/** Seconds since 1970 at which the PC started. */
export function parseBootTimeS(text: string): number {
  const found = /^btime (\d+)$/m.exec(text)
  if (found === null) throw new Error('/proc/stat has no btime line')
  return Number(found[1])
}

export function parseMeminfo(text: string): { totalBytes: number; availableBytes: number } {
  const kib = (name: string): number => {
    const found = new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)
    if (found === null) throw new Error(`/proc/meminfo has no ${name} line`)
    return Number(found[1])
  }
  return { totalBytes: kib('MemTotal') * 1024, availableBytes: kib('MemAvailable') * 1024 }
}

export function parseLoad1(text: string): number {
  const load = Number.parseFloat(text)
  if (!Number.isFinite(load)) throw new Error(`/proc/loadavg does not begin with a number: "${text.slice(0, 20)}"`)
  return load
}

export function parseNetDev(text: string): NetCounters[] {
  const list: NetCounters[] = []
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const fields = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number)
    const [rxBytes, txBytes] = [fields[0], fields[8]]
    if (rxBytes === undefined || txBytes === undefined || Number.isNaN(rxBytes + txBytes)) continue
    list.push({ name: line.slice(0, colon).trim(), rxBytes, txBytes })
  }
  if (list.length === 0) throw new Error('/proc/net/dev lists no interface')
  return list
}

/** By major:minor. */
export function parseDiskstats(text: string): Map<string, DiskCounters> {
  const disks = new Map<string, DiskCounters>()
  for (const line of text.split('\n')) {
    const [major, minor, name, , , readSectors, , , , writtenSectors] = line.trim().split(/\s+/)
    if (name === undefined || writtenSectors === undefined) continue
    const readBytes = Number(readSectors) * SECTOR_BYTES
    const writtenBytes = Number(writtenSectors) * SECTOR_BYTES
    if (!Number.isNaN(readBytes + writtenBytes)) disks.set(`${major}:${minor}`, { name, readBytes, writtenBytes })
  }
  return disks
}

export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , deviceId, subtree, mount] = left.split(' ')
    const [type, device] = right.split(' ')
    if (deviceId === undefined || subtree === undefined || mount === undefined) continue
    if (type === undefined || device === undefined) continue
    mounts.push({ mount: unescaped(mount), device: unescaped(device), deviceId, type, subtree: unescaped(subtree) })
  }
  return mounts
}

/** The numbers of a list such as `0-3,8`. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = []
  for (const part of text.trim().split(',')) {
    const [first, last] = part.split('-').map(Number)
    if (part === '' || first === undefined || Number.isNaN(first)) continue
    for (let cpu = first; cpu <= (last ?? first) && cpus.length < 4096; cpu++) cpus.push(cpu)
  }
  return cpus
}

/** mountinfo writes blank, tab, newline and backslash as three octal digits. */
function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
