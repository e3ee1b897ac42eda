/**
 * The page's end of a session's terminal: one WebSocket in the frames of node/http/attach-wire.ts. Output is acknowledged once
 * it is drawn, input sent only as far as the session takes it; a lost line goes on where it stopped. Time and network come in
 * through `Env`.
 */
import type { ApiError, SessionView } from '../../node/http/views.ts'

/** Typed while the line is away. More is not what a person types. */
const TYPED_MAX = 16 << 10
/** Pasted at once. */
const PASTED_MAX = 4 << 20
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 4_000
const INPUT_FRAME = 16 << 10

export interface LineEvents {
  /** `fresh`: what follows draws the whole screen, into an empty one. */
  size(columns: number, rows: number, fresh: boolean): void
  /** `drawn` is called when it is on the screen. */
  output(bytes: Uint8Array, drawn: () => void): void
  progress(text: string): void
  ended(session: SessionView): void
  /** In words, until the line is back: null. */
  trouble(reason: string | null): void
}
export interface LineSocket {
  send(message: Uint8Array): void
  close(): void
}
export interface LineEnv {
  connect(path: string, events: { open(): void; message(message: Uint8Array): void; closed(): void }): LineSocket
  setTimeout(run: () => void, ms: number): number
  clearTimeout(timer: number): void
}

export class TerminalLine {
  readonly #env: LineEnv
  readonly #id: string
  readonly #events: LineEvents
  #socket: LineSocket | null = null
  #open = false
  /** Grows with each socket; what an older one says is ignored. */
  #turn = 0
  #timer = 0
  #attempts = 0
  #offset = 0
  #credit = 0
  #typed: Uint8Array[] = []
  #typedBytes = 0
  #size: [number, number] | null = null

  constructor(env: LineEnv, id: string, events: LineEvents) {
    this.#env = env
    this.#id = id
    this.#events = events
  }

  start(): void {
    const turn = ++this.#turn
    const path = `/api/v1/sessions/${this.#id}/attach?from=${this.#offset}&stdin=1&screen=1`
    const isNow = () => turn === this.#turn
    this.#socket = this.#env.connect(path, {
      open: () => isNow() && this.#onOpen(),
      message: (message) => isNow() && this.#onMessage(message),
      closed: () => isNow() && this.#onClosed()
    })
  }

  stop(): void {
    this.#turn++
    this.#open = false
    this.#env.clearTimeout(this.#timer)
    this.#socket?.close()
    this.#socket = null
  }

  /** For a page that nobody looked at: it need not see what passed, only what is. */
  startAnew(): void {
    this.stop()
    this.#offset = 0
    this.start()
  }

  type(bytes: Uint8Array): void {
    if (this.#typedBytes + bytes.length > (this.#open ? PASTED_MAX : TYPED_MAX)) return
    this.#typed.push(bytes)
    this.#typedBytes += bytes.length
    this.#sendTyped()
  }

  /** How large a terminal this page can show. */
  resize(columns: number, rows: number): void {
    if (this.#size?.[0] === columns && this.#size[1] === rows) return
    this.#size = [columns, rows]
    this.#tellSize()
  }

  #onOpen(): void {
    this.#open = true
    this.#credit = 0
    this.#tellSize()
  }

  #onMessage(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length)
    const kind = message[0]
    if (kind === 1 || kind === 2) this.#onOutput(Number(view.getBigUint64(1)), message.subarray(9))
    else if (kind === 3) this.#events.progress(String(jsonOf(message)))
    else if (kind === 4) this.#end(() => this.#events.ended(jsonOf(message) as SessionView))
    else if (kind === 5) this.#onError((jsonOf(message) as ApiError).error)
    else if (kind === 6) {
      this.#credit += view.getUint32(1)
      this.#events.trouble(null)
      this.#sendTyped()
    } else if (kind === 7) {
      this.#offset = Number(view.getBigUint64(1))
      this.#events.size(view.getUint16(9), view.getUint16(11), message[13] === 1)
    }
  }

  #onOutput(offset: number, bytes: Uint8Array): void {
    const turn = this.#turn
    this.#attempts = 0
    this.#offset = offset
    this.#events.output(bytes, () => {
      if (turn === this.#turn && this.#open) this.#socket?.send(frame(3, u32(bytes.length)))
    })
  }

  /** The line has said its last word; where it was only unreachable, `startAnew` asks again. */
  #end(tell: () => void): void {
    this.stop()
    tell()
  }

  #onError({ code, message }: ApiError['error']): void {
    this.#end(() => this.#events.trouble(message))
    // Where its PC is away, or not seen yet by a peer that has just come back, it may be there the next time.
    if (code === 'PEER_UNREACHABLE') this.#startLater()
  }

  #onClosed(): void {
    this.stop()
    this.#events.trouble('The line to the terminal is broken. Connecting again…')
    this.#startLater()
  }

  #startLater(): void {
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#attempts++)
    this.#timer = this.#env.setTimeout(() => this.start(), wait)
  }

  #tellSize(): void {
    if (!this.#open || this.#size === null) return
    const [columns, rows] = this.#size
    this.#socket?.send(Uint8Array.of(4, columns >> 8, columns & 255, rows >> 8, rows & 255))
  }

  #sendTyped(): void {
    while (this.#open && this.#credit > 0 && this.#typed[0]) {
      const first = this.#typed[0]
      const part = first.subarray(0, Math.min(INPUT_FRAME, this.#credit))
      if (part.length < first.length) this.#typed[0] = first.subarray(part.length)
      else this.#typed.shift()
      this.#credit -= part.length
      this.#typedBytes -= part.length
      this.#socket?.send(frame(0, part))
    }
  }
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + payload.length)
  message[0] = kind
  message.set(payload, 1)
  return message
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function jsonOf(message: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(message.subarray(1)))
}
