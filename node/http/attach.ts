/**
 * `/api/v1/sessions/{id}/attach`: the terminal side of a session over a WebSocket, in the frames of attach-wire.ts.
 * Output is read from the session only while the client keeps up; stdin is taken only as fast as the program reads it.
 */
import type { RawData, WebSocket } from 'ws'
import { z } from 'zod'
import { MeshError } from '../../protocols/errors.ts'
import { decodeSize } from '../terminal-size.ts'
import type { Attachment } from './api.ts'
import {
  decodeClientFrame,
  encodeServerFrame,
  OUTPUT_WINDOW_BYTES,
  STDIN_WINDOW_BYTES,
  TERMINAL_WINDOW_BYTES
} from './attach-wire.ts'
import type { ClientFrame, ServerFrame } from './attach-wire.ts'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { describeOrLog } from './errors.ts'
import { keepAlive } from './heartbeat.ts'
import { Flag, LogOffset, SessionIdParam } from './schemas.ts'
import { mustDrive } from './session-routes.ts'

/** Frames that may come before the session is attached: a signal or two. */
const EARLY_FRAMES_MAX = 16

const AttachQuery = z.object({
  from: LogOffset,
  stdin: Flag,
  /** Of a terminal: begin with what it shows. */
  screen: Flag
})

export function attachRoute(app: App, { api, log }: Context): void {
  app.get(
    '/api/v1/sessions/:id/attach',
    { websocket: true, config: { access: 'user' }, schema: { params: SessionIdParam, querystring: AttachQuery } },
    (socket, request) => {
      const { id } = request.params as z.infer<typeof SessionIdParam>
      const { from, stdin, screen } = request.query as z.infer<typeof AttachQuery>
      const principal = who(request)
      const open = async (): Promise<Attachment> => {
        const session = await api.session(id)
        mustDrive(session, principal, 'attach to')
        if (session.terminal) line.asTerminal()
        return await api.attach(session.id, { from, follow: true, stdin, screen })
      }
      keepAlive(socket)
      const line = new AttachLine(socket, stdin)
      line.run(open).then(
        () => socket.close(1000),
        (error: unknown) => {
          line.send({ kind: 'error', error: describeOrLog(error, log, `attach to session ${id}`) })
          socket.close(1000)
        }
      )
    }
  )
}

/** One attached client. */
class AttachLine {
  readonly #socket: WebSocket
  readonly #stdin: boolean
  readonly #early: ClientFrame[] = []
  #attachment: Attachment | undefined
  /** Output bytes that the client has not yet written out. */
  #unacked = 0
  #resumeOutput: (() => void) | undefined
  /** Stdin bytes that the client may still send. */
  #credit = 0
  #window = OUTPUT_WINDOW_BYTES
  #input: Promise<void> = Promise.resolve()
  #fail: (error: unknown) => void = () => {}

  constructor(socket: WebSocket, stdin: boolean) {
    this.#socket = socket
    this.#stdin = stdin
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('close', () => {
      this.#attachment?.close()
      this.#resumeOutput?.()
    })
  }

  /** Resolves when the final record was sent, or the client is gone. Rejects with what went wrong. */
  async run(open: () => Promise<Attachment>): Promise<void> {
    const broken = new Promise<never>((_, reject) => (this.#fail = reject))
    broken.catch(() => {})
    const attachment = await Promise.race([open(), broken])
    this.#attachment = attachment
    attachment.ended.catch(() => {})
    if (!this.#isOpen()) return attachment.close()
    try {
      attachment.onProgress((text) => this.send({ kind: 'progress', text }))
      for (const frame of this.#early.splice(0)) this.#take(attachment, frame)
      if (this.#stdin) this.#grant(STDIN_WINDOW_BYTES)
      await Promise.race([this.#pump(attachment), broken])
    } finally {
      attachment.close()
    }
  }

  asTerminal(): void {
    this.#window = TERMINAL_WINDOW_BYTES
  }

  send(frame: ServerFrame): void {
    if (this.#isOpen()) this.#socket.send(encodeServerFrame(frame))
  }

  async #pump(attachment: Attachment): Promise<void> {
    for await (const { stream, bytes, offset } of attachment.output) {
      if (stream === 3) {
        const size = decodeSize(bytes)
        if (size !== undefined) this.send({ kind: 'size', offset, ...size })
        continue
      }
      this.send({ kind: 'output', stream, offset, bytes })
      this.#unacked += bytes.length
      while (this.#unacked >= this.#window && this.#isOpen()) await new Promise<void>((go) => (this.#resumeOutput = go))
      if (!this.#isOpen()) return
    }
    this.send({ kind: 'final', session: await attachment.ended })
  }

  #received(data: RawData, isBinary: boolean): void {
    // Frames may still come while the closing is under way.
    if (!this.#isOpen()) return
    try {
      if (!isBinary) throw new MeshError('WIRE_INVALID', 'attach takes binary messages only')
      const frame = decodeClientFrame(data as Buffer)
      if (frame.kind === 'ack') this.#acked(frame.bytes)
      else if (this.#attachment !== undefined) this.#take(this.#attachment, frame)
      else if (this.#early.push(frame) > EARLY_FRAMES_MAX)
        throw new MeshError('WIRE_LIMIT', `at most ${EARLY_FRAMES_MAX} frames may come before the session is attached`)
    } catch (error) {
      this.#fail(error)
    }
  }

  #acked(bytes: number): void {
    if (bytes > this.#unacked)
      throw new MeshError('WIRE_INVALID', `${bytes} bytes acknowledged, ${this.#unacked} were under way`)
    this.#unacked -= bytes
    this.#resumeOutput?.()
  }

  #take(attachment: Attachment, frame: ClientFrame): void {
    if (frame.kind === 'signal') return attachment.signal(frame.name)
    if (frame.kind === 'size') return attachment.resize(frame)
    if (!this.#stdin) throw new MeshError('BAD_REQUEST', 'this attach was opened without stdin; ask with `stdin=1`')
    if (frame.kind === 'endStdin') {
      this.#input = this.#input.then(() => attachment.endStdin())
      return
    }
    if (frame.kind !== 'stdin') return
    const { bytes } = frame
    if (bytes.length > this.#credit)
      throw new MeshError('WIRE_LIMIT', `${bytes.length} bytes of stdin came where ${this.#credit} were allowed`)
    this.#credit -= bytes.length
    this.#input = this.#input.then(() => attachment.writeStdin(bytes)).then(() => this.#grant(bytes.length))
    // A program that has closed its input goes on with its output; what was typed is lost, as in a pipe.
    this.#input = this.#input.catch(() => {})
  }

  #grant(bytes: number): void {
    this.#credit += bytes
    this.send({ kind: 'credit', bytes })
  }

  #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }
}
