/** What the kernel says of a process: memory, processor time, bytes on its network. */
import { readFileSync } from 'node:fs'
import { rounded } from './report.ts'

export interface Memory {
  rssMib: number
  /** As RSS, where what is shared with others counts in equal parts. */
  pssMib: number
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (key: string) =>
    rounded(Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024)
  return { rssMib: mib('Rss'), pssMib: mib('Pss') }
}

/** What these processes occupy together: memory of their own, and each mapped file (Node itself, most of all) counted once. */
export function occupiedMib(pids: readonly number[]): number {
  let ownKib = 0
  const filesKib = new Map<string, number>()
  for (const pid of pids) {
    let mapping = ''
    let residentKib = 0
    for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
      const head = /^[0-9a-f]+-[0-9a-f]+ \S+ (\S+) \S+ \d+\s+(.*)$/.exec(line)
      if (head !== null) mapping = `${head[2]} ${head[1]}`
      const [, key, kib] = /^(Rss|Anonymous):\s+(\d+)/.exec(line) ?? []
      if (key === 'Rss') residentKib = Number(kib)
      if (key !== 'Anonymous') continue
      ownKib += Number(kib)
      filesKib.set(mapping, Math.max(filesKib.get(mapping) ?? 0, residentKib - Number(kib)))
    }
  }
  return rounded((ownKib + [...filesKib.values()].reduce((sum, kib) => sum + kib, 0)) / 1024)
}

/** Processor time used so far, by all of its threads, without its children; in steps of 10 ms. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Times the process was given the processor and gave it back by itself: how often something woke it, all threads. */
export function wakeupsOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

/** Bytes that left and reached the network interface `eth0` of that process's namespace, headers included. */
export function trafficOf(pid: number): { sentBytes: number; receivedBytes: number; sentPackets: number } {
  const line = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
    .split('\n')
    .find((text) => text.trimStart().startsWith('eth0:'))
  if (line === undefined) throw new Error(`process ${pid} has no eth0: network namespaces are needed for this figure`)
  const numbers = line.split(':')[1]!.trim().split(/\s+/).map(Number)
  return { receivedBytes: numbers[0]!, sentBytes: numbers[8]!, sentPackets: numbers[9]! }
}
