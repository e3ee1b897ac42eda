/**
 * One real peer of a test: a home, a data folder, a runtime folder and a work folder of its own, at its own place on the
 * LAN, driven by the command line like a person would.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { basename, join } from 'node:path'
import { localSocketPath } from '../../../node/http/local-socket.ts'
import type { NodeView, SessionView, StatusView } from '../../../node/http/views.ts'
import type { Lan, Place } from './lan.ts'
import { killWhole, processesOf } from './processes.ts'
import type { Group, RunningProcess } from './processes.ts'
import { Running } from './running.ts'
import type { Ended } from './running.ts'
import { until } from './until.ts'

const COMMAND_LIMIT_MS = 90_000
const LOG_TAIL_LINES = 40

export interface PeerOptions {
  name: string
  /** Run as this unprivileged user (and group) instead of the test's own. */
  uid?: number
  env?: Record<string, string>
}
export interface OmegaOptions {
  /** Given to stdin, which is then closed. */
  input?: string
  cwd?: string
  env?: Record<string, string>
  withinMs?: number
}

export class Peer {
  readonly name: string
  readonly address: string
  readonly folder: string
  /** Where its commands run unless told otherwise. */
  readonly workDir: string
  readonly dataDir: string
  readonly home: string
  readonly env: Record<string, string>
  readonly uid: number | undefined
  readonly #lan: Lan
  readonly #place: Place
  readonly #group: Group
  readonly #program: string[]
  #process: ChildProcess | undefined

