/**
 * Readings of macOS, Windows and others: what Node itself can tell. The rest is absent with the reason; the hardware helper
 * tells more of it, more rarely.
 */
import { statfs } from 'node:fs/promises'
import * as os from 'node:os'
import { parse } from 'node:path'
import { missing, value } from './reading.ts'
import type { Ticks } from './proc-text.ts'
import type { Counters, Facts, Source, Space } from './source.ts'

export function createPortableSource(options: { dataDir: string; wall: () => number }): Source {
  const notHere = `Node gives no such reading on ${os.type()}`
  return {
    facts: () => readFacts(options.wall),
    counters(): Counters {
      const cores = readCores()
      return {
        cores: cores.size > 0 ? value(cores) : missing(notHere),
        memory: value({ totalBytes: os.totalmem(), usedBytes: os.totalmem() - os.freemem() }),
        // Windows keeps no load average; os.loadavg answers zeros there
        load1: process.platform === 'win32' ? missing('Windows keeps no load average') : value(os.loadavg()[0] ?? 0),
        net: missing(notHere),
        disks: missing(notHere),
        quota: undefined,
        limits: []
      }
    },
    async slow() {
      const spaces = await readSpaces(options.dataDir)
      return {
        temperatureC: missing(notHere),
        battery: missing(notHere),
        spaces: spaces.length > 0 ? value(spaces) : missing(`${options.dataDir} does not say how much room it has`)
      }
    },
    isPhysical: () => true,
    speedMbps: () => null
  }
}

function readFacts(wall: () => number): Facts {
  const model = os.cpus()[0]?.model.trim() ?? ''
  return {
    hostname: os.hostname(),
    os: value(`${os.version()} ${os.release()}`),
    platform: process.platform,
    arch: os.arch(),
    kernel: `${os.type()} ${os.release()}`,
    cpuModel: model === '' ? missing(`${os.type()} does not name the processor`) : value(model),
    bootedAtMs: value(Math.round(wall() - os.uptime() * 1000))
  }
}

function readCores(): Map<number, Ticks> {
  const cores = new Map<number, Ticks>()
  for (const [core, { times }] of os.cpus().entries()) {
    const busy = times.user + times.nice + times.sys + times.irq
    cores.set(core, { busy, total: busy + times.idle })
  }
  return cores
}

/** The drive that holds the data folder, and the one that the system started from. */
async function readSpaces(dataDir: string): Promise<Space[]> {
  const system = process.platform === 'win32' ? `${process.env['SystemDrive'] ?? 'C:'}\\` : '/'
  const spaces: Space[] = []
  for (const mount of new Set([system, process.platform === 'win32' ? parse(dataDir).root : dataDir])) {
    const room = await statfs(mount).catch(() => undefined)
    if (room === undefined || room.blocks === 0) continue
    const [bytes, freeBytes] = [room.bsize * room.blocks, room.bsize * room.bavail]
    // the data folder on the system's drive is the same room once more
    if (spaces.some((known) => known.bytes === bytes && known.freeBytes === freeBytes)) continue
    spaces.push({ mount, device: mount, bytes, freeBytes, counterId: undefined })
  }
  return spaces
}
