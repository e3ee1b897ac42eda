/** The short paths: other names for routes of /api/v1, with the same handlers and the same access. */
import { z } from 'zod'
import type { App, Context } from './context.ts'
import { runningSessions } from './metrics.ts'
import { NodeBody, NodeDetailBody, NodeId, SessionBody } from './schemas.ts'
import { createRoute, createSession, listRoute, listSessions, stopRoute, stopSession } from './session-routes.ts'
import { healthHandler } from './status-routes.ts'
import type { NodeView, SessionView } from './views.ts'

const tags = ['short paths']
const viewer = { access: 'viewer' } as const

export function aliases(app: App, context: Context): void {
  const { api } = context
  const health = healthHandler(context)
  app.post('/session/create', { ...createRoute, schema: { ...createRoute.schema, tags } }, createSession(api))
  app.get('/sessions', { ...listRoute, schema: { ...listRoute.schema, tags } }, (request) =>
    listSessions(api, request.query)
  )
  app.delete('/session/:id', { ...stopRoute, schema: { ...stopRoute.schema, tags } }, stopSession(api))
  app.get(
    '/nodes',
    { config: viewer, schema: { summary: 'All PCs of the mesh', tags, response: { 200: z.array(NodeBody) } } },
    () => api.nodes()
  )
  app.get(
    '/node/:id/health',
    {
      config: viewer,
      schema: { summary: 'One PC, asked now or as last known', tags, params: NodeId, response: { 200: NodeDetailBody } }
    },
    (request) => api.node(request.params.id)
  )
  app.get('/node/health', { config: viewer, schema: { summary: 'What this PC can do now', tags } }, (_, reply) => {
    const { status, body } = health()
    const { leash, paused, notices } = api.status()
    return reply
      .code(leash.connected ? status : 503)
      .send({ ...body, runsSessions: leash.connected && !paused, notices })
  })
  app.get(
    '/metrics/system',
    {
      config: viewer,
      schema: {
        summary: 'Readings of this PC, or with scope=mesh of all',
        tags,
        querystring: z.object({ scope: z.enum(['peer', 'mesh']).default('peer') }),
        response: { 200: z.union([NodeBody, z.array(NodeBody)]) }
      }
    },
    (request) => (request.query.scope === 'mesh' ? api.nodes() : api.nodes().filter((node) => node.self)[0])
  )
  app.get(
    '/api/dashboard/metrics',
    {
      config: viewer,
      schema: { summary: 'Totals of the mesh with where they come from', tags, response: { 200: Dashboard } }
    },
    () => dashboard(api.nodes(), runningSessions(api), api.sessions().length)
  )
}

const Total = z.object({
  value: z.number().nullable(),
  /** PCs whose readings are in the value, and the age of the oldest of them. */
  nodes: z.number(),
  oldestMs: z.number().nullable()
})
const Dashboard = z.object({
  nodes: z.object({ alive: z.number(), total: z.number() }),
  sessions: z.object({ running: z.number(), total: z.number() }),
  cores: Total,
  cpu: Total,
  memoryBytes: Total,
  memoryUsedBytes: Total,
  diskBytes: Total,
  diskFreeBytes: Total,
  running: z.array(SessionBody)
})

type Measured = 'cores' | 'memoryBytes' | 'memoryUsedBytes' | 'diskBytes' | 'diskFreeBytes'

function dashboard(nodes: NodeView[], running: SessionView[], sessions: number): z.infer<typeof Dashboard> {
  const alive = nodes.filter((node) => node.state === 'alive')
  const sum = (field: Measured) => total(alive, (node) => valueOf(node[field]))
  const busy = total(alive, (node) => product(valueOf(node.cpu), valueOf(node.cores)))
  const cores = total(
    alive.filter((node) => 'value' in node.cpu),
    (node) => valueOf(node.cores)
  )
  return {
    nodes: { alive: alive.length, total: nodes.length },
    sessions: { running: running.length, total: sessions },
    cores: sum('cores'),
    // Share of the cores of those PCs that gave both readings.
    cpu: { ...busy, value: busy.value === null || !cores.value ? null : busy.value / cores.value },
    memoryBytes: sum('memoryBytes'),
    memoryUsedBytes: sum('memoryUsedBytes'),
    diskBytes: sum('diskBytes'),
    diskFreeBytes: sum('diskFreeBytes'),
    running
  }
}

function total(nodes: NodeView[], read: (node: NodeView) => number | undefined): z.infer<typeof Total> {
  const given = nodes.filter((node) => read(node) !== undefined)
  if (given.length === 0) return { value: null, nodes: 0, oldestMs: null }
  const ages = given.map((node) => node.ageMs).filter((age) => age !== null)
  return {
    value: given.reduce((sum, node) => sum + read(node)!, 0),
    nodes: given.length,
    oldestMs: ages.length > 0 ? Math.max(...ages) : null
  }
}

const valueOf = (reading: NodeView['cores']) => ('value' in reading ? reading.value : undefined)
const product = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a * b
