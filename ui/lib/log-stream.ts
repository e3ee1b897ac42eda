/**
 * The log of a session from the peer: JSON lines with base64 pieces of stdout and stderr, then the final record or an
 * error. Comes back after a lost line from where it was, until the session has ended.
 */
import type { ApiError, SessionView } from '../../node/http/views.ts'
import { ApiFailure, messageOf, request } from './client.ts'

const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 5_000
/** A single line of the peer is at most one log frame in base64; more is not the peer. */
const LINE_MAX_CHARS = 8 << 20

export type LogLine =
  | { kind: 'output'; stream: 1 | 2; offset: number; bytes: Uint8Array }
  | { kind: 'end'; session: SessionView }
  | { kind: 'error'; error: ApiError['error'] }

export interface LogEvents {
  output(stream: 1 | 2, bytes: Uint8Array): void
  /** What is between the page and the log now; null when it flows. */
  trouble(reason: string | null): void
  /** All output there is was given. */
  ended(session: SessionView): void
}

/** Follows until the session has ended or the signal says stop. Never throws. */
export async function followLog(
  id: string,
  task: number | undefined,
  signal: AbortSignal,
  events: LogEvents
): Promise<void> {
  const which = task === undefined ? '' : `&task=${task}`
  let offset = 0
  let pauseMs = RETRY_MIN_MS
  while (!signal.aborted) {
    try {
      const response = await request('GET', `/sessions/${id}/logs?from=${offset}&follow=1${which}`, undefined, signal)
      events.trouble(null)
      for await (const line of logLines(response, signal)) {
        pauseMs = RETRY_MIN_MS
        if (line.kind === 'output') {
          offset = line.offset
          events.output(line.stream, line.bytes)
        } else if (line.kind === 'end') {
          events.ended(line.session)
          return
        } else throw new ApiFailure(200, line.error.code, line.error.message)
      }
      throw new ApiFailure(0, 'PEER_UNREACHABLE', 'The output stopped in the middle.')
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiFailure && isFinal(error)) {
        events.trouble(error.message)
        return
      }
      events.trouble(`${messageOf(error)} Trying again.`)
      await pause(pauseMs, signal)
      pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)
    }
  }
}

/** Asking again would give the same answer. */
function isFinal(failure: ApiFailure): boolean {
  return ['UNAUTHENTICATED', 'DENIED', 'UNKNOWN_SESSION', 'BAD_REQUEST', 'NOT_FOUND'].includes(failure.code)
}

async function* logLines(response: Response, signal: AbortSignal): AsyncGenerator<LogLine> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) return
  let rest = ''
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_MAX_CHARS)
        throw new ApiFailure(200, 'BAD_ANSWER', 'The peer sent a line of output that is too long to be one.')
      for (const line of lines) if (line !== '') yield parseLogLine(line)
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

export function parseLogLine(line: string): LogLine {
  const parsed = JSON.parse(line) as {
    stream?: 1 | 2
    offset?: number
    data?: string
    session?: SessionView
    error?: ApiError['error']
  }
  if (parsed.error) return { kind: 'error', error: parsed.error }
  if (parsed.session) return { kind: 'end', session: parsed.session }
  return {
    kind: 'output',
    stream: parsed.stream === 2 ? 2 : 1,
    offset: parsed.offset ?? 0,
    bytes: Uint8Array.from(atob(parsed.data ?? ''), (c) => c.charCodeAt(0))
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
