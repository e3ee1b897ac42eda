/**
 * The one hook before every route: security headers, limits by address, Host and Origin, who is asking, and whether they
 * may enter. Paths that do not exist are held to the same rule, so that a stranger learns nothing from them.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { allowedHosts, checkHost, checkOrigin, SECURITY_HEADERS } from '../security/people.ts'
import type { Login } from '../security/people.ts'
import { mayEnter } from './access.ts'
import type { Principal } from './api.ts'
import { cookieName } from './cookie.ts'
import type { App, Context, Door } from './context.ts'
import { DoorError } from './errors.ts'
import { checkLocalCredential } from './local-socket.ts'

const URL_MAX = 2048
/** A JSON body is small: it is here soon after its head, or its sender is slow on purpose. */
const BODY_MS = 20_000
const LOCAL: Principal = { name: 'local', role: 'admin', via: 'local' }

export interface GuardOptions {
  /** Names and addresses of this PC. */
  hostNames(): string[]
  doorOf(request: IncomingMessage): Door
  /** Where the local socket's file permissions do not guard it (Windows). */
  localSecret: Buffer | null
}

export function guard(app: App, context: Context, options: GuardOptions): void {
  app.decorateRequest('door', 'https')
  app.decorateRequest('principal', null)
  app.decorateRequest('login', null)
  app.addHook('onRequest', async (request, reply) => {
    request.door = options.doorOf(request.raw)
    reply.headers(SECURITY_HEADERS)
    if (request.url.length > URL_MAX) throw new DoorError(414, 'TOO_LARGE', `a URL has at most ${URL_MAX} characters`)
    holdToBodyTime(request)
    if (request.door === 'local') enterLocal(request, reply, options.localSecret, context.now())
    else await enter(request, app, context, options)
    mustEnter(request, context)
  })
  app.setNotFoundHandler((request, reply) => {
    const message = `there is nothing at ${request.method} ${request.url.slice(0, 200)}`
    void reply.code(404).send({ error: { code: 'NOT_FOUND', message } })
  })
}

function enterLocal(request: FastifyRequest, reply: FastifyReply, secret: Buffer | null, nowMs: number): void {
  if (secret !== null) {
    const credential = /^Local (\S{1,300})$/.exec(request.headers.authorization ?? '')?.[1]
    const proof = credential === undefined ? undefined : checkLocalCredential(secret, credential, nowMs)
    if (proof === undefined) throw new DoorError(401, 'UNAUTHENTICATED', 'the local door needs the proof of its secret')
    reply.header('omega-local-proof', proof)
  }
  request.principal = LOCAL
}

async function enter(request: FastifyRequest, app: App, context: Context, options: GuardOptions): Promise<void> {
  await context.security.rates.request(request.ip)
  const hostError = checkHost(request.headers.host, allowedHosts(options.hostNames()))
  if (hostError !== undefined) throw new DoorError(421, 'MISDIRECTED', hostError)
  const token = /^Bearer ([A-Za-z0-9_-]{1,128})$/.exec(request.headers.authorization ?? '')?.[1]
  const originError = checkOrigin({
    method: request.method,
    isUpgrade: request.headers.upgrade !== undefined,
    scheme: request.door === 'https' ? 'https' : 'http',
    host: request.headers.host,
    origin: request.headers.origin,
    secFetchSite: header(request, 'sec-fetch-site'),
    bearer: token !== undefined
  })
  if (originError !== undefined) {
    context.log.warn('request from another origin refused', {
      address: request.ip,
      method: request.method,
      path: pathOf(request)
    })
    throw new DoorError(403, 'DENIED', originError)
  }
  if (token !== undefined) request.principal = context.security.tokens.find(token) ?? null
  else request.login = loginOf(request, app, context)
  if (request.login !== null) {
    const { user } = request.login
    request.principal = { name: user.name, role: user.role, via: 'browser' }
    context.security.logins.touch(request.login, (error) =>
      context.log.warn('login not renewed', { error: String(error) })
    )
  }
}

function loginOf(request: FastifyRequest, app: App, { security }: Context): Login | null {
  const cookies = request.headers.cookie
  if (cookies === undefined) return null
  const value = app.parseCookie(cookies)[cookieName(request.door)]
  return value === undefined ? null : (security.logins.find(value) ?? null)
}

function mustEnter(request: FastifyRequest, context: Context): void {
  // A path that does not exist has no rule of its own.
  const access = request.routeOptions.config.access ?? 'viewer'
  const firstRun =
    access.startsWith('first-run') && context.security.firstRun.accepts(header(request, 'omega-first-run') ?? '')
  if (mayEnter(access, request.principal, firstRun)) return
  if (request.principal === null) throw new DoorError(401, 'UNAUTHENTICATED', 'sign in first')
  const { name, role } = request.principal
  context.log.warn('access denied', { user: name, role, method: request.method, path: pathOf(request) })
  const needs =
    access === 'local' ? 'the local socket of this PC' : `the role ${access === 'first-run' ? 'admin' : access}`
  throw new DoorError(403, 'DENIED', `${name} is ${role}; this needs ${needs}`)
}

function holdToBodyTime(request: FastifyRequest): void {
  const { raw } = request
  const hasBody = raw.headers['content-length'] !== undefined || raw.headers['transfer-encoding'] !== undefined
  if (!hasBody || request.routeOptions.config.streams === true) return
  const timer = setTimeout(() => raw.complete || raw.destroy(), BODY_MS)
  timer.unref()
  raw.once('close', () => clearTimeout(timer))
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Without the query, which may hold what is nobody's business in a log. */
const pathOf = (request: FastifyRequest) => request.url.split('?', 1)[0]!.slice(0, 200)
