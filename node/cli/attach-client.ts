/**
 * The command's end of a session: its output to our stdout and stderr, our stdin and Ctrl-C to it; of a terminal, the whole
 * terminal. When the peer that serves us goes away for a moment, the output goes on from where it stopped.
 */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { MeshError } from '../../protocols/errors.ts'
import type { MeshErrorCode } from '../../protocols/errors.ts'
import { decodeServerFrame, encodeClientFrame } from '../http/attach-wire.ts'
import type { ClientFrame, ServerFrame, SignalName } from '../http/attach-wire.ts'
import type { SessionView } from '../http/views.ts'
import type { Client } from './client.ts'
import { DetachKeys } from './detach-keys.ts'
import { LocalTerminal, localSize } from './local-terminal.ts'

/** How long a lost peer may take to come back before the command gives up watching. */
const RECONNECT_MS = 30_000
const STDIN_CHUNK = 32 << 10
/** Read ahead of what the session takes. */
const STDIN_AHEAD = 256 << 10
/** A second Ctrl-C within this time means it. */
const INSIST_MS = 2_000

export interface AttachOptions {
  stdin: boolean
  /** Of a terminal: the keys that leave it. */
  detachKeys?: Uint8Array
  /** Of a terminal: begin with what it shows. */
  screen?: boolean
  onProgress(text: string): void
}

/** Resolves to the session's final record after its last output was written; undefined: the person has detached. */
export async function attachSession(
  client: Client,
  id: string,
  options: AttachOptions
): Promise<SessionView | undefined> {
  const line = new Line(client, id, options)
  const release = forwardSignals((name) => {
    // The window of a terminal was closed; the session outlives it.
    if (name === 'HUP' && options.detachKeys !== undefined) line.detach()
    else line.send({ kind: 'signal', name })
  })
  try {
    return await line.run()
  } finally {
    release()
    line.close()
  }
}

class Line {
  readonly #client: Client
  readonly #id: string
  readonly #options: AttachOptions
  #socket: WebSocket | undefined
  #offset = 0
  #credit = 0
  readonly #terminal = new LocalTerminal(() => this.#tellSize())
  readonly #keys: DetachKeys | undefined
  readonly #detached: Promise<undefined>
  #detach: () => void = () => {}
  /** Typed or piped, and not sent yet. */
  #input: Uint8Array[] = []
  #inputBytes = 0
  /** Sent, and not known to be taken: sent again when the peer that had it is gone. */
  #unconfirmed: Uint8Array[] = []
  #granted = false
  #inputEnded = false
  #stdinStarted = false
  #closed = false

