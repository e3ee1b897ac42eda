/**
 * The terminal in which a command stands: its size, its raw mode while a program on another PC has it, and certainly its own
 * mode again afterwards, whichever way the command ends.
 */
import { isatty } from 'node:tty'
import type { TerminalSize } from '../terminal-size.ts'
import { TerminalModes } from './terminal-modes.ts'

/** Where there is no terminal to ask. */
const USUAL: TerminalSize = { columns: 80, rows: 24 }
/** Attributes, margins and modes as they were, an empty screen. */
const EMPTY = '\x1b[!p\x1b[0m\x1b[H\x1b[2J'

/** A person sits there: what is typed and what is shown belong to one terminal. */
export function standsOnTerminal(): boolean {
  return isatty(0) && isatty(1)
}

export function localSize(): TerminalSize | undefined {
  const { isTTY, columns, rows } = process.stdout
  return isTTY && columns > 0 && rows > 0 ? { columns, rows } : undefined
}

export const sizeOrUsual = (): TerminalSize => localSize() ?? USUAL

export class LocalTerminal {
  readonly #modes = new TerminalModes()
  readonly #resized: () => void
  readonly #restore = (): void => this.leave()
  #entered = false

  /** `resized` is called while it is entered. */
  constructor(resized: () => void) {
    this.#resized = resized
  }

  get entered(): boolean {
    return this.#entered
  }

  enter(): void {
    if (this.#entered) return
    this.#entered = true
    process.once('exit', this.#restore)
    process.stdout.on('resize', this.#resized)
    if (process.stdin.isTTY) process.stdin.setRawMode(true)
  }

  /** What the program writes goes to the screen; which modes that leaves it in is remembered. */
  shown(bytes: Uint8Array): void {
    if (this.#entered && process.stdout.isTTY) this.#modes.take(bytes)
  }

  /** Another screen is drawn from its beginning. */
  clear(): void {
    if (process.stdout.isTTY) process.stdout.write(this.#modes.undo() + EMPTY)
  }

  leave(): void {
    if (!this.#entered) return
    this.#entered = false
    process.off('exit', this.#restore)
    process.stdout.off('resize', this.#resized)
    const undo = this.#modes.undo()
    if (undo !== '') process.stdout.write(undo)
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
  }
}
