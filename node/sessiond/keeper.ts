/**
 * The peer's side of keeping one sessiond per data folder: connects to the one there is, starts one (detached) when there
 * is none, ends one that does not answer, and comes back after every loss.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'
import { sessiondSecret, sessiondSocket } from './address.ts'
import type { SessiondConfig } from './config.ts'
import { cleanEnvironment } from './environment.ts'
import { shakeHands } from './link.ts'
import type { Link } from './link.ts'
import { os } from './os/index.ts'

const START_MS = 30_000
const POLL_MS = 15
const BACKOFF_MS = [50, 250, 1000, 2000, 5000]
const LOG_MAX_BYTES = 1 << 20
/** V8 keeps young garbage in three spaces of this size; sessiond makes little. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning']

export interface KeeperOptions {
  dataDir: string
  script: string
  config: Partial<SessiondConfig> & { hardwareHelper: string }
}
export interface KeeperEvents {
  up(link: Link): void
  /** After `up`. */
  down(why: string): void
  /** Could not be started or reached; it is tried again. */
  failed(why: string): void
}

export class SessiondKeeper {
  readonly #options: KeeperOptions
  readonly #events: KeeperEvents
  #link: Link | undefined
  #stopped = false
  #wake: () => void = () => {}

  constructor(options: KeeperOptions, events: KeeperEvents) {
    this.#options = options
    this.#events = events
  }

  start(): void {
    void this.#keep()
  }

  /** When this sessiond ends, that is that. */
  startNoMore(): void {
    this.#stopped = true
  }

  /** Lets go of sessiond, which lives on. */
  stop(): void {
    this.#stopped = true
    this.#link?.end('the peer lets go')
    this.#wake()
  }

  async #keep(): Promise<void> {
    for (let failures = 0; !this.#stopped;) {
      try {
        const link = await this.#reach()
        failures = 0
        if (this.#stopped) return link.close('the peer lets go')
        await this.#live(link)
      } catch (error) {
        if (this.#stopped) return
        this.#events.failed((error as Error).message)
        await this.#pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)]!)
      }
    }
  }

  #live(link: Link): Promise<void> {
    this.#link = link
    return new Promise((resolve) => {
      link.onEnd((why) => {
        this.#link = undefined
        if (!this.#stopped) this.#events.down(why)
        resolve()
      })
      this.#events.up(link)
    })
  }

  /** A proven link. Starts sessiond at most once a call. */
  async #reach(): Promise<Link> {
    try {
      return await this.#connect()
    } catch (error) {
      // It listens and does not answer: stopped or stuck. Its children are ended by the next one.
      if (error instanceof MeshError && error.code === 'HOST_FAILED') this.#endStuck()
      else if (error instanceof MeshError) throw error
    }
    return await this.#launch()
  }

  async #connect(): Promise<Link> {
    const { dataDir } = this.#options
    const secret = sessiondSecret(dataDir)
    const socket = connect(sessiondSocket(dataDir))
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return await shakeHands(socket, 'peer', secret)
  }

  async #launch(): Promise<Link> {
    const log = join(this.#options.dataDir, 'sessiond.log')
    let ended: string | undefined
    const child = this.#spawn(log)
    child.once('error', (error) => (ended = error.message))
    child.once('exit', (code, signal) => (ended = `it ended with ${code ?? signal}: ${lastLine(log)}`))
    child.unref()
    const deadline = performance.now() + START_MS
    for (;;) {
      await this.#pause(POLL_MS)
      if (this.#stopped) throw new MeshError('HOST_FAILED', 'stopped')
      try {
        return await this.#connect()
      } catch (error) {
        const why = ended ?? (performance.now() > deadline ? (error as Error).message : undefined)
        if (why === undefined) continue
        throw new MeshError('HOST_FAILED', `sessiond did not start: ${why} (log: ${log})`, { cause: error })
      }
    }
  }

  #spawn(log: string): ReturnType<typeof spawn> {
    const { dataDir, script, config } = this.#options
    if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_MAX_BYTES) truncateSync(log)
    const output = openSync(log, 'a', 0o600)
    try {
      return spawn(
        process.execPath,
        [...NODE_FLAGS, script, '--data-dir', dataDir, '--config', JSON.stringify(config)],
        {
          cwd: dataDir,
          detached: true,
          windowsHide: true,
          env: cleanEnvironment(process.env),
          stdio: ['ignore', output, output]
        }
      )
    } finally {
      closeSync(output)
    }
  }

  #endStuck(): void {
    const file = join(this.#options.dataDir, 'sessiond.pid')
    try {
      const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; startTime: string }
      if (os.startTime(pid) === startTime) process.kill(pid, 'SIGKILL')
      rmSync(file, { force: true })
    } catch {
      // It left no trace; then there is nothing to end.
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function lastLine(log: string): string {
  try {
    return readFileSync(log, 'utf8').trim().split('\n').at(-1)?.slice(0, 300) ?? ''
  } catch {
    return ''
  }
}
