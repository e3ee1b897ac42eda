/** This peer, the PCs of the mesh and what happened. `/health` says the state alone and needs no login. */
import { z } from 'zod'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { AppsBody, EventBody, NodeBody, NodeDetailBody, NodeId, StatusBody } from './schemas.ts'

export function healthHandler({ api }: Context) {
  return (): { status: number; body: { state: string } } => {
    const { phase } = api.status()
    return { status: phase === 'active' ? 200 : 503, body: { state: phase } }
  }
}

export function statusRoutes(app: App, context: Context): void {
  const { api } = context
  const health = healthHandler(context)
  app.get(
    '/health',
    { config: { access: 'open' }, schema: { summary: 'Ready (200) or not (503)', tags: ['peer'] } },
    (_, reply) => {
      const { status, body } = health()
      // The page of another member may find out that this one answers; what it answers stays closed to it.
      return reply.code(status).header('cross-origin-resource-policy', 'cross-origin').send(body)
    }
  )
  app.get(
    '/api/v1/status',
    {
      config: { access: 'first-run-viewer' },
      schema: { summary: 'This peer', tags: ['peer'], response: { 200: StatusBody } }
    },
    () => api.status()
  )
  app.get(
    '/api/v1/nodes',
    {
      config: { access: 'viewer' },
      schema: { summary: 'All PCs of the mesh', tags: ['nodes'], response: { 200: z.array(NodeBody) } }
    },
    () => api.nodes()
  )
  app.get(
    '/api/v1/apps',
    {
      config: { access: 'viewer' },
      schema: { summary: 'Programs with windows, and where they are', tags: ['nodes'], response: { 200: AppsBody } }
    },
    () => api.apps()
  )
  app.get(
    '/api/v1/nodes/:id',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'The whole reading of one PC, asked of it now',
        tags: ['nodes'],
        params: NodeId,
        response: { 200: NodeDetailBody }
      }
    },
    (request) => api.node(request.params.id)
  )
  app.post(
    '/api/v1/nodes/:id/pause',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Stop what runs there, take nothing new',
        tags: ['nodes'],
        params: NodeId,
        response: { 200: NodeBody }
      }
    },
    (request) => api.pause(request.params.id, who(request))
  )
  app.post(
    '/api/v1/nodes/:id/resume',
    {
      config: { access: 'admin' },
      schema: { summary: 'Give to the mesh again', tags: ['nodes'], params: NodeId, response: { 200: NodeBody } }
    },
    (request) => api.resume(request.params.id, who(request))
  )
  app.get(
    '/api/v1/events',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'What happened lately, as this peer saw it',
        tags: ['peer'],
        response: { 200: z.array(EventBody) }
      }
    },
    () => api.events()
  )
}
