/** Finds out that the other end of a WebSocket is gone when no packet says so: a ping each 15 s, the end after two lost. */
import type { WebSocket } from 'ws'

const PING_MS = 15_000

export function keepAlive(socket: WebSocket): void {
  let unanswered = 0
  const timer = setInterval(() => {
    if (unanswered++ >= 2) socket.terminate()
    else socket.ping()
  }, PING_MS)
  socket.on('pong', () => (unanswered = 0))
  socket.on('close', () => clearInterval(timer))
}
