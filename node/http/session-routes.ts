/** Sessions: create, list, show, stop, and the log as a stream of JSON lines. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { STATES, SpecInput, TASKS_MAX } from '../../protocols/session/index.ts'
import { roleAtLeast } from './access.ts'
import type { Attachment, PeerApi, Principal } from './api.ts'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { describeOrLog, DoorError } from './errors.ts'
import { CreatedBody, Flag, LogOffset, SessionBody, SessionIdParam, SessionPage } from './schemas.ts'
import type { NodeView, SessionView } from './views.ts'

/** A record holds 48 KiB; JSON escapes may make that six times as long. */
export const SPEC_BODY_MAX = 512 << 10
/** A quiet log still proves that the line stands. JSON readers skip the empty line. */
const LOG_HEARTBEAT_MS = 15_000

export const CreateHeaders = z.looseObject({ 'idempotency-key': z.string().min(8).max(128).optional() })
export const ListQuery = z.object({
  /** One state, or several with commas. */
  state: z.string().max(200).optional(),
  /** Peer id or name of the PC where it runs or ran last. */
  node: z.string().max(128).optional(),
  user: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(64).optional()
})
const LogQuery = z.object({
  from: LogOffset,
  follow: Flag,
  /** Of an array: this task's output. */
  task: z.coerce.number().int().min(0).max(TASKS_MAX).optional()
})

export function sessionRoutes(app: App, context: Context): void {
  const { api } = context
  app.post('/api/v1/sessions', createRoute, createSession(api))
  app.get('/api/v1/sessions', listRoute, (request) => listSessions(api, request.query))
  app.get(
    '/api/v1/sessions/:id',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'One session, from a keeper',
        tags: ['sessions'],
        params: SessionIdParam,
        response: { 200: SessionBody }
      }
    },
    (request) => api.session(request.params.id)
  )
  app.delete('/api/v1/sessions/:id', stopRoute, stopSession(api))
  app.post(
    '/api/v1/sessions/:id/takeover',
    {
      config: { access: 'user' },
      schema: {
        summary: 'Take a strict session over, on your word that the PCs it waits for are off',
        description:
          'Only for a session whose `strict.awaits` names PCs. If one of them runs it after all, it runs twice until they hear of each other; the older run is then kept frozen. The word is signed, kept in the record and shown to everyone.',
        tags: ['sessions'],
        params: SessionIdParam,
        response: { 202: SessionBody }
      }
    },
    async (request, reply) => {
      const principal = who(request)
      const session = await api.session(request.params.id)
      mustDrive(session, principal, 'take over')
      return reply.code(202).send(await api.takeOver(session.id, principal))
    }
  )
  app.delete(
    '/api/v1/sessions/:id/forks',
    {
      config: { access: 'user' },
      schema: {
        summary: 'Discard the older runs of a session that PCs keep frozen; the session itself goes on',
        tags: ['sessions'],
        params: SessionIdParam,
        response: { 202: SessionBody }
      }
    },
    async (request, reply) => {
      const principal = who(request)
      const session = await api.session(request.params.id)
      mustDrive(session, principal, 'discard a run of')
      return reply.code(202).send(await api.discardForks(session.id, principal))
    }
  )
  app.get(
    '/api/v1/sessions/:id/logs',
    {
      config: { access: 'viewer', streams: true },
      schema: {
        summary: 'The log from an offset',
        description:
          'JSON lines: `{"stream":1,"offset":N,"data":"base64"}`, where stream 1 is stdout and 2 stderr and `offset` is where to go on from; the last line is `{"session":{…}}` or `{"error":{…}}`. With `follow` it goes on until the session ends.',
        tags: ['sessions'],
        params: SessionIdParam,
        querystring: LogQuery
      }
    },
    async (request, reply) => await sendLog(context, request.params.id, request.query, request, reply)
  )
}

export const createRoute = {
  config: { access: 'user' },
  bodyLimit: SPEC_BODY_MAX,
  schema: {
    summary: 'Start a session',
    description:
      'Accepted when the record is on disk at two peers where there are two. The same Idempotency-Key gives the same session.',
    tags: ['sessions'],
    headers: CreateHeaders,
    body: SpecInput,
    response: { 201: CreatedBody }
  }
} as const

export const listRoute = {
  config: { access: 'viewer' },
  schema: {
    summary: 'Sessions of the whole mesh, newest first',
    tags: ['sessions'],
    querystring: ListQuery,
    response: { 200: SessionPage }
  }
} as const

export const stopRoute = {
  config: { access: 'user' },
  schema: {
    summary: 'Stop a session; a repeat gives the same answer',
    tags: ['sessions'],
    params: SessionIdParam,
    response: { 202: SessionBody }
  }
} as const

