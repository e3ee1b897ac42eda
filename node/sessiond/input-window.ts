/** Input on its way to programs: in pieces, two of them ahead per call, each done when the program's pipe has taken it. */
import { MeshError } from '../../protocols/errors.ts'
import type { RunKey } from './wire.ts'

const PIECE_BYTES = 64 << 10
/** So that the pipe never runs dry while an answer is on its way. */
const AHEAD = 2

export class InputWindow {
  readonly #send: (key: RunKey, n: number, bytes: Uint8Array) => boolean
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: MeshError) => void }>()
  #next = 1

  /** `send` is false when there is no link. */
  constructor(send: (key: RunKey, n: number, bytes: Uint8Array) => boolean) {
    this.#send = send
  }

  async write(key: RunKey, bytes: Uint8Array): Promise<void> {
    const ahead: Promise<void>[] = []
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      if (ahead.length >= AHEAD) await ahead.shift()
      const piece = this.#write(key, bytes.subarray(at, at + PIECE_BYTES))
      piece.catch(() => {}) // waited for in its turn
      ahead.push(piece)
    }
    await Promise.all(ahead)
  }

  done(n: number, error: string | undefined): void {
    const waiting = this.#waiting.get(n)
    this.#waiting.delete(n)
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(new MeshError('HOST_FAILED', error))
  }

  breakOff(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new MeshError('HOST_FAILED', why))
    this.#waiting.clear()
  }

  #write(key: RunKey, bytes: Uint8Array): Promise<void> {
    const n = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(n, { resolve, reject })
      if (this.#send(key, n, bytes)) return
      this.#waiting.delete(n)
      reject(new MeshError('HOST_FAILED', 'no input can be given: sessiond is not connected'))
    })
  }
}
