/** A host with a sessiond of its own in a fresh data folder, what it told in order, and ways to look at real processes. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ChildReport, Exit, Log, RunOrder } from '../../../protocols/ports.ts'
import { openBlobCache } from '../../../node/adapters/blob-cache.ts'
import type { BlobCache } from '../../../node/adapters/blob-cache.ts'
import { createHost } from '../../../node/adapters/host.ts'
import type { PeerHost } from '../../../node/adapters/host.ts'
import type { SessiondConfig } from '../../../node/sessiond/config.ts'
import type { LogStream } from '../../../node/sessiond/log-format.ts'

export type Told =
  | { t: 'started'; session: string; epoch: number; pid: number }
  | { t: 'notStarted'; session: string; epoch: number; reason: string }
  | { t: 'exited'; session: string; epoch: number; exit: Exit }
  | { t: 'children'; list: readonly ChildReport[] }
  | { t: 'lost'; why: string }

export interface Rig {
  dataDir: string
  host: PeerHost
  blobs: BlobCache
  told: Told[]
  warnings: string[]
  /** The first thing told, now or later, that fits. */
  until<T>(pick: (told: Told) => T | undefined): Promise<T>
  /** Gives an order with defaults; resolves with its key and, when it starts, its pid. */
  start(order: Partial<RunOrder>): Promise<{ session: string; epoch: number; pid: number }>
  exitOf(session: string, epoch?: number): Promise<Exit>
  /** stdout and stderr of a run until its end. */
  read(session: string, epoch?: number): Promise<{ out: string; err: string }>
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'omega-test-'))
  // While a sessiond takes its own files away, one of the two finds something gone and stops half way.
  onTestFinished(() => {
    endSessiond(folder)
    while (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

export const sessionId = (): string => randomBytes(16).toString('hex')

export function orderOf(order: Partial<RunOrder>): RunOrder {
  const defaults: RunOrder = {
    session: sessionId(),
    epoch: 1,
    launcher: 'exec',
    argv: ['true'],
    env: {},
    cwd: '',
    stdin: false,
    cpuMilli: 1000,
    memoryBytes: 1 << 20
  }
  return { ...defaults, ...order }
}

/** Ends with the test, and with it everything it started. */
export async function startRig(config: Partial<SessiondConfig> = {}, dataDir = freshFolder()): Promise<Rig> {
  const warnings: string[] = []
  const log: Log = {
    ...silent,
    warn: (phrase, fields) => void warnings.push(`${phrase} ${JSON.stringify(fields ?? {})}`)
  }
  const blobs = await openBlobCache({ dataDir, log })
  const clock = { mono: () => performance.now() }
  const host = await createHost({
    dataDir,
    log,
    clock,
    peerId: 'peer-1',
    peerName: 'den',
    blobs,
    config: { hardwareHelper: '', ...config }
  })
  onTestFinished(() => host.shutdown({ keepSessions: false }))
  const told: Told[] = []
  const wake: (() => void)[] = []
  const tell = (something: Told) => {
    told.push(something)
    for (const go of wake.splice(0)) go()
  }
  host.attach({
    started: (session, epoch, pid) => tell({ t: 'started', session, epoch, pid }),
    notStarted: (session, epoch, reason) => tell({ t: 'notStarted', session, epoch, reason }),
    exited: (session, epoch, exit) => tell({ t: 'exited', session, epoch, exit }),
    children: (list) => tell({ t: 'children', list }),
    lost: (why) => tell({ t: 'lost', why })
  })
  const rig: Rig = {
    dataDir,
    host,
    blobs,
    told,
    warnings,
    async until(pick) {
      for (let seen = 0; ;) {
        for (; seen < told.length; seen++) {
          const found = pick(told[seen]!)
          if (found !== undefined) return found
        }
        await new Promise<void>((resolve) => wake.push(resolve))
      }
    },
    async start(partial) {
      const order = orderOf(partial)
      host.run(order)
      const { session, epoch } = order
      return await rig.until((told) => {
        if (!('session' in told) || told.session !== session || told.epoch !== epoch) return undefined
        if (told.t === 'notStarted') throw new Error(told.reason)
        return told.t === 'started' ? { session, epoch, pid: told.pid } : undefined
      })
    },
    exitOf: (session, epoch = 1) =>
      rig.until((told) =>
        told.t === 'exited' && told.session === session && told.epoch === epoch ? told.exit : undefined
      ),
    async read(session, epoch = 1) {
      const texts: [string, string] = ['', '']
      for await (const { stream, bytes } of host.output(session, epoch, 0, { follow: true }))
        texts[stream - 1] += Buffer.from(bytes).toString()
      return { out: texts[0], err: texts[1] }
    }
  }
  return rig
}

export function sessiondPid(dataDir: string): number {
  return (JSON.parse(readFileSync(join(dataDir, 'sessiond.pid'), 'utf8')) as { pid: number }).pid
}

/** For a test that failed half way: nothing it started may stay. */
function endSessiond(dataDir: string): void {
  try {
    process.kill(sessiondPid(dataDir), 'SIGKILL')
  } catch {
    // gone, as it should be
  }
}

/** One letter of /proc: R, S, T, Z …; undefined when there is no such process. */
export function stateOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2)[0]
  } catch {
    return undefined
  }
}

/** Stopped; or D: a shell that waits, as vfork has it, for its child to exec, which was stopped before it could. */
export const isStill = (pid: number): boolean => ['T', 'D'].includes(stateOf(pid) ?? '')

/** Of a live process. */
export function niceOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16])
}

/** Gone, or dead and not yet collected by its parent. */
export const isGone = (pid: number): boolean => ['Z', 'X', undefined].includes(stateOf(pid))

/** Looks until it is so; the test's own time limit is the only one. */
export async function eventually(look: () => boolean): Promise<void> {
  const from = performance.now()
  while (!look()) {
    if (performance.now() - from > LOOK_LIMIT_MS) throw new Error(`still not so: ${look.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
/** Far above what a busy machine needs: what has not come by then will not, and the failure says what it was. */
const LOOK_LIMIT_MS = 60_000

/** Reads a run's output line by line, as a person at a terminal would. */
export function linesOf(
  rig: Rig,
  session: string,
  epoch = 1
): { next(): Promise<{ stream: LogStream; line: string }> } {
  const frames = rig.host.output(session, epoch, 0, { follow: true })[Symbol.asyncIterator]()
  onTestFinished(async () => void (await frames.return?.()))
  const ready: { stream: LogStream; line: string }[] = []
  const partial = { 1: '', 2: '', 3: '' }
  return {
    async next() {
      while (ready.length === 0) {
        const { done, value } = await frames.next()
        if (done === true) throw new Error('the output ended')
        const parts = (partial[value.stream] + Buffer.from(value.bytes).toString()).split('\n')
        partial[value.stream] = parts.pop()!
        for (const line of parts) ready.push({ stream: value.stream, line })
      }
      return ready.shift()!
    }
  }
}
