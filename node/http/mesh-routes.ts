/** Becoming members, letting others in, leaving, ending. What a fresh PC needs works with the one-time first-run link. */
import { z } from 'zod'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { NodeBody, StatusBody, TieBody } from './schemas.ts'

const HOUR_MS = 3_600_000
export const INVITE_USES_MAX = 100
export const INVITE_TTL_MAX_MS = 30 * 24 * HOUR_MS
export const DOOR_MAX_MS = HOUR_MS

const Invite = z.object({
  uses: z.number().int().min(1).max(INVITE_USES_MAX).default(1),
  ttlMs: z
    .number()
    .int()
    .min(60_000)
    .max(INVITE_TTL_MAX_MS)
    .default(24 * HOUR_MS)
})
const Join = z.object({ invite: z.string().min(1).max(8192) })
const Tie = z.object({
  rule: z.enum(['runner', 'anchor', 'both']),
  /** Name or peer id, with the rule `anchor`. */
  anchor: z.string().min(1).max(128).optional()
})
const Down = z.object({ keepSessions: z.boolean().default(false) }).prefault({})
const tags = ['mesh']
const answersStatus = { response: { 200: StatusBody } }

export function meshRoutes(app: App, { api }: Context, ca: () => string): void {
  app.get(
    '/api/v1/ca',
    {
      config: { access: 'viewer' },
      schema: { summary: 'Certificate of the mesh CA (PEM), for `--ca` and for browsers', tags }
    },
    (_, reply) =>
      reply
        .type('application/x-pem-file')
        .header('content-disposition', 'attachment; filename="mesh-ca.pem"')
        .send(ca())
  )
  app.post(
    '/api/v1/invites',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Make an invite for a new PC',
        tags,
        body: Invite.prefault({}),
        response: { 201: z.object({ invite: z.string(), expiresAt: z.number(), uses: z.number() }) }
      }
    },
    async (request, reply) => reply.code(201).send(await api.invite(request.body))
  )
  app.post(
    '/api/v1/door',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Let PCs in for a while without an invite',
        tags,
        body: z.object({ forMs: z.number().int().min(1000).max(DOOR_MAX_MS).default(600_000) }).prefault({}),
        ...answersStatus
      }
    },
    async (request) => {
      await api.openDoor(request.body.forMs)
      return api.status()
    }
  )
  app.delete(
    '/api/v1/door',
    { config: { access: 'admin' }, schema: { summary: 'Close the door', tags, ...answersStatus } },
    async () => {
      await api.closeDoor()
      return api.status()
    }
  )
  app.post(
    '/api/v1/join',
    {
      config: { access: 'first-run' },
      schema: { summary: 'Join the mesh of an invite', tags, body: Join, ...answersStatus }
    },
    (request) => api.join(request.body.invite)
  )
  app.post(
    '/api/v1/offers/:id/accept',
    {
      config: { access: 'first-run' },
      schema: {
        summary: 'Join the mesh that offers its open door',
        tags,
        params: z.object({ id: z.string().min(1).max(128) }),
        ...answersStatus
      }
    },
    (request) => api.accept(request.params.id)
  )
  app.post(
    '/api/v1/found',
    {
      config: { access: 'first-run' },
      schema: { summary: 'Stop looking; make a mesh of one', tags, ...answersStatus }
    },
    () => api.found()
  )
  app.get(
    '/api/v1/tie',
    {
      config: { access: 'viewer' },
      schema: { summary: 'Who decides about strict sessions while two PCs keep them', tags, response: { 200: TieBody } }
    },
    () => api.tie()
  )
  app.put(
    '/api/v1/tie',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change who decides about strict sessions while two PCs keep them',
        description: 'For the whole mesh. Sessions that exist follow while both of their PCs are up.',
        tags,
        body: Tie,
        response: { 200: TieBody }
      }
    },
    (request) => api.setTie(request.body.rule, request.body.anchor, who(request))
  )
  app.post(
    '/api/v1/leave',
    { config: { access: 'admin' }, schema: { summary: 'Leave the mesh', tags, ...answersStatus } },
    () => api.leave()
  )
  app.post(
    '/api/v1/pause',
    {
      config: { access: 'admin' },
      schema: { summary: 'Stop what runs on this PC', tags: ['nodes'], response: { 200: NodeBody } }
    },
    (request) => api.pause(undefined, who(request))
  )
  app.post(
    '/api/v1/resume',
    {
      config: { access: 'admin' },
      schema: { summary: 'This PC gives again', tags: ['nodes'], response: { 200: NodeBody } }
    },
    (request) => api.resume(undefined, who(request))
  )
  app.post(
    '/api/v1/down',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Drain and end this peer',
        tags: ['peer'],
        body: Down,
        response: { 202: z.object({ ending: z.boolean() }) }
      }
    },
    async (request, reply) => {
      const { keepSessions } = request.body
      await api.down({ keepSessions })
      return reply.code(202).send({ ending: true })
    }
  )
}
