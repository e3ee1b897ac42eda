/** Who I am, my logins and tokens, and the people of the mesh. */
import { z } from 'zod'
import { TOKEN_DAYS_MAX } from '../security/people.ts'
import { who } from './context.ts'
import type { App, Context } from './context.ts'
import { DoorError } from './errors.ts'
import { MeBody, Role, UserBody, UserName } from './schemas.ts'

const Link = z.object({ user: UserBody, link: z.string(), expiresAt: z.number() })
const LoginBody = z.object({ id: z.string(), agent: z.string(), createdAt: z.number(), seenAt: z.number() })
const TokenBody = z.object({
  id: z.string(),
  label: z.string(),
  user: z.string(),
  role: Role,
  createdAt: z.number(),
  expiresAt: z.number()
})
const NameParam = z.object({ name: UserName })
const IdParam = z.object({ id: z.string().regex(/^[0-9a-f]{16}$/) })
const viewer = { access: 'viewer' } as const
const admin = { access: 'admin' } as const

export function userRoutes(app: App, context: Context): void {
  meRoutes(app, context)
  tokenRoutes(app, context)
  const { accounts, logins } = context.security
  const tags = ['users']
  const linkOf = (made: { user: z.infer<typeof UserBody>; token: string; until: number }) => ({
    user: made.user,
    link: `${context.urls()[0] ?? ''}/#set-password=${made.user.name}:${made.token}`,
    expiresAt: made.until
  })
  app.get(
    '/api/v1/users',
    { config: admin, schema: { summary: 'All accounts', tags, response: { 200: z.array(UserBody) } } },
    () => accounts.list()
  )
  app.post(
    '/api/v1/users',
    {
      config: admin,
      schema: {
        summary: 'Add a person; answers with a one-time link to set the password',
        tags,
        body: z.object({ name: UserName, role: Role.default('user') }),
        response: { 201: Link }
      }
    },
    async (request, reply) => reply.code(201).send(linkOf(await accounts.add(request.body.name, request.body.role)))
  )
  app.post(
    '/api/v1/users/:name/link',
    {
      config: admin,
      schema: { summary: 'A new one-time link to set the password', tags, params: NameParam, response: { 201: Link } }
    },
    async (request, reply) => reply.code(201).send(linkOf(await accounts.renewLink(request.params.name)))
  )
  app.delete(
    '/api/v1/users/:name',
    { config: admin, schema: { summary: 'Remove a person; logins and tokens end', tags, params: NameParam } },
    async (request, reply) => {
      await accounts.remove(request.params.name)
      await logins.revokeAll(request.params.name)
      return reply.code(204).send()
    }
  )
}

function meRoutes(app: App, { security }: Context): void {
  const tags = ['me']
  app.get(
    '/api/v1/me',
    { config: viewer, schema: { summary: 'Who is signed in', tags, response: { 200: MeBody } } },
    (request) => who(request)
  )
  app.get(
    '/api/v1/me/logins',
    { config: viewer, schema: { summary: 'My logins', tags, response: { 200: z.array(LoginBody) } } },
    (request) => security.logins.list(who(request).name)
  )
  app.delete(
    '/api/v1/me/logins/:id',
    { config: viewer, schema: { summary: 'End one of my logins', tags, params: IdParam } },
    async (request, reply) => {
      const { id } = request.params
      if (!(await security.logins.revoke(who(request).name, id)))
        throw new DoorError(404, 'NOT_FOUND', `you have no login ${id}`)
      return reply.code(204).send()
    }
  )
}

function tokenRoutes(app: App, { security, log }: Context): void {
  const tags = ['tokens']
  app.get(
    '/api/v1/tokens',
    { config: viewer, schema: { summary: 'Tokens for programs', tags, response: { 200: z.array(TokenBody) } } },
    (request) => security.tokens.list(who(request))
  )
  app.post(
    '/api/v1/tokens',
    {
      config: viewer,
      schema: {
        summary: 'Make a token; it is shown this once',
        tags,
        body: z.object({
          label: z.string().min(1).max(64),
          role: Role.default('user'),
          days: z.number().int().min(1).max(TOKEN_DAYS_MAX).default(90)
        }),
        response: { 201: TokenBody.extend({ token: z.string() }) }
      }
    },
    async (request, reply) => {
      const principal = who(request)
      // A token that makes tokens would outlive its own end.
      if (principal.via === 'token')
        throw new DoorError(403, 'DENIED', 'a token cannot make another; sign in, or use the local command')
      const { label, role, days } = request.body
      const { token, view } = await security.tokens.create(principal, label, role, days)
      log.info('token made', { user: principal.name, role, token: view.id })
      return reply.code(201).send({ ...view, token })
    }
  )
  app.delete(
    '/api/v1/tokens/:id',
    { config: viewer, schema: { summary: 'Revoke a token', tags, params: IdParam } },
    async (request, reply) => {
      const { id } = request.params
      if (!(await security.tokens.revoke(who(request), id)))
        throw new DoorError(404, 'NOT_FOUND', `there is no token ${id} of yours`)
      log.info('token revoked', { user: who(request).name, token: id })
      return reply.code(204).send()
    }
  )
}
