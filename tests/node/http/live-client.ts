/** A page's line to `/api/v1/live`, for tests: messages in order, each waited for. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type { Json, TestDoors } from './open-doors.ts'

export interface LiveLine {
  socket: WebSocket
  /** The next message; rejects when the line closes before one comes. */
  next(): Promise<Json>
  /** The next message that fits; others are passed over. */
  until(fits: (message: Json) => boolean): Promise<Json>
  closed: Promise<{ code: number; reason: string }>
}

export async function openLive(doors: TestDoors, headers: Record<string, string>): Promise<LiveLine> {
  const socket = socketTo(doors, '/api/v1/live', headers)
  const waiting: { done: (message: unknown) => void; fail: (error: Error) => void }[] = []
  const arrived: unknown[] = []
  socket.on('message', (data) => {
    const message = JSON.parse(String(data))
    const first = waiting.shift()
    if (first === undefined) arrived.push(message)
    else first.done(message)
  })
  const closed = new Promise<{ code: number; reason: string }>((done) =>
    socket.once('close', (code, reason) => {
      done({ code, reason: String(reason) })
      for (const one of waiting.splice(0)) one.fail(new Error(`closed with ${code} ${String(reason)}`))
    })
  )
  const next = () =>
    arrived.length > 0
      ? Promise.resolve(arrived.shift())
      : new Promise<unknown>((done, fail) => waiting.push({ done, fail }))
  const until = async (fits: (message: Json) => boolean) => {
    for (;;) {
      const message = await next()
      if (fits(message)) return message
    }
  }
  await once(socket, 'open')
  return { socket, next, until, closed }
}

export function socketTo(doors: TestDoors, path: string, headers: Record<string, string>): WebSocket {
  const origin = headers.origin ?? doors.httpsOrigin
  return new WebSocket(`wss://localhost:${doors.doors.ports.https}${path}`, {
    ca: doors.ca,
    headers: { ...headers, origin }
  })
}

/** As the PC's own user. `ws` forgets a `socketPath` of its options; a connection made for it, it takes. */
export function localSocketTo(doors: TestDoors, path: string): WebSocket {
  return new WebSocket(`ws://localhost${path}`, { createConnection: () => connect(doors.doors.socketPath) })
}
