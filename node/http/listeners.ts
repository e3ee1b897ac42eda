/**
 * Servers with bounds: sizes and times of a request, connections in all and from one address. A server is the app's only
 * way to the network; which door a request came in by is known from it, not from anything the request says.
 */
import { createServer as createHttp } from 'node:http'
import type { IncomingMessage, Server as HttpServer, ServerOptions } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { MeshError } from '../../protocols/errors.ts'
import type { Log } from '../../protocols/ports.ts'
import type { App, Door } from './context.ts'

export interface TlsFiles {
  key: string
  cert: string
  /** Sent along, so that a person can compare and take it. */
  ca: string
}

const CONNECTIONS_MAX = 1000
const CONNECTIONS_PER_ADDRESS_MAX = 200
/** Nothing moves on a connection for this long: it ends. Streams that may be quiet lift it for themselves. */
const IDLE_MS = 120_000
/** Ports that are looked at after a default port that is taken. */
const PORTS_TRIED = 100

const LIMITS: ServerOptions = {
  maxHeaderSize: 16 << 10,
  headersTimeout: 10_000,
  /** A blob of 257 MiB over slow Wi-Fi. JSON bodies have their own, shorter time (guard.ts). */
  requestTimeout: 900_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 5_000
}

const doors = new WeakMap<IncomingMessage, Door>()

/** The door of a request; one that came by none of ours is trusted least. */
export const doorOf = (request: IncomingMessage): Door => doors.get(request) ?? 'https'

export class Listener {
  readonly server: HttpServer | HttpsServer
  readonly #sockets = new Set<Socket>()

  constructor(app: App, door: Door, server: HttpServer | HttpsServer) {
    this.server = server
    server.maxConnections = CONNECTIONS_MAX
    server.setTimeout(IDLE_MS)
    server.on('connection', (socket: Socket) => this.#admit(socket, door))
    server.on('request', (request, response) => {
      doors.set(request, door)
      app.routing(request, response)
    })
    server.on('upgrade', (request: IncomingMessage, socket, head) => {
      doors.set(request, door)
      // The WebSocket plugin listens on the app's own server, which itself listens nowhere.
      app.server.emit('upgrade', request, socket, head)
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
      // A browser opens connections ahead of need: an answer to one that stayed silent would be read as the answer to its
      // first request. A closed one is opened again.
      if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return socket.destroy()
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    })
  }

  /** Ends the connections, too. */
  close(): Promise<void> {
    return new Promise((done) => {
      this.server.close(() => done())
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  #admit(socket: Socket, door: Door): void {
    // A reset before anybody listens must not end the process.
    socket.on('error', () => socket.destroy())
    if (door !== 'local' && this.#countOf(socket.remoteAddress) >= CONNECTIONS_PER_ADDRESS_MAX) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #countOf(address: string | undefined): number {
    let count = 0
    for (const socket of this.#sockets) if (socket.remoteAddress === address) count++
    return count
  }
}

export const createHttpServer = () => createHttp(LIMITS)

/** TLS 1.3 with the certificate that `tls` gives at the moment of each connection. */
export function createHttpsServer(tls: () => TlsFiles, log: Log): HttpsServer {
  let current = tls()
  const contextOf = ({ key, cert, ca }: TlsFiles) => ({
    key,
    cert: cert.includes(ca.trim()) ? cert : `${cert.trim()}\n${ca.trim()}\n`,
    minVersion: 'TLSv1.3' as const
  })
  const server = createHttps({
    ...LIMITS,
    ...contextOf(current),
    handshakeTimeout: 10_000,
    ALPNProtocols: ['http/1.1']
  })
  server.prependListener('connection', () => {
    const next = tls()
    if (next.cert === current.cert) return
    try {
      server.setSecureContext(contextOf(next))
      log.info('certificate renewed')
    } catch (error) {
      log.error('renewed certificate not usable, the old one stays', { error: String(error) })
    }
    current = next
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

export interface AskedPort {
  port: number
  isDefault: boolean
  setting: string
}

/**
 * Listens on one port at all the hosts; `undefined` is every interface. A host that this PC does not have is left out
 * unless it is the only one. Rejects PORT_TAKEN when the user asked for the port.
 */
export async function listenTcp(
  asked: AskedPort,
  doors: { listener: Listener; host: string | undefined }[],
  log: Log
): Promise<number> {
  const last = asked.isDefault ? Math.min(65_535, asked.port + PORTS_TRIED) : asked.port
  for (let port = asked.port; port <= last; port++) {
    const taken = await listenAll(port, doors)
    if (taken !== undefined) {
      if (port !== asked.port)
        log.warn('default port taken, moved', { setting: asked.setting, from: asked.port, to: taken })
      return taken
    }
  }
  const tried = asked.isDefault ? `ports ${asked.port} to ${last} are` : `port ${asked.port} is`
  throw new MeshError('PORT_TAKEN', `${tried} taken by another program; set ${asked.setting} to a free one`)
}

/** The port, or undefined when it is taken at one of the hosts. */
async function listenAll(
  port: number,
  doors: { listener: Listener; host: string | undefined }[]
): Promise<number | undefined> {
  let actual = port
  const open: Listener[] = []
  for (const { listener, host } of doors) {
    try {
      await listenOne(listener.server, actual, host)
      open.push(listener)
      const address = listener.server.address()
      if (typeof address === 'object' && address !== null) actual = address.port
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const isAbsent = code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
      if (isAbsent && open.length > 0) continue
      await Promise.all(open.map((other) => other.close()))
      if (code === 'EADDRINUSE') return undefined
      throw refused(error as NodeJS.ErrnoException, port, host)
    }
  }
  return actual
}

function listenOne(server: HttpServer, port: number, host: string | undefined): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.listen({ port, host }, () => {
      server.off('error', fail)
      // Too many open files, say: the one connection is lost, the door stays.
      server.on('error', () => {})
      done()
    })
  })
}

function refused(error: NodeJS.ErrnoException, port: number, host: string | undefined): MeshError {
  if (error.code === 'EACCES')
    return new MeshError('PORT_TAKEN', `port ${port} needs rights that this user does not have; set one above 1023`)
  return new MeshError('BAD_REQUEST', `cannot listen on ${host ?? 'all interfaces'}, port ${port}: ${error.message}`)
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address)
}
