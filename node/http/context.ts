/** What every route group is given, and what the guard leaves on a request. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Log } from '../../protocols/ports.ts'
import type { Login, Security } from '../security/people.ts'
import type { PeerApi, Principal } from './api.ts'
import type { Simulation } from './simulation-routes.ts'

/** Which listener a request came in by: the local socket, HTTPS, or plain HTTP on loopback. */
export type Door = 'local' | 'https' | 'loopback'

export interface Context {
  api: PeerApi
  log: Log
  version: string
  security: Security
  /** Milliseconds since 1970. */
  now(): number
  /** Own URLs, the one for a person at this PC first. */
  urls(): string[]
  /** Only where the mesh is simulated. */
  simulation?: Simulation
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

declare module 'fastify' {
  interface FastifyRequest {
    door: Door
    principal: Principal | null
    /** The browser login behind the principal. */
    login: Login | null
  }
}

/** The principal of a route that nobody enters without one. */
export function who(request: FastifyRequest): Principal {
  if (request.principal === null) throw new Error(`${request.url} runs without a principal`)
  return request.principal
}
