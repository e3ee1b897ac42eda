/**
 * What the terminals of this PC show, for whoever attaches: drawn from their logs in a thread of its own, which is started
 * when the first screen is asked for. It may lag behind a program, and never holds one up.
 */
import { Worker } from 'node:worker_threads'
import { MeshError } from '../../protocols/errors.ts'
import { programFile } from '../install/layout.ts'
import type { FromMirrors, ToMirrors } from './mirror-worker.ts'
import type { RunKey, Screen } from './wire.ts'

/** A log drops its oldest segments one day: a mirror is begun, and brought up to date, long before that. */
const LAG_BYTES = 8 << 20
const HEAP_MB = 256

export class Mirrors {
  readonly #seen = new Map<string, number>()
  readonly #asked = new Map<number, { resolve(screen: Screen): void; reject(error: MeshError): void }>()
  #worker: Worker | undefined
  #next = 1

  /** Resolves when all before `end` is drawn. Rejects HOST_FAILED. */
  screen(key: RunKey, folder: string, end: number): Promise<Screen> {
    this.#seen.set(nameOf(key), end)
    return new Promise((resolve, reject) => {
      const n = this.#next++
      this.#asked.set(n, { resolve, reject })
      this.#tell({ t: 'screen', n, name: nameOf(key), folder, end })
    })
  }

  grew(key: RunKey, folder: string, end: number): void {
    const name = nameOf(key)
    if (end - (this.#seen.get(name) ?? 0) < LAG_BYTES) return
    this.#seen.set(name, end)
    this.#tell({ t: 'draw', name, folder, end })
  }

  drop(key: RunKey): void {
    const name = nameOf(key)
    if (this.#seen.delete(name)) this.#worker?.postMessage({ t: 'drop', name } satisfies ToMirrors)
  }

  #tell(message: ToMirrors): void {
    this.#worker ??= this.#start()
    this.#worker.postMessage(message)
  }

  #start(): Worker {
    const worker = new Worker(programFile('terminal-mirror'), { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } })
    worker.unref()
    worker.on('message', ({ n, error, ...screen }: FromMirrors) => {
      const asked = this.#asked.get(n)
      this.#asked.delete(n)
      if (error !== undefined) asked?.reject(new MeshError('HOST_FAILED', error))
      else asked?.resolve(screen as Screen)
    })
    worker.on('error', (error) => this.#onEnd(worker, error.message))
    worker.on('exit', () => this.#onEnd(worker, 'it ended'))
    return worker
  }

  /** The next request starts another, which draws from the logs what this one had. */
  #onEnd(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#asked.values())
      reject(new MeshError('HOST_FAILED', `what the terminal shows cannot be drawn: ${why}`))
    this.#asked.clear()
  }
}

const nameOf = ({ session, epoch }: RunKey): string => `${session}/${epoch}`
