/** The login cookie: one name on HTTPS, where the browser holds it to this host and TLS, another on http://localhost. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { TOTAL_MS } from '../security/people.ts'
import type { Door } from './context.ts'

export function cookieName(door: Door): string {
  return door === 'https' ? '__Host-omega' : 'omega'
}

export function setLoginCookie(request: FastifyRequest, reply: FastifyReply, value: string): void {
  void reply.setCookie(cookieName(request.door), value, { ...attributes(request.door), maxAge: TOTAL_MS / 1000 })
}

export function clearLoginCookie(request: FastifyRequest, reply: FastifyReply): void {
  void reply.clearCookie(cookieName(request.door), attributes(request.door))
}

function attributes(door: Door) {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: door === 'https' } as const
}
