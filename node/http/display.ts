/**
 * `/api/v1/sessions/{id}/display`: the windows of a session over a WebSocket, as the bytes of RFB (RFC 6143), for noVNC
 * or any other client that speaks it. Nothing is read from the display that the browser has not room for.
 */
import type { RawData, WebSocket } from 'ws'
import type { z } from 'zod'
import { MeshError } from '../../protocols/errors.ts'
import type { DisplayLine } from './api.ts'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { describeOrLog } from './errors.ts'
import { keepAlive } from './heartbeat.ts'
import { SessionIdParam } from './schemas.ts'
import { mustDrive } from './session-routes.ts'

/** On the way to the browser: two full updates of a large window. */
const WINDOW_BYTES = 1 << 20
/** Of keys, the pointer and pasted text, before the display takes them. */
const INPUT_MAX_BYTES = 1 << 20
/** Why it was closed, as text; a WebSocket takes 123 bytes. */
const REASON_MAX = 120

export function displayRoute(app: App, { api, log }: Context): void {
  app.get(
    '/api/v1/sessions/:id/display',
    { websocket: true, config: { access: 'user' }, schema: { params: SessionIdParam } },
    (socket, request) => {
      const { id } = request.params as z.infer<typeof SessionIdParam>
      const principal = who(request)
      const open = async (): Promise<DisplayLine> => {
        const session = await api.session(id)
        mustDrive(session, principal, 'look at')
        return await api.display(session.id)
      }
      keepAlive(socket)
      show(socket, open).then(
        () => socket.close(1000, 'the display has ended'),
        (error: unknown) => {
          const { message } = describeOrLog(error, log, `display of session ${id}`)
          socket.close(4000, Buffer.from(message).subarray(0, REASON_MAX).toString())
        }
      )
    }
  )
}

/** Resolves when the display or the socket is gone. */
async function show(socket: WebSocket, open: () => Promise<DisplayLine>): Promise<void> {
  let waiting = 0
  let line: DisplayLine | undefined
  let fail: (error: MeshError) => void = () => {}
  const broken = new Promise<never>((_, reject) => (fail = reject))
  broken.catch(() => {})
  let taking: Promise<unknown> = open().then((opened) => (line = opened))
  const opened = taking
  socket.on('message', (data: RawData) => {
    const bytes = data as Buffer
    waiting += bytes.length
    if (waiting > INPUT_MAX_BYTES) return fail(new MeshError('WIRE_LIMIT', 'the display takes no more input for now'))
    taking = taking.then(() => line!.write(bytes)).then(() => (waiting -= bytes.length))
    taking.catch(() => {})
  })
  socket.on('close', () => line?.close())
  try {
    await Promise.race([opened, broken])
    if (socket.readyState !== socket.OPEN) return
    await Promise.race([sendAll(socket, line!), broken])
  } finally {
    line?.close()
  }
}

async function sendAll(socket: WebSocket, line: DisplayLine): Promise<void> {
  for await (const bytes of line.source) {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount < WINDOW_BYTES) socket.send(bytes)
    else await new Promise((resolve) => socket.send(bytes, resolve))
  }
}
