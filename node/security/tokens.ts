/**
 * Tokens for programs: `omega_` and 256 random bits, shown once; the ledger holds the hash. A token has an end, a role no
 * higher than its maker's, and stops with its account.
 */
import type { Ledger, Principal, Role } from '../http/api.ts'
import { roleAtLeast } from '../http/access.ts'
import { DoorError } from '../http/errors.ts'
import type { Accounts } from './accounts.ts'
import { hashOf, newSecret, Records, TokenRecord } from './records.ts'

export const TOKEN_PREFIX = 'omega_'
export const TOKEN_DAYS_MAX = 366
const DAY_MS = 24 * 3_600_000
const TOKENS_PER_USER_MAX = 50
/** The PC's own user, who has no account. */
const LOCAL = 'local'

export interface TokenView {
  id: string
  label: string
  user: string
  role: Role
  createdAt: number
  expiresAt: number
}

export class Tokens {
  readonly #tokens: Records<TokenRecord>
  readonly #accounts: Accounts
  readonly #now: () => number

  constructor(ledger: Ledger, accounts: Accounts, now: () => number) {
    this.#tokens = new Records(ledger, 'token/', TokenRecord)
    this.#accounts = accounts
    this.#now = now
  }

  async create(maker: Principal, label: string, role: Role, days: number): Promise<{ token: string; view: TokenView }> {
    if (!roleAtLeast(maker.role, role))
      throw new DoorError(403, 'DENIED', `a ${maker.role} cannot make a token of role ${role}`)
    const own = this.list(maker).filter((view) => view.user === maker.name)
    if (own.length >= TOKENS_PER_USER_MAX)
      throw new DoorError(413, 'TOO_LARGE', `one person has at most ${TOKENS_PER_USER_MAX} tokens; revoke one first`)
    const now = this.#now()
    const token = TOKEN_PREFIX + newSecret()
    const userId = maker.via === 'local' ? '' : (this.#accounts.get(maker.name)?.id ?? '')
    const record: TokenRecord = {
      v: 1,
      user: maker.name,
      userId,
      label,
      role,
      createdAt: now,
      expiresAt: now + days * DAY_MS
    }
    await this.#tokens.put(hashOf(token), record)
    return { token, view: toView(hashOf(token), record) }
  }

  find(token: string): Principal | undefined {
    const record = token.startsWith(TOKEN_PREFIX) ? this.#tokens.get(hashOf(token)) : undefined
    if (record === undefined || record.expiresAt <= this.#now()) return undefined
    if (record.user === LOCAL && record.userId === '') return { name: LOCAL, role: record.role, via: 'token' }
    const user = this.#accounts.get(record.user)
    if (user === undefined || user.id !== record.userId) return undefined
    // A person who was given less since has less by token, too.
    const role = roleAtLeast(user.role, record.role) ? record.role : user.role
    return { name: user.name, role, via: 'token' }
  }

  /** An admin sees all, everybody their own. */
  list(who: Principal): TokenView[] {
    return this.#tokens
      .list()
      .filter(({ value }) => value.expiresAt > this.#now() && (who.role === 'admin' || value.user === who.name))
      .map(({ key, value }) => toView(key, value))
      .sort((a, b) => b.createdAt - a.createdAt)
  }

  /** False: there is no such token that this person may revoke. */
  async revoke(who: Principal, id: string): Promise<boolean> {
    const found = this.#tokens
      .list()
      .find(({ key, value }) => key.startsWith(id) && (who.role === 'admin' || value.user === who.name))
    if (found === undefined) return false
    await this.#tokens.remove(found.key)
    return true
  }
}

function toView(hash: string, record: TokenRecord): TokenView {
  const { label, user, role, createdAt, expiresAt } = record
  return { id: hash.slice(0, 16), label, user, role, createdAt, expiresAt }
}
