/**
 * Which processes belong to a mesh of the tests, or to one peer of it, and how to end them all at once. In a namespace the
 * kernel knows; on loopback they are known by a variable in their environment, by their folder, or by their parent.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Group {
  /** Value of OMEGA_TEST_TAG: of the mesh, or longer: of one peer. */
  tag: string
  namespaces: string[]
  folder: string
}
export interface RunningProcess {
  pid: number
  command: string
}

const KILL_LIMIT_MS = 10_000

/** Every living process of the group; a stopped (frozen) one is living, a zombie is not. */
export function processesOf(group: Group): RunningProcess[] {
  const pids = group.namespaces.length > 0 ? group.namespaces.flatMap(pidsInNamespace) : pidsByTrace(group)
  return pids.flatMap((pid) => {
    const command = commandOf(pid)
    return command === undefined ? [] : [{ pid, command }]
  })
}

/** The power cut: SIGKILL for every process of the group, until none is left. */
export async function killWhole(group: Group): Promise<void> {
  const deadline = performance.now() + KILL_LIMIT_MS
  // More than one round: a parent may have started a child while the list was made.
  for (;;) {
    const left = processesOf(group)
    if (left.length === 0) return
    for (const { pid } of left) killQuiet(pid)
    if (performance.now() > deadline) {
      throw new Error(`processes that do not end: ${left.map((each) => `${each.pid} ${each.command}`).join('; ')}`)
    }
    await sleep(20)
  }
}

function pidsInNamespace(name: string): number[] {
  try {
    const text = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text.split('\n').filter(Boolean).map(Number)
  } catch {
    return [] // no such namespace (any more)
  }
}

/** Linux only, as far as other users' processes may be read; enough for processes the test itself started. */
function pidsByTrace({ tag, folder }: Group): number[] {
  const parents = new Map<number, number>()
  const marked = new Set<number>()
  for (const pid of allPids()) {
    parents.set(pid, parentOf(pid))
    const traced = readText(`/proc/${pid}/environ`)
      .split('\0')
      .some((pair) => pair.startsWith(`OMEGA_TEST_TAG=${tag}`))
    if (traced || workingFolder(pid).startsWith(`${folder}/`)) marked.add(pid)
  }
  const isMarked = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (marked.has(pid) || isMarked(parents.get(pid)))
  return [...parents.keys()].filter((pid) => pid !== process.pid && isMarked(pid))
}

function allPids(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

const parentOf = (pid: number): number => Number(/^PPid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0)

function commandOf(pid: number): string | undefined {
  if (/^State:\s*[ZX]/m.test(readText(`/proc/${pid}/status`))) return undefined
  const command = readText(`/proc/${pid}/cmdline`).split('\0').join(' ').trim()
  return command === '' ? undefined : command
}

function workingFolder(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function killQuiet(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended meanwhile.
  }
}
