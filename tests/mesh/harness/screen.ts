/** A terminal at a peer's place, as a person has it: a shell in tmux, typed into by keys and read off the screen. */
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onPath, TERMINAL_PROGRAMS } from '../../setup/tools.ts'
import type { Peer } from './peer.ts'
import { until } from './until.ts'

export class Screen implements Disposable {
  readonly #socket: string
  readonly #peer: Peer

  /** A shell in which `omega` is the CLI of that peer. */
  constructor(peer: Peer, name: string, { columns, rows } = { columns: 90, rows: 25 }) {
    for (const [program, debian] of Object.entries(TERMINAL_PROGRAMS))
      if (onPath(program) === undefined)
        throw new Error(`${program} is missing, which the tests of terminals drive: apt-get install ${debian}`)
    this.#peer = peer
    this.#socket = join(peer.folder, `${name}.tmux`)
    const command = join(peer.folder, 'omega')
    writeFileSync(command, `#!/bin/sh\nexec ${peer.program.join(' ')} "$@"\n`)
    chmodSync(command, 0o755)
    const shell = peer.placed(['env', `PATH=${peer.folder}:${peer.env.PATH}`, 'PS1=ready> ', 'sh'])
    const quoted = shell.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    this.#tmux(
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      String(rows),
      '-c',
      peer.workDir,
      `env -u TMUX TERM="$TERM" ${quoted}`
    )
  }

  /** The lines of the screen. */
  text(): string {
    return this.#tmux('capture-pane', '-p')
  }

  /** Names of keys as tmux has them: `Enter`, `C-c`, `Escape`. */
  keys(...names: string[]): void {
    this.#tmux('send-keys', ...names)
  }

  /** Text as it is, and Enter. */
  line(text: string): void {
    this.#tmux('send-keys', '-l', text)
    this.keys('Enter')
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  async shows(what: string | RegExp, withinMs?: number): Promise<string> {
    const found = (note: (seen: unknown) => void) => {
      const text = this.text()
      note(text)
      return (typeof what === 'string' ? text.includes(what) : what.test(text)) ? text : undefined
    }
    const more = () => this.#peer.log()
    return await until(found, { what: `${what} on the screen`, more, ...(withinMs !== undefined && { withinMs }) })
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server')
  }

  #tmux(...args: string[]): string {
    const env = { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8', HOME: this.#peer.home }
    return execFileSync('tmux', ['-S', this.#socket, '-f', '/dev/null', ...args], { encoding: 'utf8', env })
  }
}
