/**
 * Who may enter which route. Each route declares its access in `config`; one without a declaration does not register. One
 * hook (guard.ts) enforces it. Roles contain each other: admin, user, viewer; the PC's own user is an admin.
 */
import type { RouteOptions } from 'fastify'
import type { Principal, Role } from './api.ts'

/**
 * `open`: nobody needs to be logged in. `first-run`: an admin, or while no account exists the holder of the one-time link;
 * `first-run-viewer`: that holder, or anyone logged in. `viewer`, `user`, `admin`: that role or more. `local`: the PC's own
 * user, over the local socket.
 */
export const ACCESS = ['open', 'first-run', 'first-run-viewer', 'viewer', 'user', 'admin', 'local'] as const
export type Access = (typeof ACCESS)[number]

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** The body is a stream of its own bounds and pace: not held to the time of a JSON body. */
    streams?: boolean
  }
}

const RANK: Record<Role, number> = { viewer: 1, user: 2, admin: 3 }

export function roleAtLeast(role: Role, needed: Role): boolean {
  return RANK[role] >= RANK[needed]
}

/** `firstRun`: the request carries the valid one-time token. */
export function mayEnter(access: Access, principal: Principal | null, firstRun: boolean): boolean {
  if (access === 'open') return true
  if (access === 'first-run') return firstRun || principal?.role === 'admin'
  if (access === 'first-run-viewer') return firstRun || principal !== null
  if (principal === null) return false
  if (access === 'local') return principal.via === 'local'
  return roleAtLeast(principal.role, access)
}

/** Registered as onRoute: the rule cannot be forgotten. */
export function requireAccess(route: RouteOptions): void {
  const access = route.config?.access
  if (access === undefined || !ACCESS.includes(access))
    throw new Error(`route ${String(route.method)} ${route.url} declares no access; one of ${ACCESS.join(', ')}`)
}
