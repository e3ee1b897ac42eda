/**
 * Runs the hardware helper, a short-lived process, when sessiond starts, every ten minutes and when a device comes or
 * goes, and keeps what it printed last. The helper may start programs; sessiond and the peer need not.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cleanEnvironment } from './environment.ts'
import { os } from './os/index.ts'

const OUTPUT_MAX = 256 << 10
const ERROR_MAX = 2000
const TIME_MS = 20_000
/** Five listings of /sys a minute: no measurable load. */
const DEVICES_EVERY_MS = 15_000

export interface HardwareReport {
  json?: string
  error?: string
  /** os.bootMs() when it was read. */
  at: number
}

export class Hardware {
  readonly #script: string
  readonly #everyMs: number
  readonly #onReport: (report: HardwareReport) => void
  #latest: HardwareReport | undefined
  #mark = os.deviceMark()
  #readAt = -Infinity
  #running = false

  constructor(script: string, everyMs: number, onReport: (report: HardwareReport) => void) {
    this.#script = script
    this.#everyMs = everyMs
    this.#onReport = onReport
  }

  get latest(): HardwareReport | undefined {
    return this.#latest
  }

  start(): void {
    void this.#read()
    setInterval(() => {
      const mark = os.deviceMark()
      if (mark === this.#mark && os.bootMs() - this.#readAt < this.#everyMs) return
      this.#mark = mark
      void this.#read()
    }, DEVICES_EVERY_MS).unref()
  }

  async #read(): Promise<void> {
    if (this.#running) return
    this.#running = true
    this.#readAt = os.bootMs()
    const result = await runHelper(this.#script)
    this.#running = false
    // What was read before stays readable, with its age, beside the reason why there is nothing newer.
    const before = this.#latest
    this.#latest =
      'json' in result || before?.json === undefined
        ? { ...result, at: os.bootMs() }
        : { json: before.json, at: before.at, ...result }
    this.#onReport(this.#latest)
  }
}

function runHelper(script: string): Promise<{ json: string } | { error: string }> {
  if (!existsSync(script)) return Promise.resolve({ error: `the hardware helper is missing: ${script}` })
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script], {
      detached: true,
      windowsHide: true,
      env: cleanEnvironment(process.env),
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const output: Buffer[] = []
    let bytes = 0
    let complaint = ''
    let failure: string | undefined
    const stop = (why: string) => {
      failure ??= why
      if (child.pid !== undefined) os.signalGroup(child.pid, 'SIGKILL')
    }
    const timer = setTimeout(() => stop(`the hardware helper took longer than ${TIME_MS / 1000} s`), TIME_MS)
    if (child.pid !== undefined) os.lowerPriority(child.pid)
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > OUTPUT_MAX) stop(`the hardware helper printed more than ${OUTPUT_MAX} bytes`)
      else output.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-ERROR_MAX)))
    child.on('error', (error) => stop(`the hardware helper could not start: ${error.message}`))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (failure === undefined && code !== 0)
        failure = `the hardware helper ended with ${code ?? signal}: ${complaint.trim().split('\n').at(-1) ?? ''}`
      resolve(failure === undefined ? checkedJson(Buffer.concat(output).toString()) : { error: failure })
    })
  })
}

function checkedJson(text: string): { json: string } | { error: string } {
  try {
    JSON.parse(text)
    return { json: text.trim() }
  } catch (error) {
    return { error: `the hardware helper did not print JSON: ${(error as Error).message}` }
  }
}
