/**
 * One terminal without a window: draws the log of a session and says what it shows, as bytes that draw the same into an
 * empty terminal of that size. Keeps so many lines above the screen as a person scrolls back after coming again.
 */
import serialize from '@xterm/addon-serialize'
import headless from '@xterm/headless'
import { decodeSize } from '../terminal-size.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { readLog } from './log-reader.ts'
import type { Screen } from './wire.ts'

const SCROLLBACK_LINES = 1000
/** Lines that are tried in turn until the screen has at most so many bytes. */
const FEWER_LINES = [SCROLLBACK_LINES, 200, 0]
const SCREEN_BYTES_MAX = 2 << 20
/** Set by default; others are off by default. */
const ON_BY_DEFAULT = new Set([7, 25])
/** What the serializer tells by itself, and what would draw the screen anew. */
const TOLD = new Set([1, 3, 6, 7, 9, 45, 47, 66, 1000, 1002, 1003, 1004, 1047, 1048, 1049, 2004, 2026])

export class Mirror {
  readonly #folder: string
  readonly #terminal: InstanceType<typeof headless.Terminal>
  readonly #serializer = new serialize.SerializeAddon()
  /** Private modes that are not as in a fresh terminal. */
  readonly #modes = new Map<number, boolean>()
  #margins = ''
  #cursor = ''
  #title = ''
  #offset = 0

  constructor(folder: string) {
    this.#folder = folder
    this.#terminal = new headless.Terminal({ allowProposedApi: true, scrollback: SCROLLBACK_LINES })
    this.#terminal.loadAddon(this.#serializer)
    this.#watch()
  }

  /** Resolves when what the log holds before `end` is drawn. */
  async draw(end: number): Promise<void> {
    if (end <= this.#offset) return
    const source = { end: () => end, more: () => Promise.resolve(false) }
    for await (const { stream, bytes, offset } of readLog(this.#folder, this.#offset, source)) {
      if (stream === 3) this.#resize(decodeSize(bytes))
      else await new Promise<void>((resolve) => this.#terminal.write(bytes, resolve))
      this.#offset = offset
    }
  }

  screen(): Screen {
    const { cols, rows } = this.#terminal
    for (const scrollback of FEWER_LINES) {
      const bytes = Buffer.from(this.#serializer.serialize({ scrollback }) + this.#rest())
      if (bytes.length <= SCREEN_BYTES_MAX || scrollback === 0)
        return { offset: this.#offset, columns: cols, rows, bytes: bytes.subarray(0, SCREEN_BYTES_MAX) }
    }
    throw new Error('unreachable')
  }

  close(): void {
    this.#terminal.dispose()
  }

  #resize(size: TerminalSize | undefined): void {
    if (size === undefined) return
    this.#margins = ''
    this.#terminal.resize(size.columns, size.rows)
  }

  /** What the serializer leaves out. */
  #rest(): string {
    const modes = [...this.#modes].map(([mode, on]) => `\x1b[?${mode}${on ? 'h' : 'l'}`)
    const margins = this.#margins === '' ? '' : `\x1b7${this.#margins}\x1b8`
    return `${margins}${this.#cursor}${modes.join('')}${this.#title}`
  }

  #watch(): void {
    const { parser } = this.#terminal
    const note = (on: boolean) => (params: (number | number[])[]) => {
      for (const mode of params.flat()) {
        if (TOLD.has(mode)) continue
        if (on === ON_BY_DEFAULT.has(mode)) this.#modes.delete(mode)
        else this.#modes.set(mode, on)
      }
      return false
    }
    parser.registerCsiHandler({ prefix: '?', final: 'h' }, note(true))
    parser.registerCsiHandler({ prefix: '?', final: 'l' }, note(false))
    parser.registerCsiHandler({ final: 'r' }, ([top, bottom]) => {
      this.#margins = top === undefined || (Number(top) <= 1 && !bottom) ? '' : `\x1b[${top};${bottom ?? ''}r`
      return false
    })
    parser.registerCsiHandler({ intermediates: ' ', final: 'q' }, ([style]) => {
      this.#cursor = `\x1b[${style ?? 0} q`
      return false
    })
    const reset = (): boolean => {
      this.#modes.clear()
      this.#margins = this.#cursor = ''
      return false
    }
    parser.registerEscHandler({ final: 'c' }, reset)
    parser.registerCsiHandler({ intermediates: '!', final: 'p' }, reset)
    this.#terminal.onTitleChange(
      (title) => (this.#title = `\x1b]2;${title.replace(/[\x00-\x1f\x7f]/g, '').slice(0, 200)}\x07`)
    )
  }
}
