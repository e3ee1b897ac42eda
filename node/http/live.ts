/** `/api/v1/live`: the whole of what the page draws, then what changed, over a WebSocket. */
import type { App, Context } from './context.ts'
import { keepAlive } from './heartbeat.ts'
import { LiveHub } from './live-hub.ts'

/** A `resync` is 14 bytes; whoever sends more is no page. */
const MESSAGE_MAX = 256

export function liveRoute(app: App, context: Context): void {
  const hub = new LiveHub(context)
  app.addHook('preClose', async () => hub.stop())
  app.get('/api/v1/live', { websocket: true, config: { access: 'viewer' } }, (socket, request) => {
    keepAlive(socket)
    const client = hub.add(socket, request.login)
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary || data.length > MESSAGE_MAX || data.toString() !== '{"t":"resync"}')
        socket.close(1008, 'only {"t":"resync"} is taken')
      else client.resync()
    })
    socket.on('close', () => hub.remove(client))
  })
}
