/**
 * The one door of a simulated mesh: plain HTTP on loopback, with the login and the guard of a real peer, since other users of
 * this PC are no guests either. A link that signs in once is printed; the password beside it lets in again.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../../protocols/ports.ts'
import { buildApp } from '../../node/http/app.ts'
import type { App, Context } from '../../node/http/context.ts'
import { createHttpServer, doorOf, Listener, listenTcp } from '../../node/http/listeners.ts'
import type { Simulation } from '../../node/http/simulation-routes.ts'
import { createSecurity } from '../../node/security/people.ts'
import type { SimApi } from './sim-api.ts'

/** Not `localhost`: there the browser keeps the login of a real peer, under the same name. */
const HOST = '127.0.0.1'
export const USER = 'you'

export interface SimDoor {
  url: string
  /** Signs in, once, for some minutes. */
  link: string
  password: string
  close(): Promise<void>
}

export interface SimDoorOptions {
  api: SimApi
  simulation: Simulation
  /** 0 takes any. */
  port: number
  /** Nobody asked for this port: the next free one will do. */
  portIsDefault: boolean
  uiDir: string
  log: Log
  version: string
}

/** Rejects PORT_TAKEN. */
export async function openDoor(options: SimDoorOptions): Promise<SimDoor> {
  const { api, simulation, log, version } = options
  const security = createSecurity({ api, log, now: Date.now })
  let url = ''
  const context: Context = { api, log, version, security, now: Date.now, urls: () => [url], simulation }
  const app: App = await buildApp(context, {
    uiDir: options.uiDir,
    hostNames: () => [],
    ca: () => '',
    doorOf,
    localSecret: null
  })
  const listener = new Listener(app, 'loopback', createHttpServer())
  const asked = { port: options.port, isDefault: options.portIsDefault, setting: '--port' }
  const port = await listenTcp(asked, [{ listener, host: HOST }], log)
  url = `http://${HOST}:${port}`

  const password = randomBytes(9).toString('base64url')
  const user = await security.accounts.createFirst(USER, password)
  const login = security.logins.find(await security.logins.open(user, 'the link in the terminal'))!
  const link = `${url}/#${new URLSearchParams({ handover: security.handover.issue(login), route: '/' }).toString()}`
  const close = async (): Promise<void> => {
    await app.close()
    await listener.close()
  }
  return { url, link, password, close }
}
