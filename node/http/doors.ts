/**
 * The doors of a peer: HTTPS for all, http://localhost for the PC itself, the local socket for its own user. One app
 * behind the three. Garbage on a port is answered or dropped; the number and pace of connections is bounded.
 */
import type { Server as HttpServer } from 'node:http'
import { isIP } from 'node:net'
import { MeshError } from '../../protocols/errors.ts'
import type { Log } from '../../protocols/ports.ts'
import { isLanAddress } from '../security/mesh-ca.ts'
import { createSecurity } from '../security/people.ts'
import type { Argon2Cost, RateLimits } from '../security/people.ts'
import type { PeerApi } from './api.ts'
import { buildApp } from './app.ts'
import { firstRunLink } from './auth-routes.ts'
import type { Context, Door } from './context.ts'
import { createHttpServer, createHttpsServer, doorOf, isLoopback, Listener, listenTcp } from './listeners.ts'
import type { TlsFiles } from './listeners.ts'
import { listenLocal, localSecret, localSocketPath } from './local-socket.ts'

export { localSocketPath } from './local-socket.ts'

export interface DoorsOptions {
  api: PeerApi
  dataDir: string
  /** The built page. */
  uiDir: string
  /** OMEGA_PORT; 0 takes any. */
  port: number
  /** OMEGA_BIND: an address; '' is all interfaces. */
  bind: string
  /** OMEGA_LOCAL_PORT; 0 takes any. */
  localPort: number
  /** Default: localSocketPath(dataDir). */
  socketPath?: string
  /** PEM, asked at each new connection: a renewed certificate is used from then on. */
  tls: () => TlsFiles
  tlsEnabled: boolean
  log: Log
  version: string
  /** Names and addresses of this PC, as a browser may have them. Asked at each request. */
  hostNames: () => string[]
  /** True where nobody set the port: when it is taken, the next free one is used. */
  defaultPorts: { port: boolean; localPort: boolean }
  now?: () => number
  /** For tests and slow PCs. */
  argon2?: Argon2Cost
  rates?: RateLimits
}

export interface Doors {
  /** http://localhost first, then HTTPS by each address and name of this PC, the one that most others can use first. */
  urls(): string[]
  readonly socketPath: string
  readonly ports: { https: number; local: number }
  /** One-time link to make the first account; null when there is an account. */
  firstRunLink(): string | null
  close(): Promise<void>
}

/** Opens all doors or none. Rejects PORT_TAKEN, STORE_LOCKED (local socket), BAD_REQUEST (plain HTTP beyond this PC). */
export async function createDoors(options: DoorsOptions): Promise<Doors> {
  const { api, log, tlsEnabled, bind } = options
  if (!tlsEnabled && !isLoopback(bind))
    throw new MeshError(
      'BAD_REQUEST',
      `OMEGA_TLS_ENABLED=false needs OMEGA_BIND=127.0.0.1, not "${bind || 'all interfaces'}": passwords would cross the network readable`
    )
  const now = options.now ?? Date.now
  const ports = { https: 0, local: 0 }
  const urls = () => urlsOf(ports, options)
  const security = createSecurity({
    api,
    log,
    now,
    ...(options.argon2 && { argon2: options.argon2 }),
    ...(options.rates && { rates: options.rates })
  })
  const context: Context = { api, log, version: options.version, security, now, urls }
  const secret = process.platform === 'win32' ? localSecret(options.dataDir) : null
  const app = await buildApp(context, {
    uiDir: options.uiDir,
    hostNames: options.hostNames,
    ca: () => options.tls().ca,
    doorOf,
    localSecret: secret
  })
  const listeners: Listener[] = []
  const listener = (door: Door, server: HttpServer): Listener => {
    const made = new Listener(app, door, server)
    listeners.push(made)
    return made
  }
  const close = async () => {
    await app.close()
    await Promise.all(listeners.map((one) => one.close()))
  }
  try {
    const socketPath = options.socketPath ?? localSocketPath(options.dataDir)
    await listenLocal(listener('local', createHttpServer()).server, socketPath)
    const open = tlsEnabled
      ? listener('https', createHttpsServer(options.tls, log))
      : listener('loopback', createHttpServer())
    const asked = { port: options.port, isDefault: options.defaultPorts.port, setting: 'OMEGA_PORT' }
    ports.https = await listenTcp(asked, [{ listener: open, host: bind === '' ? undefined : bind }], log)
    // A browser takes either address for localhost, so the port must be ours at both.
    const loopback = ['127.0.0.1', '::1'].map((host) => ({ listener: listener('loopback', createHttpServer()), host }))
    const askedLocal = {
      port: options.localPort,
      isDefault: options.defaultPorts.localPort,
      setting: 'OMEGA_LOCAL_PORT'
    }
    ports.local = await listenTcp(askedLocal, loopback, log)
    log.info('doors open', { urls: urls(), socketPath })
    return { urls, socketPath, ports, firstRunLink: () => firstRunLink(context), close }
  } catch (error) {
    await close()
    throw error
  }
}

function urlsOf(ports: Doors['ports'], { tlsEnabled, hostNames, bind }: DoorsOptions): string[] {
  const local = `http://localhost:${ports.local}`
  if (!tlsEnabled) return [local, `http://localhost:${ports.https}`]
  const names = bind === '' || bind === '::' || bind === '0.0.0.0' ? hostNames() : [bind]
  const beyond = names.filter((name) => !isLoopback(name) && !name.startsWith('fe80:')).sort(byReach)
  const hosts = (beyond.length > 0 ? beyond : ['localhost']).map((name) => (name.includes(':') ? `[${name}]` : name))
  return [local, ...new Set(hosts.map((host) => `https://${host}:${ports.https}`))]
}

/**
 * Few homes have a DNS that knows their PCs: an IPv4 address works from any of them, a name from some. Of two alike the one
 * that the mesh's certificates may cover comes first.
 */
function byReach(a: string, b: string): number {
  const rank = (name: string) => {
    const family = isIP(name)
    if (family === 4) return isLanAddress(name) ? 0 : 1
    if (family === 6) return isLanAddress(name) ? 2 : 5
    return name.endsWith('.local') ? 3 : 4
  }
  return rank(a) - rank(b)
}
