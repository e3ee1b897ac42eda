/**
 * As much of the X11 protocol (X.Org, "X Window System Protocol", version 11) as it takes to hear how many windows the
 * window manager of a display looks after: connection setup with a cookie, InternAtom, GetProperty and PropertyNotify.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { MeshError } from '../../../protocols/errors.ts'

const REQUEST = { changeAttributes: 2, internAtom: 16, getProperty: 20 } as const
const ERROR = 0
const REPLY = 1
const PROPERTY_NOTIFY = 28
/** Of ChangeWindowAttributes: the event mask; and in it, changes of properties. */
const EVENT_MASK = 0x800
const PROPERTY_CHANGE = 0x400000
/** Errors, events and the first part of a reply have this size. */
const UNIT_BYTES = 32
/** A list of windows that is longer is no program's. */
const REPLY_MAX_BYTES = 1 << 20
export const COOKIE_BYTES = 16
const COOKIE_NAME = 'MIT-MAGIC-COOKIE-1'

/** An Xauthority file with that cookie for every display: family "wild", no address, no number. */
export function authorityFile(cookie: Uint8Array): Buffer {
  const field = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const none = field(Buffer.alloc(0))
  return Buffer.concat([Buffer.from([0xff, 0xff]), none, none, field(Buffer.from(COOKIE_NAME)), field(cookie)])
}

export interface WindowWatch {
  /** How many windows there are now. */
  readonly windows: number
  close(): void
}

/**
 * Calls `onChange` with the number of windows, at once and whenever it changes. `socket`: path of the display's socket.
 * Rejects HOST_FAILED when the display does not let us in.
 */
export async function watchWindows(
  socket: string,
  cookie: Uint8Array,
  onChange: (windows: number) => void
): Promise<WindowWatch> {
  const connection = connect(socket)
  const display = new Display(connection, onChange)
  await display.open(cookie)
  return display
}

class Display implements WindowWatch {
  windows = 0
  readonly #socket: Socket
  readonly #onChange: (windows: number) => void
  #bytes = Buffer.alloc(0)
  #root = 0
  #list = 0
  #opened = false
  #resolve: () => void = () => {}
  #reject: (error: MeshError) => void = () => {}

  constructor(socket: Socket, onChange: (windows: number) => void) {
    this.#socket = socket
    this.#onChange = onChange
  }

  async open(cookie: Uint8Array): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#socket.on('error', (error) => this.#fail(error.message))
    this.#socket.on('close', () => this.#fail('the display closed the connection'))
    this.#socket.on('data', (bytes: Buffer) => {
      try {
        this.#bytes = Buffer.concat([this.#bytes, bytes])
        while (this.#take());
      } catch (error) {
        this.#fail((error as Error).message)
      }
    })
    this.#socket.write(setup(cookie))
    await done
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(why: string): void {
    this.#reject(new MeshError('HOST_FAILED', `the windows of the display cannot be watched: ${why}`))
    this.#socket.destroy()
  }

  /** Takes one message off the bytes that have come; false when none is whole. */
  #take(): boolean {
    const size = this.#opened ? this.#messageBytes() : this.#setupBytes()
    if (size === undefined || this.#bytes.length < size) return false
    const message = this.#bytes.subarray(0, size)
    this.#bytes = this.#bytes.subarray(size)
    if (!this.#opened) this.#begin(message)
    else this.#message(message)
    return true
  }

  #setupBytes(): number | undefined {
    return this.#bytes.length < 8 ? undefined : 8 + 4 * this.#bytes.readUInt16LE(6)
  }

  #messageBytes(): number | undefined {
    if (this.#bytes.length < UNIT_BYTES) return undefined
    const extra = this.#bytes[0] === REPLY ? 4 * this.#bytes.readUInt32LE(4) : 0
    if (extra > REPLY_MAX_BYTES) throw new Error(`a reply of ${extra} bytes`)
    return UNIT_BYTES + extra
  }

  #begin(message: Buffer): void {
    if (message[0] !== 1) throw new Error(message.subarray(8, 8 + message[1]!).toString('latin1'))
    const vendorBytes = message.readUInt16LE(8 + 16)
    const formats = message[8 + 21]!
    this.#root = message.readUInt32LE(8 + 32 + padded(vendorBytes) + 8 * formats)
    this.#opened = true
    this.#socket.write(internAtom('_NET_CLIENT_LIST'))
  }

  #message(message: Buffer): void {
    switch (message[0]) {
      case ERROR:
        throw new Error(`error ${message[1]} of the display`)
      case REPLY:
        if (this.#list === 0) return this.#named(message.readUInt32LE(8))
        return this.#counted(message.readUInt32LE(16))
      case PROPERTY_NOTIFY:
        if (message.readUInt32LE(8) === this.#list) this.#socket.write(getProperty(this.#root, this.#list))
    }
  }

  #named(atom: number): void {
    this.#list = atom
    this.#socket.write(Buffer.concat([watchProperties(this.#root), getProperty(this.#root, atom)]))
  }

  #counted(windows: number): void {
    this.windows = windows
    this.#resolve()
    this.#onChange(windows)
  }
}

const padded = (bytes: number): number => (bytes + 3) & ~3

function setup(cookie: Uint8Array): Buffer {
  const head = Buffer.alloc(12)
  head.write('l', 0) // little-endian
  head.writeUInt16LE(11, 2)
  head.writeUInt16LE(COOKIE_NAME.length, 6)
  head.writeUInt16LE(cookie.length, 8)
  const name = Buffer.alloc(padded(COOKIE_NAME.length))
  name.write(COOKIE_NAME, 'latin1')
  const data = Buffer.alloc(padded(cookie.length))
  data.set(cookie)
  return Buffer.concat([head, name, data])
}

function request(opcode: number, words: readonly number[], text = ''): Buffer {
  const bytes = Buffer.alloc(4 + 4 * words.length + padded(text.length))
  bytes[0] = opcode
  bytes.writeUInt16LE(bytes.length / 4, 2)
  words.forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 + 4 * i))
  bytes.write(text, 4 + 4 * words.length, 'latin1')
  return bytes
}

const internAtom = (name: string): Buffer => request(REQUEST.internAtom, [name.length], name)
const watchProperties = (window: number): Buffer =>
  request(REQUEST.changeAttributes, [window, EVENT_MASK, PROPERTY_CHANGE])
/** Of any type, from its beginning, at most 1,024 words. */
const getProperty = (window: number, property: number): Buffer =>
  request(REQUEST.getProperty, [window, property, 0, 0, 1024])
