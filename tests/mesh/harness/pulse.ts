/** A program that tells by itself where and when it ran, and what /proc says of it: who runs, who stands still, who is gone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { SessionView } from '../../../node/http/views.ts'
import type { Mesh } from './mesh.ts'
import type { Peer } from './peer.ts'

export interface Beat {
  name: string
  pid: number
}

/** A program that writes a line with its place into one file of this machine ten times a second, and prints one. */
export class Pulse {
  readonly #mesh: Mesh
  readonly #file: string
  readonly #end: string

  constructor(mesh: Mesh, name = 'beats') {
    this.#mesh = mesh
    const top = join(mesh.peers[0]!.folder, '..')
    this.#file = join(top, name)
    this.#end = join(top, `${name}-end`)
  }

  async submit(from: Peer, args: string[]): Promise<string> {
    const script = `while [ ! -e ${this.#end} ]; do echo "$OMEGA_PEER_NAME $$" >> ${this.#file}; echo "beat $OMEGA_PEER_NAME"; sleep 0.1; done`
    const command = ['submit', '--no-files', '--cpu', '0.1', ...args, '--', 'sh', '-c', script]
    return (await from.json<SessionView>(command)).id
  }

  /** In the order in which they were written. */
  beats(): Beat[] {
    const lines = existsSync(this.#file) ? readFileSync(this.#file, 'utf8').trimEnd().split('\n') : []
    return lines.map((line) => line.split(' ')).map(([name = '', pid]) => ({ name, pid: Number(pid) }))
  }

  async first(): Promise<Beat> {
    return await this.#mesh.until(() => this.beats()[0], { what: 'first line of the program' })
  }

  async elsewhere(than: string): Promise<Beat> {
    const other = () => this.beats().find((beat) => beat.name !== than)
    return await this.#mesh.until(other, {
      what: `line of the program from elsewhere than ${than}`,
      everyMs: 20,
      withinMs: 120_000
    })
  }

  /** Resolves when this process has written another line. */
  async goesOn(pid: number): Promise<void> {
    const before = this.beats().length
    const more = () =>
      this.beats()
        .slice(before)
        .some((beat) => beat.pid === pid)
    await this.#mesh.until(more, { what: `further line of process ${pid} (${stateOf(pid)})` })
  }

  end(): void {
    writeFileSync(this.#end, '')
  }

  /** Once another process has written, the one before never did again. */
  neverTwo(): void {
    const pids = this.beats().map((beat) => beat.pid)
    const turns = pids.filter((pid, i) => pid !== pids[i - 1])
    expect(turns).toEqual([...new Set(turns)])
  }
}

/** `frozen`, `gone`, or the state letter of /proc. A shell whose new child was stopped before it became a program stands too. */
export function stateOf(pid: number): string {
  const letter = letterOf(pid)
  const waitsForFrozen = () => childrenOf(pid).some((child) => letterOf(child) === 'T')
  if (letter === 'T' || (letter === 'D' && waitsForFrozen())) return 'frozen'
  return letter === 'Z' || letter === 'X' || letter === '' ? 'gone' : letter
}

const letterOf = (pid: number): string => /^State:\s*(\S)/m.exec(readProc(`${pid}/status`))?.[1] ?? ''
const childrenOf = (pid: number): number[] =>
  readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return '' // it has ended
  }
}