export function createSession(api: PeerApi) {
  return async (
    request: FastifyRequest<{ Body: SpecInput; Headers: z.infer<typeof CreateHeaders> }>,
    reply: FastifyReply
  ) => {
    const principal = who(request)
    const key = request.headers['idempotency-key']
    const spec = key === undefined ? request.body : { ...request.body, nonce: nonceOf(principal, key) }
    const created = await api.create(spec, principal)
    return reply.code(201).header('location', `/api/v1/sessions/${created.session.id}`).send(created)
  }
}

export function stopSession(api: PeerApi) {
  return async (request: FastifyRequest<{ Params: { id: string } }>, reply: FastifyReply) => {
    const principal = who(request)
    const session = await api.session(request.params.id)
    mustDrive(session, principal, 'stop')
    return reply.code(202).send(await api.stop(session.id, principal))
  }
}

/** People drive their own sessions; an admin drives all. */
export function mustDrive(session: SessionView, principal: Principal, verb: string): void {
  if (session.user === principal.name || roleAtLeast(principal.role, 'admin')) return
  throw new DoorError(
    403,
    'DENIED',
    `${principal.name} cannot ${verb} session ${session.id} of ${session.user}; its user or an admin can`
  )
}

export function listSessions(api: PeerApi, query: z.infer<typeof ListQuery>): z.infer<typeof SessionPage> {
  const states = query.state?.split(',')
  const wrong = states?.find((state) => !(STATES as readonly string[]).includes(state))
  if (wrong !== undefined)
    throw new DoorError(400, 'BAD_REQUEST', `"${wrong}" is no session state; states are ${STATES.join(', ')}`)
  const node = query.node === undefined ? undefined : peerIdOf(api.nodes(), query.node)
  const fitting = api
    .sessions()
    .filter((session) => states === undefined || states.includes(session.state))
    .filter((session) => node === undefined || session.runner === node)
    .filter((session) => query.user === undefined || session.user === query.user)
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
  const after = query.cursor === undefined ? 0 : fitting.findIndex((session) => isAfter(session, query.cursor!))
  const page = after < 0 ? [] : fitting.slice(after, after + query.limit)
  const last = page.at(-1)
  const more = last !== undefined && after + page.length < fitting.length
  return { sessions: page, total: fitting.length, next: more ? `${last.createdAt}.${last.id}` : null }
}

/** A cursor names the last session given, so that pages stay whole while new sessions come. */
function isAfter(session: SessionView, cursor: string): boolean {
  const [createdAt, id = ''] = cursor.split('.')
  const at = Number(createdAt)
  if (!Number.isFinite(at))
    throw new DoorError(400, 'BAD_REQUEST', `"${cursor}" is no cursor; take it from \`next\` of the page before`)
  return session.createdAt < at || (session.createdAt === at && session.id > id)
}

function peerIdOf(nodes: NodeView[], idOrName: string): string {
  return nodes.find((node) => node.peerId === idOrName || node.name === idOrName)?.peerId ?? idOrName
}

/** Keys of different people never meet. */
function nonceOf(principal: Principal, key: string): string {
  return createHash('sha256').update(`${principal.name}\0${key}`).digest('hex').slice(0, 32)
}

async function sendLog(
  { api, log }: Context,
  id: string,
  query: z.infer<typeof LogQuery>,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const { tasks } = await api.session(id)
  if (tasks !== null && query.task === undefined)
    throw new DoorError(
      400,
      'BAD_REQUEST',
      `session ${id} is an array: each of its ${tasks.total} tasks has an output of its own, which \`task\` names (\`omega logs ${id} --task 0\`)`
    )
  const attachment = await api.attach(id, {
    from: query.from,
    follow: query.follow,
    stdin: false,
    ...(query.task === undefined ? {} : { task: query.task })
  })
  request.raw.socket.setTimeout(0)
  // The iterator may wait for output for hours; a reader that went away ends it.
  const closed = () => attachment.close()
  reply.raw.once('close', closed)
  const lines = Readable.from(logLines(api, id, query.follow, attachment, log), {
    objectMode: false,
    highWaterMark: 64 << 10
  })
  const heartbeat = setInterval(() => {
    if (!reply.raw.writableNeedDrain && reply.raw.headersSent) reply.raw.write('\n')
  }, LOG_HEARTBEAT_MS)
  lines.once('close', () => clearInterval(heartbeat))
  return reply.type('application/x-ndjson').send(lines)
}

async function* logLines(
  api: PeerApi,
  id: string,
  follow: boolean,
  attachment: Attachment,
  log: Context['log']
): AsyncGenerator<string> {
  // Without a reader of `ended`, its rejection would be nobody's.
  attachment.ended.catch(() => {})
  try {
    for await (const { stream, bytes, offset } of attachment.output)
      if (stream !== 3) yield `${JSON.stringify({ stream, offset, data: Buffer.from(bytes).toString('base64') })}\n`
    const session = follow ? await attachment.ended : await api.session(id)
    yield `${JSON.stringify({ session })}\n`
  } catch (error) {
    yield `${JSON.stringify({ error: describeOrLog(error, log, `log of session ${id}`) })}\n`
  } finally {
    attachment.close()
  }
}
