/**
 * Linux: sessions of processes, found by process group, OS session, descent, and the mark in their environment
 * (what setsid or a double fork cannot shed; only a program that clears its environment and detaches escapes).
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { setPriority, uptime } from 'node:os'
import { sendSignal } from './types.ts'
import type { Os, Tree, TreeSignal } from './types.ts'

const NICE = 10
/** A process that forks while we look is found in the next round; one that outruns this many is left to the next tick. */
const ROUNDS_MAX = 25
/** A freeze is a matter of safety: a shell that is slow to stop is not waited for longer. */
const STAND_STILL_MS = 1000
/** All that are frozen at a time share it. */
let standStillUntil = -Infinity
/** Waiting for it leaves the processor to a program that has to run in order to stop. */
const NOTHING = new Int32Array(new SharedArrayBuffer(4))
/** Below this many new pids, asking for each is cheaper than listing /proc. */
const PROBE_MAX = 64
const DEVICE_FOLDERS = [
  '/sys/block',
  '/sys/class/net',
  '/sys/class/drm',
  '/sys/class/power_supply',
  '/sys/bus/usb/devices'
]

interface Process {
  pid: number
  state: string
  parent: number
  group: number
  osSession: number
  start: string
}

export const linux: Os = {
  canFreeze: true,
  bootMs: () => Math.round(uptime() * 1000),
  startTime(pid) {
    const found = readProcess(pid)
    return found === undefined || isDead(found) ? undefined : found.start
  },
  signalGroup: (leader, signal) => void sendSignal(-leader, signal),
  forks: () => numberIn('/proc/stat', /^processes (\d+)/m),
  signalTree,
  lowerPriority(pid) {
    try {
      setPriority(pid, NICE)
    } catch {
      return // already gone
    }
    lowerAutogroup(pid, 3)
  },
  deviceMark: () => DEVICE_FOLDERS.map((folder) => namesIn(folder).join()).join(';')
}

function signalTree(tree: Tree, signal: TreeSignal): number {
  // A shell that runs while its job stands takes it for one that a person stopped: parents stop first, and go on last.
  const goesOn = signal === 'SIGCONT'
  const done = new Set(goesOn ? tree.stoodBefore : [])
  if (goesOn) delete tree.stoodBefore
  if (signal === 'SIGSTOP' && tree.hasTerminal === true) stopParentsFirst(tree)
  if (tree.leader > 0 && !goesOn) sendSignal(-tree.leader, signal)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const members = membersOf(tree).filter((pid) => !done.has(pid))
    const fresh = goesOn ? childrenFirst(members) : members
    for (const pid of fresh) {
      done.add(pid)
      sendSignal(pid, signal)
    }
    if (fresh.length === 0) break
  }
  return done.size
}

/** A shell that runs jobs gives each a group of its own, in the same OS session; setsid leaves both but keeps the mark. */
function membersOf(tree: Tree): number[] {
  const { leader } = tree
  const mark = Buffer.from(tree.mark)
  const all: Process[] = []
  for (const pid of candidates(tree)) {
    const found = pid === process.pid ? undefined : readProcess(pid)
    if (found !== undefined && !isDead(found)) all.push(found)
  }
  const members = new Set<number>()
  for (const found of all)
    if ((leader > 0 && (found.group === leader || found.osSession === leader)) || carries(found.pid, mark))
      members.add(found.pid)
  for (let grew = true; grew;) {
    grew = false
    for (const found of all)
      if (!members.has(found.pid) && members.has(found.parent)) {
        members.add(found.pid)
        grew = true
      }
  }
  return [...members]
}

/** Each stands before what it started is stopped, unless the system is too busy to let it stop in time. */
function stopParentsFirst(tree: Tree): void {
  const members = childrenFirst(membersOf(tree)).reverse()
  tree.stoodBefore ??= new Set(members.filter((pid) => readProcess(pid)?.state === 'T'))
  if (performance.now() > standStillUntil + 1000) standStillUntil = performance.now() + STAND_STILL_MS
  for (const pid of members) {
    sendSignal(pid, 'SIGSTOP')
    while (performance.now() < standStillUntil && 'RSD'.includes(readProcess(pid)?.state || 'X'))
      Atomics.wait(NOTHING, 0, 0, 1)
  }
}

function childrenFirst(pids: readonly number[]): number[] {
  const parents = new Map(pids.map((pid) => [pid, readProcess(pid)?.parent ?? 0]))
  const depth = (pid: number): number => (parents.has(pid) ? 1 + depth(parents.get(pid)!) : 0)
  return [...pids].sort((a, b) => depth(b) - depth(a))
}

/** Pids are given out in turn: what a leader started is at most as far after it as there were forks since. */
function candidates({ leader, forksBefore }: Tree): number[] {
  const forks = linux.forks()
  const since = leader > 0 && forks !== undefined && forksBefore !== undefined ? forks - forksBefore : Infinity
  if (since <= PROBE_MAX) {
    const near = Array.from({ length: since + 1 }, (_, i) => leader + i)
    if (near.at(-1)! < pidMax()) return near
  }
  const all = namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return since >= pidMax() ? all : all.filter((pid) => (pid - leader + pidMax()) % pidMax() <= since)
}

function pidMax(): number {
  return (knownPidMax ??= numberIn('/proc/sys/kernel/pid_max', /(\d+)/) ?? 1 << 22)
}
let knownPidMax: number | undefined

function readProcess(pid: number): Process | undefined {
  const text = readText(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name stands in brackets and may hold anything, brackets too: fields are counted after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    osSession: Number(fields[3]),
    start: fields[19] ?? ''
  }
}

function isDead(found: Process): boolean {
  return found.state === 'Z' || found.state === 'X'
}

/** The environment a program was started with; unreadable for other users' processes, which are then not ours. */
function carries(pid: number, mark: Buffer): boolean {
  try {
    const environ = readFileSync(`/proc/${pid}/environ`)
    for (let at = environ.indexOf(mark); at !== -1; at = environ.indexOf(mark, at + 1))
      if ((at === 0 || environ[at - 1] === 0) && (environ[at + mark.length] ?? 0) === 0) return true
    return false
  } catch {
    return false
  }
}

/** With autogrouping a nice value counts only inside the OS session; the session as a whole has one of its own. */
function lowerAutogroup(pid: number, tries: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE))
  } catch (error) {
    // The kernel takes one such change each 100 ms from an unprivileged user.
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN' && tries > 0)
      setTimeout(() => lowerAutogroup(pid, tries - 1), 110).unref()
  }
}

function numberIn(path: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(readText(path) ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
