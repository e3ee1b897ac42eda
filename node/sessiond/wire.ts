/**
 * What the peer and sessiond say to each other over the local socket: frames of a u32 length (big endian) and one CBOR
 * map. Both ends are programs of this PC's user and have proven the secret of the data folder (link.ts); what is
 * checked here keeps a bug on one side from growing memory or escaping the data folder on the other.
 */
import { decodeCbor, encodeCbor } from '../../protocols/codec.ts'
import { MeshError } from '../../protocols/errors.ts'
import { DISPLAY_MAX, LAUNCHERS, TERMINAL_MAX } from '../../protocols/ports.ts'
import type { ChildReport, Exit, RunOrder, SessionId } from '../../protocols/ports.ts'

/** Changes when either side would misread the other. */
export const SESSIOND_WIRE = 1

/** A list of ten thousand finished runs with their exits stays below. */
export const LOCAL_FRAME_MAX = 4 << 20
/** Bytes that may wait for a side that does not read, before the link is given up. */
export const LOCAL_QUEUE_MAX = 16 << 20

export const SIGNALS = ['INT', 'TERM', 'KILL', 'HUP', 'QUIT', 'USR1', 'USR2'] as const
export type SignalName = (typeof SIGNALS)[number]

export interface RunKey {
  session: SessionId
  epoch: number
}

export interface Screen {
  offset: number
  columns: number
  rows: number
  bytes: Uint8Array
}

export type ToSessiond =
  /** `at`: boot clock of the peer when it sent this, so that a refresh that waited in a queue counts from then. */
  | { t: 'leash'; at: number }
  /** `until`: boot clock; the right of a strict run. */
  | ({ t: 'lease'; until: number } & RunKey)
  | { t: 'identity'; peerId: string; peerName: string }
  | { t: 'run'; order: RunOrder }
  | ({ t: 'signal'; signal: SignalName } & RunKey)
  | ({ t: 'freeze' | 'thaw' | 'discard' | 'acknowledge' | 'endInput' } & RunKey)
  | ({ t: 'input'; n: number; bytes: Uint8Array } & RunKey)
  | ({ t: 'attach'; reader: number; from: number } & RunKey)
  | { t: 'ack'; reader: number; offset: number }
  | { t: 'detach'; reader: number }
  /** Somebody who watches a terminal has this much room for it; a viewer of size 0 is gone. */
  | ({ t: 'viewer'; viewer: number; columns: number; rows: number } & RunKey)
  | ({ t: 'screen'; n: number } & RunKey)
  | { t: 'pause'; on: boolean }
  | { t: 'shutdown' }

export type FromSessiond =
  /** `taken`: the peer has acknowledged the end of it. */
  | { t: 'children'; list: (ChildReport & { taken: boolean })[]; paused: boolean }
  | ({ t: 'started'; pid: number } & RunKey)
  | ({ t: 'notStarted'; reason: string } & RunKey)
  | ({ t: 'exited'; exit: Exit } & RunKey)
  /** The log of a run that somebody reads now ends at `end`. */
  | ({ t: 'grew'; end: number } & RunKey)
  | ({ t: 'inputDone'; n: number; error?: string } & RunKey)
  /** What a terminal shows at log offset `offset`, as bytes that draw it into an empty one of that size. */
  | ({ t: 'screen'; n: number; error?: string } & Partial<Screen> & RunKey)
  /** A finished run made room: its log and its report are gone. */
  | ({ t: 'forgotten' } & RunKey)
  | { t: 'hardware'; json?: string; error?: string; ageMs: number }
  | { t: 'trouble'; text: string }
  /** Another process of this data folder connected; this one must not fight it. */
  | { t: 'replaced' }
  | { t: 'bye' }

export type LocalMessage = { t: string } & Record<string, unknown>

/** One frame, ready to be written. */
export function localFrame(message: object): Buffer {
  const body = encodeCbor(message)
  if (body.length > LOCAL_FRAME_MAX)
    throw new MeshError(
      'WIRE_LIMIT',
      `a message to sessiond has at most ${LOCAL_FRAME_MAX} bytes, this one ${body.length}`
    )
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  return frame
}

/** Cuts a byte stream into messages. Throws WIRE_LIMIT or WIRE_INVALID; the link is then closed. */
export class FrameReader {
  #chunks: Buffer[] = []
  #bytes = 0

