/**
 * Which modes a program has left the person's terminal in, read from its output as it passes, and the bytes that undo them:
 * who detaches from a full-screen program gets back an ordinary terminal.
 */

/** Alternate screens, mouse, focus, bracketed paste, application keys, synchronized output. */
const OFF_AT_REST = new Set([1, 9, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026])
/** Wrapping, and the cursor seen. */
const ON_AT_REST = new Set([7, 25])
/** A sequence that is longer is none of ours. */
const SEQUENCE_MAX = 64
const ESC = '\x1b'

export class TerminalModes {
  readonly #changed = new Set<number>()
  #keypad = false
  #keyboard = 0
  #margins = false
  #style = false
  #held = ''

  take(bytes: Uint8Array): void {
    const text = this.#held + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    this.#held = ''
    for (let at = text.indexOf(ESC); at !== -1; at = text.indexOf(ESC, at + 1)) {
      const found = /^\x1b(?:\[([?>=<]?)([\d;]*)([ !]?)([@-~])|([=>c]))/.exec(text.slice(at, at + SEQUENCE_MAX))
      if (found !== null) this.#sequence(found)
      else if (text.length - at < SEQUENCE_MAX && /^\x1b(?:\[[?>=<]?[\d;]*[ !]?)?$/.test(text.slice(at))) {
        this.#held = text.slice(at)
        return
      }
    }
  }

  /** For a terminal that nobody has touched, nothing. */
  undo(): string {
    const modes = [...this.#changed].sort((a, b) => b - a)
    const undone = modes.map((mode) => `${ESC}[?${mode}${ON_AT_REST.has(mode) ? 'h' : 'l'}`)
    const keyboard = this.#keyboard > 0 ? `${ESC}[<${this.#keyboard}u` : ''
    const rest = `${this.#margins ? `${ESC}7${ESC}[r${ESC}8` : ''}${this.#keypad ? `${ESC}>` : ''}${this.#style ? `${ESC}[0 q` : ''}`
    this.#reset()
    return `${keyboard}${rest}${undone.join('')}${keyboard + rest === '' && modes.length === 0 ? '' : `${ESC}[0m`}`
  }

  #sequence([, prefix, params = '', middle, final, short]: RegExpExecArray): void {
    if (short !== undefined) {
      if (short === 'c') this.#reset()
      else this.#keypad = short === '='
    } else if (prefix === '?' && (final === 'h' || final === 'l')) {
      for (const mode of params.split(';').map(Number)) {
        const atRest = ON_AT_REST.has(mode) === (final === 'h')
        if (atRest) this.#changed.delete(mode)
        else if (ON_AT_REST.has(mode) || OFF_AT_REST.has(mode)) this.#changed.add(mode)
      }
    } else if (final === 'u' && prefix === '>') this.#keyboard++
    else if (final === 'u' && prefix === '<') this.#keyboard = Math.max(0, this.#keyboard - (Number(params) || 1))
    else if (final === 'r' && prefix === '') this.#margins = params !== ''
    else if (final === 'q' && middle === ' ') this.#style = params !== '' && params !== '0'
    else if (final === 'p' && middle === '!') this.#margins = false
  }

  #reset(): void {
    this.#changed.clear()
    this.#keyboard = 0
    this.#keypad = this.#margins = this.#style = false
  }
}
