/**
 * What flows on a channel of kind `io`, between the peer where somebody watches a session and the peer where it runs.
 * Towards the watcher: [u8 stream][u64 log offset after][u32 length][bytes]; stream 1 stdout, 2 stderr, 3 the size of the
 * terminal (terminal-size.ts), 4 how many bytes of input the program has taken from this channel, where the offset stands. Towards the runner: [u8 kind][u32 length][bytes], kind 0 input, 1 end of input, 2 a signal's
 * name, 3 how large a terminal the watcher can show.
 */
import { MeshError } from '../protocols/errors.ts'
import { decodeSize, encodeSize } from './terminal-size.ts'
import type { TerminalSize } from './terminal-size.ts'

/** Longest payload of one frame; log frames are at most 64 KiB. */
const PAYLOAD_MAX = 128 * 1024

export const SIGNALS = ['INT', 'TERM', 'KILL', 'HUP', 'QUIT', 'USR1', 'USR2'] as const
export type Signal = (typeof SIGNALS)[number]

export interface OutputFrame {
  stream: 1 | 2 | 3 | 4
  offset: number
  bytes: Uint8Array
}
export type InputFrame =
  { k: 'input'; bytes: Uint8Array } | { k: 'end' } | { k: 'signal'; name: string } | ({ k: 'size' } & TerminalSize)
const INPUT_KINDS = ['input', 'end', 'signal', 'size'] as const

export function encodeOutput(frame: OutputFrame): Uint8Array {
  const bytes = new Uint8Array(13 + frame.bytes.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, frame.stream)
  view.setBigUint64(1, BigInt(frame.offset))
  view.setUint32(9, frame.bytes.length)
  bytes.set(frame.bytes, 13)
  return bytes
}

export function encodeInput(frame: InputFrame): Uint8Array {
  const payload = payloadOf(frame)
  const bytes = new Uint8Array(5 + payload.length)
  bytes[0] = INPUT_KINDS.indexOf(frame.k)
  new DataView(bytes.buffer).setUint32(1, payload.length)
  bytes.set(payload, 5)
  return bytes
}

function payloadOf(frame: InputFrame): Uint8Array {
  if (frame.k === 'input') return frame.bytes
  if (frame.k === 'signal') return new TextEncoder().encode(frame.name)
  return frame.k === 'size' ? encodeSize(frame) : new Uint8Array()
}

/** Cuts a byte stream into frames; throws WIRE_INVALID for what is none. */
export class FrameCutter<T> {
  #rest: Uint8Array = new Uint8Array()
  readonly #header: number
  readonly #lengthAt: number
  readonly #make: (header: DataView, payload: Uint8Array) => T

  constructor(header: number, lengthAt: number, make: (header: DataView, payload: Uint8Array) => T) {
    this.#header = header
    this.#lengthAt = lengthAt
    this.#make = make
  }

  push(chunk: Uint8Array): T[] {
    let bytes = chunk
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length)
      bytes.set(this.#rest)
      bytes.set(chunk, this.#rest.length)
    }
    const frames: T[] = []
    let at = 0
    while (bytes.length - at >= this.#header) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, this.#header)
      const length = view.getUint32(this.#lengthAt)
      if (length > PAYLOAD_MAX)
        throw new MeshError(
          'WIRE_INVALID',
          `a frame of session output has at most ${PAYLOAD_MAX} bytes, this one ${length}`
        )
      if (bytes.length - at < this.#header + length) break
      frames.push(this.#make(view, bytes.subarray(at + this.#header, at + this.#header + length)))
      at += this.#header + length
    }
    this.#rest = bytes.slice(at)
    return frames
  }
}

export const outputCutter = (): FrameCutter<OutputFrame> =>
  new FrameCutter(13, 9, (header, bytes) => {
    const stream = header.getUint8(0)
    if (stream !== 1 && stream !== 2 && stream !== 3 && stream !== 4)
      throw new MeshError('WIRE_INVALID', `output stream ${stream} does not exist`)
    return { stream, offset: Number(header.getBigUint64(1)), bytes }
  })

export const inputCutter = (): FrameCutter<InputFrame> =>
  new FrameCutter<InputFrame>(5, 1, (header, bytes) => {
    const kind = header.getUint8(0)
    if (kind === 0) return { k: 'input', bytes }
    if (kind === 1) return { k: 'end' }
    if (kind === 2) return { k: 'signal', name: new TextDecoder().decode(bytes) }
    if (kind === 3) {
      const size = decodeSize(bytes)
      if (size !== undefined) return { k: 'size', columns: size.columns, rows: size.rows }
      throw new MeshError('WIRE_INVALID', 'the size of a terminal is two numbers from 1 to 1000')
    }
    throw new MeshError('WIRE_INVALID', `input kind ${kind} does not exist`)
  })