  #peekLength(): number {
    const first = this.#chunks[0]!
    if (first.length >= 4) return first.readUInt32BE(0)
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined.readUInt32BE(0)
  }

  /** The messages that are whole now. */
  *push(chunk: Buffer): Generator<LocalMessage> {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes >= 4) {
      const length = this.#peekLength()
      if (length > LOCAL_FRAME_MAX)
        throw new MeshError('WIRE_LIMIT', `a local frame has at most ${LOCAL_FRAME_MAX} bytes, not ${length}`)
      if (this.#bytes < 4 + length) return
      const joined = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      const rest = joined.subarray(4 + length)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#bytes = rest.length
      yield checked(decodeCbor(joined.subarray(4, 4 + length)))
    }
  }
}

function checked(value: unknown): LocalMessage {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array)
    throw new MeshError('WIRE_INVALID', 'a local message is a map')
  const message = value as LocalMessage
  if (typeof message.t !== 'string') throw new MeshError('WIRE_INVALID', 'a local message names its kind in "t"')
  if ('session' in message) checkRunKey(message as object)
  return message
}

/** A session id becomes a folder name: nothing but 32 hex digits may pass. */
export function checkRunKey(value: { session?: unknown; epoch?: unknown }): asserts value is RunKey {
  if (typeof value.session !== 'string' || !/^[0-9a-f]{32}$/.test(value.session))
    throw new MeshError('WIRE_INVALID', `"${String(value.session).slice(0, 80)}" is not a session id (32 hex digits)`)
  if (typeof value.epoch !== 'number' || !Number.isSafeInteger(value.epoch) || value.epoch < 0)
    throw new MeshError('WIRE_INVALID', `"${String(value.epoch).slice(0, 80)}" is not an epoch`)
}

/** Throws WIRE_INVALID unless every part of the order has its type; sizes are bounded by the frame. */
export function checkOrder(value: unknown): asserts value is RunOrder {
  checkRunKey((value ?? {}) as object)
  const order = value as Partial<Record<keyof RunOrder, unknown>>
  const bad = !LAUNCHERS.some((one) => one === order.launcher)
    ? 'launcher'
    : !isTexts(order.argv) || order.argv.length === 0 || order.argv[0] === ''
      ? 'argv'
      : order.env === null || typeof order.env !== 'object' || !isTexts(Object.entries(order.env).flat())
        ? 'env'
        : !isTexts([order.cwd])
          ? 'cwd'
          : typeof order.stdin !== 'boolean'
            ? 'stdin'
            : order.terminal !== undefined && !isTerminal(order.terminal)
              ? 'terminal'
              : order.display !== undefined && !isDisplay(order.display)
                ? 'display'
                : order.input !== undefined && !isBlob(order.input)
                  ? 'input'
                  : order.partOf !== undefined && !isTexts([order.partOf])
                    ? 'partOf'
                    : order.leaseUntil !== undefined && typeof order.leaseUntil !== 'number'
                      ? 'leaseUntil'
                      : undefined
  if (bad !== undefined)
    throw new MeshError('WIRE_INVALID', `run order of ${String(order.session)}: "${bad}" is not valid`)
}

/** NUL ends a string for the OS: a text with one in it would be cut short silently. */
function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string' && !text.includes('\0'))
}

function isTerminal(value: unknown): boolean {
  const { columns, rows, required } = (value ?? {}) as Record<string, unknown>
  return isExtent(columns) && isExtent(rows) && typeof required === 'boolean'
}

function isDisplay(value: unknown): boolean {
  const { width, height } = (value ?? {}) as Record<string, unknown>
  return [width, height].every(
    (side) => Number.isSafeInteger(side) && (side as number) >= 1 && (side as number) <= DISPLAY_MAX
  )
}

export function isExtent(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= TERMINAL_MAX
}

function isBlob(value: unknown): boolean {
  const blob = value as { hash?: unknown; bytes?: unknown } | null
  return (
    typeof blob === 'object' &&
    blob !== null &&
    typeof blob.hash === 'string' &&
    /^[0-9a-f]{64}$/.test(blob.hash) &&
    Number.isSafeInteger(blob.bytes)
  )
}
