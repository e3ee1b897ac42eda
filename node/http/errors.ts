/**
 * Errors as the API says them: `{ error: { code, message } }` with a status. MeshError codes keep their name; the few codes
 * that only a web door knows are here. What nobody expected is logged whole and answered without its insides.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { MeshError } from '../../protocols/errors.ts'
import type { MeshErrorCode } from '../../protocols/errors.ts'
import type { Log } from '../../protocols/ports.ts'
import type { ApiError } from './views.ts'

export type DoorErrorCode =
  | 'UNAUTHENTICATED' // nobody is logged in, or not any more
  | 'BAD_LOGIN' // name, password, link or ticket is wrong
  | 'NO_ACCOUNT' // the mesh has no account yet
  | 'NOT_FOUND' // no such path
  | 'MISDIRECTED' // the Host header names no address of this peer
  | 'RATE_LIMITED'
  | 'INTERNAL'

export class DoorError extends Error {
  override readonly name = 'DoorError'
  readonly status: number
  readonly code: DoorErrorCode | MeshErrorCode
  constructor(status: number, code: DoorErrorCode | MeshErrorCode, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const STATUS: Record<MeshErrorCode, number> = {
  WIRE_INVALID: 400,
  WIRE_LIMIT: 413,
  WIRE_VERSION: 409,
  CERT_INVALID: 400,
  CLOCK_SKEW: 409,
  INVITE_INVALID: 400,
  NOT_MEMBER: 403,
  DENIED: 403,
  DEADLINE: 504,
  PEER_UNREACHABLE: 502,
  NO_CANDIDATE: 409,
  UNKNOWN_SESSION: 404,
  UNKNOWN_NODE: 404,
  BAD_REQUEST: 400,
  BUSY: 503,
  STORE_FAILED: 507,
  STORE_LOCKED: 409,
  PORT_TAKEN: 409,
  HOST_FAILED: 500,
  TOO_LARGE: 413,
  NOT_ACTIVE: 409
}

/** Status and body of an error of the program or of Fastify; undefined for one that nobody expected. */
export function describe(error: unknown): { status: number; error: ApiError['error'] } | undefined {
  if (error instanceof DoorError) return { status: error.status, error: { code: error.code, message: error.message } }
  if (error instanceof MeshError)
    return { status: STATUS[error.code], error: { code: error.code, message: error.message } }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issue = error.validation[0]!
    const where = [error.validationContext ?? 'request', ...issue.instancePath.split('/').filter(Boolean)].join('.')
    return { status: 400, error: { code: 'BAD_REQUEST', message: `${where}: ${issue.message ?? 'is invalid'}` } }
  }
  const status = (error as Partial<FastifyError>).statusCode
  if (status !== undefined && status >= 400 && status < 500) {
    const code = status === 413 ? 'TOO_LARGE' : 'BAD_REQUEST'
    return { status, error: { code, message: (error as Error).message } }
  }
  return undefined
}

/** The same for channels that have no status: a WebSocket or a stream that has begun. */
export function describeOrLog(error: unknown, log: Log, what: string): ApiError['error'] {
  const known = describe(error)
  if (known !== undefined) return known.error
  log.error('unexpected error', { what, error: (error as Error)?.stack ?? String(error) })
  return { code: 'INTERNAL', message: 'this peer met an error that it did not expect; its log has the details' }
}

export function errorHandler(log: Log) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const body = describeOrLog(error, log, `${request.method} ${request.routeOptions.url ?? request.url}`)
    const status = describe(error)?.status ?? 500
    if (status === 503 || status === 429) reply.header('retry-after', '1')
    // Bytes of a refused body that are still under way must not be read as the next request.
    if (!request.raw.complete) reply.header('connection', 'close')
    void reply.code(status).send({ error: body })
  }
}
