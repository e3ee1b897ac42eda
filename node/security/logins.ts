/**
 * Browser logins: a cookie of 256 random bits, of which the ledger holds the hash, so that a login is good at every peer
 * and can be listed and ended from any. It ends after 12 h without use, 7 days in all, or with a new password.
 */
import type { Ledger } from '../http/api.ts'
import type { Accounts } from './accounts.ts'
import { EndedRecord, hashOf, LoginRecord, newId, newSecret, Records } from './records.ts'
import type { UserRecord } from './records.ts'

export const IDLE_MS = 12 * 3_600_000
export const TOTAL_MS = 7 * 24 * 3_600_000
/** Use is written to the ledger no more often: each write goes to every member. */
const SEEN_EACH_MS = 15 * 60_000
const LOGINS_PER_USER_MAX = 32

export interface Login {
  /** SHA-256 of the cookie value, the key of the record. */
  hash: string
  record: LoginRecord
  user: UserRecord
}

export interface LoginView {
  id: string
  agent: string
  createdAt: number
  seenAt: number
}

export class Logins {
  readonly #logins: Records<LoginRecord>
  readonly #ended: Records<EndedRecord>
  readonly #accounts: Accounts
  readonly #now: () => number

  constructor(ledger: Ledger, accounts: Accounts, now: () => number) {
    this.#logins = new Records(ledger, 'login/', LoginRecord)
    this.#ended = new Records(ledger, 'ended/', EndedRecord)
    this.#accounts = accounts
    this.#now = now
  }

  /** The value for the cookie. */
  async open(user: UserRecord, agent: string): Promise<string> {
    await this.#tidy(user.name)
    const now = this.#now()
    const cookie = newSecret()
    await this.#logins.put(hashOf(cookie), {
      v: 1,
      user: user.name,
      userId: user.id,
      stamp: user.stamp,
      family: newId(),
      createdAt: now,
      seenAt: now,
      agent: agent.slice(0, 120)
    })
    return cookie
  }

  /** The same login for another peer's cookie: it ends when the first one would. */
  async extend(login: Login): Promise<string> {
    const cookie = newSecret()
    await this.#logins.put(hashOf(cookie), { ...login.record, seenAt: this.#now() })
    return cookie
  }

  /** The live login of a cookie value. */
  find(cookie: string): Login | undefined {
    return this.findByHash(hashOf(cookie))
  }

  findByHash(hash: string): Login | undefined {
    const record = this.#logins.get(hash)
    if (record === undefined || !this.#isLive(record)) return undefined
    const user = this.#accounts.get(record.user)
    if (user === undefined || user.id !== record.userId || user.stamp !== record.stamp) return undefined
    return { hash, record, user }
  }

  /** Notes that it was used. A failure to write must not fail the request: the login then ends earlier. */
  touch(login: Login, failed: (error: unknown) => void): void {
    const now = this.#now()
    if (now - login.record.seenAt < SEEN_EACH_MS) return
    this.#logins.put(login.hash, { ...login.record, seenAt: now }).catch(failed)
  }

  list(user: string): LoginView[] {
    const families = new Map<string, LoginView>()
    for (const { value } of this.#logins.list()) {
      if (value.user !== user || !this.#isLive(value)) continue
      const seenAt = Math.max(value.seenAt, families.get(value.family)?.seenAt ?? 0)
      families.set(value.family, { id: value.family, agent: value.agent, createdAt: value.createdAt, seenAt })
    }
    return [...families.values()].sort((a, b) => b.seenAt - a.seenAt)
  }

  /** Ends a login with all that were handed over from it. False: that user has no such login. */
  async revoke(user: string, family: string): Promise<boolean> {
    if (!this.list(user).some((login) => login.id === family)) return false
    await this.#ended.put(family, { v: 1, until: this.#now() + TOTAL_MS })
    return (await this.#removeWhere((record) => record.user === user && record.family === family)) > 0
  }

  async revokeAll(user: string): Promise<void> {
    await this.#removeWhere((record) => record.user === user)
  }

  async #tidy(user: string): Promise<void> {
    await this.#removeWhere((record) => !this.#isLive(record))
    for (const { key, value } of this.#ended.list()) if (value.until < this.#now()) await this.#ended.remove(key)
    const own = this.list(user)
    for (const old of own.slice(LOGINS_PER_USER_MAX - 1)) await this.revoke(user, old.id)
  }

  async #removeWhere(test: (record: LoginRecord) => boolean): Promise<number> {
    const gone = this.#logins.list().filter(({ value }) => test(value))
    for (const { key } of gone) await this.#logins.remove(key)
    return gone.length
  }

  #isLive(record: LoginRecord): boolean {
    const now = this.#now()
    const isYoung = now - record.seenAt < IDLE_MS && now - record.createdAt < TOTAL_MS
    return isYoung && this.#ended.get(record.family) === undefined
  }
}
