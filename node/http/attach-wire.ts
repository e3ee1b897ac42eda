/**
 * The frames of the WebSocket `/api/v1/sessions/{id}/attach?from=OFFSET&stdin=1&screen=1`, for the server, the CLI and tests. One
 * binary message is one frame: a kind byte, then its payload. Both directions are credited, so neither side ever holds
 * more than a window of the other's bytes, and output never blocks behind input:
 *  - output: the server has at most OUTPUT_WINDOW_BYTES (of a terminal TERMINAL_WINDOW_BYTES) unacknowledged; the client sends `ack` for what it wrote out;
 *  - stdin: the client sends only what `credit` allowed; it starts with none.
 * The server ends with one `final` or one `error` and closes.
 */
import { MeshError } from '../../protocols/errors.ts'
import { decodeSize, encodeSize } from '../terminal-size.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { ApiError, SessionView } from './views.ts'

export const OUTPUT_WINDOW_BYTES = 1 << 20
/** Of a terminal: what is on its way is what a person still sees after interrupting a flood. */
export const TERMINAL_WINDOW_BYTES = 256 << 10
export const STDIN_WINDOW_BYTES = 256 << 10
/** Larger messages from a client are refused by closing. */
export const CLIENT_FRAME_MAX = 64 << 10

export const SIGNALS = ['INT', 'TERM', 'KILL', 'HUP', 'QUIT'] as const
export type SignalName = (typeof SIGNALS)[number]

export type ServerFrame =
  /** 1 stdout, 2 stderr: u64 log offset after these bytes, then the bytes. Attach again with `from` = this offset. */
  | { kind: 'output'; stream: 1 | 2; offset: number; bytes: Uint8Array }
  /** 3: JSON text, one line for a person. */
  | { kind: 'progress'; text: string }
  /** 4: JSON, the session's final record. */
  | { kind: 'final'; session: SessionView }
  /** 5: JSON `{ error: { code, message } }`. */
  | { kind: 'error'; error: ApiError['error'] }
  /** 6: u32, so many more bytes of stdin may be sent. */
  | { kind: 'credit'; bytes: number }
  /** 7: u64 log offset, then the size of the terminal from here on (terminal-size.ts); no frame of this kind, no terminal. */
  | ({ kind: 'size'; offset: number; fresh: boolean } & TerminalSize)

export type ClientFrame =
  /** 0: bytes for stdin. */
  | { kind: 'stdin'; bytes: Uint8Array }
  /** 1: no more stdin. */
  | { kind: 'endStdin' }
  /** 2: signal name as text, without SIG. */
  | { kind: 'signal'; name: SignalName }
  /** 3: u32, so many more bytes of output were consumed. */
  | { kind: 'ack'; bytes: number }
  /** 4: how large a terminal this client can show, so (terminal-size.ts). */
  | ({ kind: 'size' } & TerminalSize)

const text = new TextEncoder()
const fromText = new TextDecoder('utf-8', { fatal: true })

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  switch (frame.kind) {
    case 'output':
      return offsetFrame(frame.stream, frame.offset, frame.bytes)
    case 'progress':
      return withKind(3, json(frame.text))
    case 'final':
      return withKind(4, json(frame.session))
    case 'error':
      return withKind(5, json({ error: frame.error }))
    case 'credit':
      return withKind(6, u32(frame.bytes))
    case 'size':
      return offsetFrame(7, frame.offset, encodeSize(frame, frame.fresh))
  }
}

/** Throws WIRE_INVALID. */
export function decodeServerFrame(message: Uint8Array): ServerFrame {
  const kind = message[0]
  const payload = message.subarray(1)
  switch (kind) {
    case 1:
    case 2:
      if (payload.length < 8) throw invalid(message)
      return { kind: 'output', stream: kind, offset: Number(view(payload).getBigUint64(0)), bytes: payload.subarray(8) }
    case 3:
      return { kind: 'progress', text: String(parse(payload)) }
    case 4:
      return { kind: 'final', session: parse(payload) as SessionView }
    case 5:
      return { kind: 'error', error: (parse(payload) as ApiError).error }
    case 6:
      return { kind: 'credit', bytes: readU32(message) }
    case 7: {
      const size = decodeSize(payload.subarray(8))
      if (size === undefined) throw invalid(message)
      return { kind: 'size', offset: Number(view(payload).getBigUint64(0)), ...size }
    }
    default:
      throw invalid(message)
  }
}

export function encodeClientFrame(frame: ClientFrame): Uint8Array {
  switch (frame.kind) {
    case 'stdin':
      return withKind(0, frame.bytes)
    case 'endStdin':
      return Uint8Array.of(1)
    case 'signal':
      return withKind(2, text.encode(frame.name))
    case 'ack':
      return withKind(3, u32(frame.bytes))
    case 'size':
      return withKind(4, encodeSize(frame))
  }
}

/** Throws WIRE_INVALID for what is no frame of a client. */
export function decodeClientFrame(message: Uint8Array): ClientFrame {
  const payload = message.subarray(1)
  switch (message[0]) {
    case 0:
      return { kind: 'stdin', bytes: payload }
    case 1:
      if (payload.length !== 0) throw invalid(message)
      return { kind: 'endStdin' }
    case 2: {
      const name = SIGNALS.find((signal) => payload.length < 8 && signal === String.fromCharCode(...payload))
      if (name === undefined) throw invalid(message)
      return { kind: 'signal', name }
    }
    case 3:
      return { kind: 'ack', bytes: readU32(message) }
    case 4: {
      const size = decodeSize(payload)
      if (size === undefined || payload.length !== 4) throw invalid(message)
      return { kind: 'size', columns: size.columns, rows: size.rows }
    }
    default:
      throw invalid(message)
  }
}

function offsetFrame(kind: number, offset: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(9 + payload.length)
  message[0] = kind
  view(message).setBigUint64(1, BigInt(offset))
  message.set(payload, 9)
  return message
}

function withKind(kind: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + payload.length)
  message[0] = kind
  message.set(payload, 1)
  return message
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  view(bytes).setUint32(0, value)
  return bytes
}

function readU32(message: Uint8Array): number {
  if (message.length !== 5) throw invalid(message)
  return view(message).getUint32(1)
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const json = (value: unknown) => text.encode(JSON.stringify(value))

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(fromText.decode(payload))
  } catch (error) {
    throw new MeshError('WIRE_INVALID', 'an attach frame does not hold valid JSON', { cause: error })
  }
}

function invalid(message: Uint8Array): MeshError {
  return new MeshError('WIRE_INVALID', `not an attach frame: kind ${message[0] ?? 'none'}, ${message.length} bytes`)
}
