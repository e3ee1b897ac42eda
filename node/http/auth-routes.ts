/** Signing in and out: the first account, name and password, a one-time link, a hand-over ticket from another peer. */
import { z } from 'zod'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserRecord } from '../security/records.ts'
import { clearLoginCookie, setLoginCookie } from './cookie.ts'
import type { App, Context } from './context.ts'
import { DoorError } from './errors.ts'
import { Password, Secret, UserBody, UserName } from './schemas.ts'

const tags = ['auth']
const bodyLimit = 4096
const open = { access: 'open' } as const
const answersUser = { response: { 200: UserBody } }
/** Names as typed: upper case and blanks around are forgiven. */
const TypedName = z
  .string()
  .max(64)
  .transform((text) => text.trim().toLowerCase())

export function authRoutes(app: App, context: Context): void {
  const { security, log } = context
  const { accounts, firstRun, handover, logins, rates } = security
  app.post(
    '/api/v1/auth/first-run',
    {
      config: open,
      bodyLimit,
      schema: {
        summary: 'Make the first account with the one-time link; signs in as admin',
        tags,
        body: z.object({ token: Secret, name: TypedName.pipe(UserName), password: Password }),
        ...answersUser
      }
    },
    async (request, reply) => {
      const { token, name, password } = request.body
      await rates.loginTry('first-run', request.ip)
      if (!firstRun.accepts(token)) {
        log.warn('first-run link refused', { address: request.ip })
        throw new DoorError(
          403,
          'BAD_LOGIN',
          'this link is used up or of an earlier start; `omega up` prints the one that works now'
        )
      }
      const user = await accounts.createFirst(name, password)
      await rates.loginDone('first-run', request.ip)
      return await signIn(context, request, reply, user)
    }
  )
  app.post(
    '/api/v1/auth/login',
    {
      config: open,
      bodyLimit,
      schema: {
        summary: 'Sign in',
        tags,
        body: z.object({ name: TypedName, password: z.string().max(256) }),
        ...answersUser
      }
    },
    async (request, reply) => {
      const { name, password } = request.body
      if (accounts.isEmpty())
        throw new DoorError(
          409,
          'NO_ACCOUNT',
          'this mesh has no account yet: open the one-time link that `omega up` printed'
        )
      await rates.loginTry(name, request.ip)
      const user = await accounts.verify(name, password)
      if (user === undefined) {
        log.warn('login refused', { user: name, address: request.ip })
        throw new DoorError(403, 'BAD_LOGIN', 'name or password is wrong')
      }
      await rates.loginDone(name, request.ip)
      return await signIn(context, request, reply, user)
    }
  )
  app.post(
    '/api/v1/auth/set-password',
    {
      config: open,
      bodyLimit,
      schema: {
        summary: 'Set the password with a one-time link; signs in',
        tags,
        body: z.object({ name: TypedName, token: Secret, password: Password }),
        ...answersUser
      }
    },
    async (request, reply) => {
      const { name, token, password } = request.body
      await rates.loginTry(name, request.ip)
      const user = await accounts.setPassword(name, token, password)
      await rates.loginDone(name, request.ip)
      return await signIn(context, request, reply, user)
    }
  )
  app.post(
    '/api/v1/auth/handover',
    {
      config: open,
      bodyLimit,
      schema: {
        summary: 'Go on here with the ticket of another peer',
        tags,
        body: z.object({ ticket: z.string().max(1024) }),
        ...answersUser
      }
    },
    async (request, reply) => {
      await rates.loginTry('handover', request.ip)
      const login = handover.take(request.body.ticket)
      await rates.loginDone('handover', request.ip)
      setLoginCookie(request, reply, await logins.extend(login))
      log.info('login taken over', { user: login.user.name, address: request.ip })
      return { name: login.user.name, role: login.user.role }
    }
  )
  app.post(
    '/api/v1/auth/logout',
    {
      config: { access: 'viewer' },
      bodyLimit,
      schema: { summary: 'Sign out, also where the login was handed over to', tags }
    },
    async (request, reply) => {
      const { login } = request
      if (login !== null) {
        await logins.revoke(login.user.name, login.record.family)
        log.info('logout', { user: login.user.name, address: request.ip })
      }
      clearLoginCookie(request, reply)
      return reply.code(204).send()
    }
  )
  app.get(
    '/api/v1/auth/first-run-link',
    {
      config: { access: 'local' },
      schema: {
        summary: 'The one-time link of a mesh without an account',
        tags,
        response: { 200: z.object({ url: z.string().nullable() }) }
      }
    },
    () => ({ url: firstRunLink(context) })
  )
}

/** Null when there is an account. The token is in the fragment, which no browser sends anywhere. */
export function firstRunLink({ security, urls }: Context): string | null {
  const token = security.firstRun.token()
  const url = urls()[0]
  return token === null || url === undefined ? null : `${url}/#first-run=${token}`
}

async function signIn(
  { security, log }: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  user: UserRecord
): Promise<z.infer<typeof UserBody>> {
  setLoginCookie(request, reply, await security.logins.open(user, request.headers['user-agent'] ?? ''))
  log.info('login', { user: user.name, address: request.ip })
  return { name: user.name, role: user.role }
}
