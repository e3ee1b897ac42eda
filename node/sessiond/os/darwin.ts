/**
 * macOS: processes are listed by `ps`; a session is found by process group, OS session (where ps tells it) and descent.
 * A daemon that leaves all three is not found, since environments of other processes cannot be read here.
 */
import { execFileSync } from 'node:child_process'
import { setPriority } from 'node:os'
import { sendSignal } from './types.ts'
import type { Os } from './types.ts'

const NICE = 10
const ROUNDS_MAX = 10
/** Clocks of one PC drift apart by far less between two looks; a larger step is sleep (or a clock set by hand). */
const SLEEP_MS = 1500

let sleptMs = 0
let lastMono = monoMs()
let lastWall = Date.now()

export const darwin: Os = {
  canFreeze: true,
  bootMs() {
    const mono = monoMs()
    const wall = Date.now()
    const gap = wall - lastWall - (mono - lastMono)
    if (gap > SLEEP_MS) sleptMs += gap
    lastMono = mono
    lastWall = wall
    return mono + sleptMs
  },
  startTime: (pid) => ps(['-o', 'lstart=', '-p', String(pid)]).trim() || undefined,
  signalGroup: (leader, signal) => void sendSignal(-leader, signal),
  forks: () => undefined,
  signalTree({ leader }, signal) {
    if (leader <= 0) return 0
    // A shell that goes on before its job takes it for one that a person stopped: parents stop first, and go on last.
    const goesOn = signal === 'SIGCONT'
    if (!goesOn) sendSignal(-leader, signal)
    const done = new Set<number>()
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const fresh = treeOf(leader).filter((pid) => !done.has(pid))
      for (const pid of goesOn ? fresh.reverse() : fresh) {
        done.add(pid)
        sendSignal(pid, signal)
      }
      if (fresh.length === 0) break
    }
    return done.size
  },
  lowerPriority(pid) {
    try {
      setPriority(pid, NICE)
    } catch {
      // already gone
    }
  },
  deviceMark: () => undefined
}

function treeOf(leader: number): number[] {
  const all = ps(['-axo', 'pid=,ppid=,pgid=,stat='])
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 4 && !fields[3]!.startsWith('Z'))
    .map(([pid, parent, group]) => ({ pid: Number(pid), parent: Number(parent), group: Number(group) }))
  const members = new Set(all.filter((found) => found.group === leader).map((found) => found.pid))
  for (let grew = true; grew;) {
    grew = false
    for (const found of all)
      if (!members.has(found.pid) && members.has(found.parent)) {
        members.add(found.pid)
        grew = true
      }
  }
  members.delete(process.pid)
  return [...members]
}

function ps(args: string[]): string {
  try {
    return execFileSync('/bin/ps', args, { encoding: 'utf8', maxBuffer: 8 << 20 })
  } catch {
    return ''
  }
}

function monoMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}
