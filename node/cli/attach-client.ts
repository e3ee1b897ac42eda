/**
 * The command's end of a session: its output to our stdout and stderr, our stdin and Ctrl-C to it. When the peer that
 * serves us goes away for a moment, the output goes on from where it stopped.
 */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { MeshError } from '../../protocols/errors.ts'
import type { MeshErrorCode } from '../../protocols/errors.ts'
import { decodeServerFrame, encodeClientFrame } from '../http/attach-wire.ts'
import type { ClientFrame, ServerFrame, SignalName } from '../http/attach-wire.ts'
import type { SessionView } from '../http/views.ts'
import type { Client } from './client.ts'

/** How long a lost peer may take to come back before the command gives up watching. */
const RECONNECT_MS = 30_000
const STDIN_CHUNK = 32 << 10
/** A second Ctrl-C within this time means it. */
const INSIST_MS = 2_000

export interface AttachOptions {
  stdin: boolean
  onProgress(text: string): void
}

/** Resolves to the session's final record after its last output was written. */
export async function attachSession(client: Client, id: string, options: AttachOptions): Promise<SessionView> {
  const line = new Line(client, id, options)
  const release = forwardSignals((name) => line.send({ kind: 'signal', name }))
  try {
    return await line.run()
  } finally {
    release()
  }
}

class Line {
  readonly #client: Client
  readonly #id: string
  readonly #options: AttachOptions
  #socket: WebSocket | undefined
  #offset = 0
  #credit = 0
  #creditCame: (() => void) | undefined
  #stdinStarted = false

  constructor(client: Client, id: string, options: AttachOptions) {
    this.#client = client
    this.#id = id
    this.#options = options
  }

  async run(): Promise<SessionView> {
    let lostAt: number | undefined
    for (;;) {
      try {
        return await this.#once(() => (lostAt = undefined))
      } catch (error) {
        if (error instanceof MeshError) throw error
        lostAt ??= Date.now()
        if (Date.now() - lostAt > RECONNECT_MS) {
          const text = `the peer on this PC went away; session ${this.#id.slice(0, 8)} goes on: see \`omega logs -f ${this.#id.slice(0, 8)}\``
          throw new MeshError('PEER_UNREACHABLE', text, { cause: error })
        }
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
    }
  }

  send(frame: ClientFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encodeClientFrame(frame))
  }

  async #once(connected: () => void): Promise<SessionView> {
    const wantsStdin = this.#options.stdin
    const { url, options } = this.#client.webSocket(
      `/api/v1/sessions/${this.#id}/attach?from=${this.#offset}&stdin=${wantsStdin ? 1 : 0}`
    )
    const socket = new WebSocket(url, { ...options, perMessageDeflate: false })
    this.#socket = socket
    this.#credit = 0
    return await new Promise<SessionView>((resolve, reject) => {
      let writing = Promise.resolve()
      socket.once('open', () => {
        connected()
        if (wantsStdin && !this.#stdinStarted) {
          this.#stdinStarted = true
          void this.#pumpStdin()
        }
      })
      socket.on('message', (data: Buffer) => {
        const frame = decodeServerFrame(data)
        if (frame.kind === 'output') writing = writing.then(() => this.#write(frame))
        else if (frame.kind === 'credit') this.#grant(frame.bytes)
        else if (frame.kind === 'progress') this.#options.onProgress(frame.text)
        else if (frame.kind === 'final') void writing.then(() => resolve(frame.session))
        else void writing.then(() => reject(new MeshError(frame.error.code as MeshErrorCode, frame.error.message)))
      })
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the connection to the peer closed')))
    }).finally(() => socket.terminate())
  }

  async #write(frame: ServerFrame & { kind: 'output' }): Promise<void> {
    const stream = frame.stream === 1 ? process.stdout : process.stderr
    if (!stream.write(frame.bytes)) await once(stream, 'drain').catch(() => {})
    this.#offset = frame.offset
    this.send({ kind: 'ack', bytes: frame.bytes.length })
  }

  #grant(bytes: number): void {
    this.#credit += bytes
    this.#creditCame?.()
  }

  async #pumpStdin(): Promise<void> {
    try {
      for await (const chunk of process.stdin) {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
        for (let at = 0; at < bytes.length;) {
          while (this.#credit === 0) await new Promise<void>((resolve) => (this.#creditCame = resolve))
          const part = bytes.subarray(at, at + Math.min(STDIN_CHUNK, this.#credit))
          this.#credit -= part.length
          at += part.length
          this.send({ kind: 'stdin', bytes: part })
        }
      }
    } catch {
      // A terminal that went away is the end of the input.
    }
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
