/**
 * The keys that leave a terminal and let it go on: taken out of what is typed. A beginning of them is held back until the
 * next key, or for a moment, so that Ctrl-P alone still reaches the program.
 */
import { MeshError } from '../../protocols/errors.ts'

export const DETACH_KEYS = 'ctrl-p,ctrl-q'
const HOLD_MS = 500

/** `ctrl-p,ctrl-q` as bytes; throws BAD_REQUEST. */
export function parseDetachKeys(text: string): Uint8Array {
  const bytes = text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f
    return /^[\x21-\x7e]$/.test(key) ? key.charCodeAt(0) : -1
  })
  if (bytes.length > 8 || bytes.includes(-1))
    throw new MeshError(
      'BAD_REQUEST',
      `--detach-keys ${text}: give up to 8 keys with commas between, each a character or ctrl- and a letter, such as ${DETACH_KEYS}`
    )
  return Uint8Array.from(bytes)
}

/** `Ctrl-P Ctrl-Q`, for people. */
export function detachKeysInWords(text: string): string {
  return text
    .split(',')
    .map((key) => key.replace(/^ctrl-(.)$/i, (_, letter: string) => `Ctrl-${letter.toUpperCase()}`))
    .join(' ')
}

export class DetachKeys {
  readonly #keys: Uint8Array
  readonly #pass: (bytes: Uint8Array) => void
  readonly #detach: () => void
  #matched = 0
  #timer: NodeJS.Timeout | undefined

  constructor(keys: Uint8Array, pass: (bytes: Uint8Array) => void, detach: () => void) {
    this.#keys = keys
    this.#pass = pass
    this.#detach = detach
  }

  typed(chunk: Uint8Array): void {
    clearTimeout(this.#timer)
    const out: number[] = []
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#matched]) {
        out.push(...this.#keys.subarray(0, this.#matched))
        this.#matched = 0
      }
      if (byte !== this.#keys[this.#matched]) out.push(byte)
      else if (++this.#matched === this.#keys.length) {
        if (out.length > 0) this.#pass(Uint8Array.from(out))
        return this.#detach()
      }
    }
    if (out.length > 0) this.#pass(Uint8Array.from(out))
    if (this.#matched > 0) this.#timer = setTimeout(() => this.release(), HOLD_MS)
  }

  /** What was held back was meant for the program. */
  release(): void {
    clearTimeout(this.#timer)
    if (this.#matched === 0) return
    const held = this.#keys.slice(0, this.#matched)
    this.#matched = 0
    this.#pass(held)
  }
}