  constructor(client: Client, id: string, options: AttachOptions) {
    this.#client = client
    this.#id = id
    this.#options = options
    this.#detached = new Promise((resolve) => (this.#detach = () => resolve(undefined)))
    const { detachKeys } = options
    if (detachKeys !== undefined)
      this.#keys = new DetachKeys(
        detachKeys,
        (bytes) => this.#queue(bytes),
        () => this.detach()
      )
  }

  async run(): Promise<SessionView | undefined> {
    return await Promise.race([this.#run(), this.#detached])
  }

  /** Leaves the session to itself. */
  detach(): void {
    this.#detach()
  }

  /** The terminal is the person's again. */
  close(): void {
    this.#closed = true
    this.#socket?.terminate()
    this.#terminal.leave()
    if (this.#stdinStarted) process.stdin.pause()
  }

  async #run(): Promise<SessionView | undefined> {
    let lostAt: number | undefined
    let backAt = -Infinity
    while (!this.#closed) {
      try {
        return await this.#once(() => {
          if (lostAt !== undefined) backAt = Date.now()
          lostAt = undefined
        })
      } catch (error) {
        // A peer that has just come back does not see the others yet.
        const isEarly = Date.now() - backAt < RECONNECT_MS
        if (error instanceof MeshError && !(isEarly && error.code === 'PEER_UNREACHABLE')) throw error
        if (!(error instanceof MeshError)) lostAt ??= Date.now()
        if (lostAt !== undefined && Date.now() - lostAt > RECONNECT_MS) {
          const text = `the peer on this PC went away; session ${this.#id.slice(0, 8)} goes on: see \`omega logs -f ${this.#id.slice(0, 8)}\``
          throw new MeshError('PEER_UNREACHABLE', text, { cause: error })
        }
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
    }
    return undefined
  }

  send(frame: ClientFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encodeClientFrame(frame))
  }

  async #once(connected: () => void): Promise<SessionView> {
    const wantsStdin = this.#options.stdin
    const { url, options } = this.#client.webSocket(
      `/api/v1/sessions/${this.#id}/attach?from=${this.#offset}&stdin=${wantsStdin ? 1 : 0}&screen=${this.#options.screen === true ? 1 : 0}`
    )
    const socket = new WebSocket(url, { ...options, perMessageDeflate: false })
    this.#socket = socket
    this.#credit = 0
    return await new Promise<SessionView>((resolve, reject) => {
      let writing = Promise.resolve()
      socket.once('open', () => {
        connected()
        this.#tellSize()
        if (wantsStdin && !this.#stdinStarted) this.#readStdin()
      })
      socket.on('message', (data: Buffer) => {
        const frame = decodeServerFrame(data)
        if (frame.kind === 'output') writing = writing.then(() => this.#write(frame))
        else if (frame.kind === 'size') writing = writing.then(() => this.#sized(frame))
        else if (frame.kind === 'credit') this.#grant(frame.bytes)
        else if (frame.kind === 'progress') this.#options.onProgress(frame.text)
        else if (frame.kind === 'final') void writing.then(() => resolve(frame.session))
        else void writing.then(() => reject(new MeshError(frame.error.code as MeshErrorCode, frame.error.message)))
      })
      socket.once('error', reject)
      // What may be sent is said anew to who comes again.
      socket.once('close', () => this.#takeBack())
      socket.once('close', () => reject(new Error('the connection to the peer closed')))
    }).finally(() => socket.terminate())
  }

  async #write(frame: ServerFrame & { kind: 'output' }): Promise<void> {
    const stream = frame.stream === 1 ? process.stdout : process.stderr
    this.#terminal.shown(frame.bytes)
    if (!stream.write(frame.bytes)) await once(stream, 'drain').catch(() => {})
    this.#offset = frame.offset
    this.send({ kind: 'ack', bytes: frame.bytes.length })
  }

  /** The program has a terminal, so from here on it has this one. */
  #sized({ offset, fresh }: ServerFrame & { kind: 'size' }): void {
    if (this.#closed) return
    this.#terminal.enter()
    if (fresh) this.#terminal.clear()
    this.#offset = offset
  }

  #tellSize(): void {
    const size = this.#keys === undefined ? undefined : localSize()
    if (size !== undefined) this.send({ kind: 'size', ...size })
  }

  #takeBack(): void {
    this.#credit = 0
    this.#granted = false
    for (const part of this.#unconfirmed) this.#inputBytes += part.length
    this.#input.unshift(...this.#unconfirmed.splice(0))
  }

  /** The first grant is the window; each one after it says that so much was taken. */
  #grant(bytes: number): void {
    this.#credit += bytes
    for (let left = this.#granted ? bytes : 0; left > 0 && this.#unconfirmed[0] !== undefined;) {
      const first = this.#unconfirmed[0]
      if (first.length <= left) this.#unconfirmed.shift()
      else this.#unconfirmed[0] = first.subarray(left)
      left -= first.length
    }
    this.#granted = true
    this.#sendInput()
  }

  #readStdin(): void {
    this.#stdinStarted = true
    const { stdin } = process
    stdin.on('data', (chunk: Buffer | string) => {
      const bytes = Buffer.from(chunk as Buffer)
      if (this.#keys !== undefined && this.#terminal.entered) this.#keys.typed(bytes)
      else this.#queue(bytes)
    })
    // A terminal that went away is the end of the input.
    for (const event of ['end', 'error'] as const)
      stdin.once(event, () => {
        this.#inputEnded = true
        this.#sendInput()
      })
  }

  #queue(bytes: Uint8Array): void {
    this.#input.push(bytes)
    this.#inputBytes += bytes.length
    if (this.#inputBytes > STDIN_AHEAD) process.stdin.pause()
    this.#sendInput()
  }

  #sendInput(): void {
    while (this.#input.length > 0 && this.#credit > 0) {
      const first = this.#input[0]!
      const part = first.subarray(0, Math.min(STDIN_CHUNK, this.#credit))
      this.#credit -= part.length
      this.#inputBytes -= part.length
      if (part.length < first.length) this.#input[0] = first.subarray(part.length)
      else this.#input.shift()
      this.#unconfirmed.push(part)
      this.send({ kind: 'stdin', bytes: part })
    }
    if (this.#inputBytes <= STDIN_AHEAD && process.stdin.isPaused() && !this.#closed) process.stdin.resume()
    if (!this.#inputEnded || this.#input.length > 0 || this.#credit === 0) return
    this.#inputEnded = false
    this.send({ kind: 'endStdin' })
  }
}

/** Ctrl-C goes to the program; a second one soon after is meant for good; a third ends the command itself. */
function forwardSignals(send: (name: SignalName) => void): () => void {
  let lastAt = 0
  let count = 0
  const onInt = (): void => {
    count = Date.now() - lastAt < INSIST_MS ? count + 1 : 1
    lastAt = Date.now()
    if (count >= 3) process.exit(130)
    send(count === 1 ? 'INT' : 'KILL')
  }
  const onTerm = (): void => send('TERM')
  const onHup = (): void => send('HUP')
  process.on('SIGINT', onInt)
  process.on('SIGTERM', onTerm)
  process.on('SIGHUP', onHup)
  return () => {
    process.off('SIGINT', onInt)
    process.off('SIGTERM', onTerm)
    process.off('SIGHUP', onHup)
  }
}
