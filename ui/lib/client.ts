/**
 * Calls to the serving peer. Every failure is an ApiFailure whose message a person can act on; a lost login is told to one
 * listener, so that any page falls back to sign-in.
 */
import type { ApiError } from '../../node/http/views.ts'

const ANSWER_WITHIN_MS = 20_000
const HEALTH_WITHIN_MS = 1_000

export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  /** 0: no answer at all. */
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

let signedOut = () => {}
export function onSignedOut(listener: () => void): void {
  signedOut = listener
}

export async function call<T>(
  method: Method,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {}
): Promise<T> {
  const response = await request(method, path, body, AbortSignal.timeout(ANSWER_WITHIN_MS), headers)
  if (response.status === 204) return undefined as T
  try {
    return (await response.json()) as T
  } catch {
    throw new ApiFailure(
      response.status,
      'BAD_ANSWER',
      `The peer's answer to ${method} ${path} was cut off. Try again.`
    )
  }
}

/** The response once it is known to be a success. */
export async function request(
  method: Method,
  path: string,
  body: unknown,
  signal: AbortSignal,
  headers: Record<string, string> = {}
): Promise<Response> {
  const init: RequestInit = { method, signal, headers, credentials: 'same-origin', cache: 'no-store' }
  if (body !== undefined) {
    init.headers = { ...headers, 'content-type': 'application/json' }
    init.body = JSON.stringify(body)
  }
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, init)
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    const late = cause instanceof DOMException && cause.name === 'TimeoutError'
    throw new ApiFailure(
      0,
      'PEER_UNREACHABLE',
      late
        ? `The peer did not answer within ${ANSWER_WITHIN_MS / 1000} s. It may still do what was asked: look before you repeat it.`
        : 'The peer that serves this page cannot be reached. Nothing was changed; try again when the page is live.'
    )
  }
  if (response.ok) return response
  const failure = await readFailure(response, method, path)
  if (response.status === 401 && !path.startsWith('/auth/')) signedOut()
  throw failure
}

async function readFailure(response: Response, method: string, path: string): Promise<ApiFailure> {
  try {
    const { error } = (await response.json()) as ApiError
    return new ApiFailure(response.status, error.code, error.message)
  } catch {
    return new ApiFailure(
      response.status,
      'BAD_ANSWER',
      `${method} ${path} was answered with status ${response.status} and no reason.`
    )
  }
}

/** What the serving peer says of itself without a login: its phase, or null when it does not answer. */
export async function health(): Promise<string | null> {
  try {
    const response = await fetch('/health', { cache: 'no-store', signal: AbortSignal.timeout(HEALTH_WITHIN_MS) })
    const { state } = (await response.json()) as { state?: unknown }
    return typeof state === 'string' ? state : null
  } catch {
    return null
  }
}

/** Whether it is worth waiting for the serving peer. One that drains will not come back. */
export async function healthy(): Promise<boolean> {
  const state = await health()
  return state !== null && state !== 'draining'
}

/** What to show of any thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