  /** `program`: the words that start the CLI; `compileCache`: shared, since every command compiles the same sources. */
  constructor(
    lan: Lan,
    options: PeerOptions,
    mesh: { tag: string; folder: string; program: string[]; compileCache: string }
  ) {
    this.name = options.name
    this.uid = options.uid
    this.#lan = lan
    this.#place = lan.place(options.name)
    this.#program = mesh.program
    this.address = this.#place.address
    this.folder = join(mesh.folder, options.name)
    this.home = join(this.folder, 'home')
    this.dataDir = join(this.folder, 'data')
    this.workDir = join(this.folder, 'work')
    const [run, temporary] = [join(this.folder, 'run'), join(this.folder, 'tmp')]
    for (const folder of [this.folder, this.home, this.dataDir, this.workDir, run, temporary]) this.#mkdir(folder)
    const tag = `${mesh.tag}-${options.name}`
    const namespace = this.#place.namespace
    this.#group = { tag, namespaces: namespace === undefined ? [] : [namespace], folder: this.folder }
    this.env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      HOME: this.home,
      TMPDIR: temporary,
      XDG_RUNTIME_DIR: run,
      OMEGA_DATA_DIR: this.dataDir,
      OMEGA_NAME: options.name,
      OMEGA_TEST_TAG: tag,
      NODE_COMPILE_CACHE: mesh.compileCache,
      ...this.#place.env,
      ...options.env
    }
  }

  /** Starts `omega up` and, unless told otherwise, waits until the peer has the phase. Its output goes to a log file. */
  async up(args: string[] = [], { phase = 'active' }: { phase?: StatusView['phase'] | 'any' } = {}): Promise<void> {
    const log = openSync(this.#logFile, 'a')
    const [program = '', ...rest] = this.#words([...this.#program, 'up', '--no-browser', ...args])
    const child = spawn(program, rest, { cwd: this.workDir, env: this.env, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#process = child
    if (phase === 'any') return
    await until(
      async (note) => {
        if (child.exitCode !== null || child.signalCode !== null) return true
        const status = await this.status()
        note(status)
        return status.phase === phase
      },
      { what: `phase "${phase}" of ${this.name}`, more: () => this.log() }
    )
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`"omega up" of ${this.name} ended with ${child.exitCode ?? child.signalCode}\n${this.log()}`)
    }
  }

  /** Runs one command of the CLI here to its end. */
  async omega(args: string[], options: OmegaOptions = {}): Promise<Ended> {
    const running = this.spawn(args, options)
    running.child.stdin.end(options.input ?? '')
    return await running.end(options.withinMs ?? COMMAND_LIMIT_MS)
  }

  /** Runs a command of the CLI with `--json` and gives what it printed. Fails when the command fails. */
  async json<T = unknown>(args: string[], options: OmegaOptions = {}): Promise<T> {
    const own = args.includes('--') ? args.indexOf('--') : args.length
    const { code, stdout, stderr } = await this.omega(args.toSpliced(own, 0, '--json'), options)
    if (code !== 0) throw new Error(`omega ${args.join(' ')} on ${this.name} ended with ${code}: ${stderr || stdout}`)
    return JSON.parse(stdout) as T
  }

  /** Starts a command of the CLI here and leaves it running, its stdin open. */
  spawn(args: string[], options: OmegaOptions = {}): Running {
    return this.exec([...this.#program, ...args], options)
  }

  /** Starts any program at this peer's place, as its user. */
  exec(command: string[], { cwd = this.workDir, env }: OmegaOptions = {}): Running {
    const [program = '', ...args] = this.#words(command)
    return new Running(spawn(program, args, { cwd, env: { ...this.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] }))
  }

  status(): Promise<StatusView> {
    return this.ask<StatusView>('/api/v1/status')
  }

  nodes(): Promise<NodeView[]> {
    return this.ask<NodeView[]>('/api/v1/nodes')
  }

  session(id: string): Promise<SessionView> {
    return this.ask<SessionView>(`/api/v1/sessions/${id}`)
  }

  /** What a command would read by the local socket, without a process for each look: for waiting. */
  async ask<T>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T
  }

  async text(path: string): Promise<string> {
    return await new Promise<string>((resolve, reject) => {
      const asked = request({ socketPath: localSocketPath(this.dataDir), path, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('error', reject).on('end', () => {
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`${path} of ${this.name} answers ${response.statusCode}: ${text}`))
        })
      })
      asked.setTimeout(COMMAND_LIMIT_MS, () => asked.destroy(new Error(`${path} of ${this.name} does not answer`)))
      asked.on('error', reject).end()
    })
  }

  /** Every process at this place: the peer, sessiond, what runs in sessions, commands of the test. */
  processes(): RunningProcess[] {
    return processesOf(this.#group)
  }

  /** The peer's own process, not sessiond and not its children. Resolves when it is gone. */
  async killPeerProcess(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  /** Resolves with the exit code of `omega up`. */
  async exited(): Promise<number | null> {
    const child = this.#process
    if (child === undefined) throw new Error(`${this.name} was never started`)
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
    return child.exitCode
  }

  /** The power cut: everything that runs here is gone at once, nothing is told. */
  async killAll(): Promise<void> {
    await killWhole(this.#group)
  }

  async restart(args: string[] = []): Promise<void> {
    await this.killPeerProcess('SIGTERM')
    await this.up(args)
  }

  /** The network cable is pulled; nobody is told. Needs namespaces (`mesh.lan.kind`). */
  cut(): void {
    this.#lan.cut(this.name)
  }

  heal(): void {
    this.#lan.heal(this.name)
  }

  /** What `omega up` printed so far. */
  output(): string {
    return readText(this.#logFile)
  }

  /** The ends of its logs, for a failure message. */
  log(): string {
    const logs = [this.#logFile, join(this.dataDir, 'logs', 'peer.log'), join(this.dataDir, 'sessiond.log')]
    return logs.map((file) => `--- end of ${this.name}'s ${basename(file)} ---\n${lastLines(file)}`).join('\n')
  }

  /** Words before a program that bring it to this place, as this user: for browsers and other tools of a test. */
  get enter(): string[] {
    return this.#words([])
  }

  /** Words that start any program here as `exec` does, its environment among them: for who starts it himself. */
  placed(command: string[]): string[] {
    const pairs = Object.entries(this.env).map(([name, value]) => `${name}=${value}`)
    return this.#words(['env', '-i', ...pairs, ...command])
  }

  /** The words that start the CLI. */
  get program(): string[] {
    return this.#program
  }

  get #logFile(): string {
    return join(this.folder, 'up.log')
  }

  #words(command: string[]): string[] {
    const user = ['setpriv', `--reuid=${this.uid}`, `--regid=${this.uid}`, '--clear-groups', '--no-new-privs']
    return [...this.#place.enter, ...(this.uid === undefined ? [] : user), ...command]
  }

  #mkdir(folder: string): void {
    mkdirSync(folder, { mode: 0o700 })
    if (this.uid !== undefined) chownSync(folder, this.uid, this.uid)
  }
}

function lastLines(file: string): string {
  return readText(file).trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // not written yet
  }
}
