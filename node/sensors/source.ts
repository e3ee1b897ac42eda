/**
 * What the sensors ask of an operating system: facts that stay, counters for rates, and readings that may take the
 * system long (a sensor chip, a file system that does not answer). linux.ts reads them from the kernel's files,
 * portable.ts from what Node offers everywhere.
 */
import type { DiskCounters, NetCounters, Ticks } from './proc-text.ts'
import type { Reading } from './reading.ts'

/** Does not change while the PC runs. */
export interface Facts {
  hostname: string
  /** As people say it: `Debian GNU/Linux 13 (trixie)`. */
  os: Reading<string>
  platform: NodeJS.Platform
  arch: string
  kernel: string
  cpuModel: Reading<string>
  bootedAtMs: Reading<number>
}

/** Cheap and synchronous; taken at each sample. */
export interface Counters {
  /** By number of the core; only those this process may use. */
  cores: Reading<Map<number, Ticks>>
  memory: Reading<{ totalBytes: number; usedBytes: number }>
  load1: Reading<number>
  net: Reading<NetCounters[]>
  /** By major:minor. */
  disks: Reading<Map<string, DiskCounters>>
  /** Set when this process may use only part of the cores' time: how much, and what its group has used, ms. */
  quota: { cores: number; usedMs: number | undefined } | undefined
  /** In words: each limit that makes this PC look smaller than it is. */
  limits: string[]
}

export interface Space {
  mount: string
  device: string
  bytes: number
  /** What an ordinary user may still write. */
  freeBytes: number
  /** Key into Counters.disks, or undefined when nothing counts its traffic. */
  counterId: string | undefined
}

export interface Battery {
  /** 0 … 100. */
  percent: number
  state: 'charging' | 'discharging' | 'full' | 'idle'
}

/** May take long or never answer; read in the background. */
export interface SlowReadings {
  temperatureC: Reading<number>
  battery: Reading<Battery>
  spaces: Reading<Space[]>
}

export interface Source {
  facts(): Facts
  counters(): Counters
  slow(): Promise<SlowReadings>
  /** Interfaces whose traffic leaves the PC; others (bridges, tunnels, containers) carry the same bytes once more. */
  isPhysical(name: string): boolean
  /** Link speed, or null when the driver does not say. */
  speedMbps(name: string): number | null
}
