/**
 * People of the mesh: name, role, password verifier. Replicated, so that the same account works at every peer. The first
 * account is made with the one-time link of a mesh that has none; each later one by an admin, with a one-time link by
 * which the person sets the password. There is no default account and no default password.
 */
import { MeshError } from '../../protocols/errors.ts'
import type { Log } from '../../protocols/ports.ts'
import type { Ledger, Role } from '../http/api.ts'
import { DoorError } from '../http/errors.ts'
import type { UserView } from '../http/views.ts'
import type { Passwords } from './passwords.ts'
import { hashOf, newId, newSecret, Records, sameHash, UserRecord } from './records.ts'

export const SETUP_LINK_MS = 24 * 3_600_000
export const USERS_MAX = 1000

export class Accounts {
  readonly #users: Records<UserRecord>
  readonly #ledger: Ledger
  readonly #passwords: Passwords
  readonly #now: () => number
  readonly #log: Log
  /** One change of accounts at a time here: two first accounts cannot both be first. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(ledger: Ledger, passwords: Passwords, now: () => number, log: Log) {
    this.#users = new Records(ledger, 'user/', UserRecord)
    this.#ledger = ledger
    this.#passwords = passwords
    this.#now = now
    this.#log = log
  }

  /** False even for an account that cannot be read: somebody has been here. */
  isEmpty(): boolean {
    return this.#ledger.list('user/').length === 0
  }

  get(name: string): UserRecord | undefined {
    const user = this.#users.get(name)
    return user?.name === name ? user : undefined
  }

  list(): UserView[] {
    return this.#users.list().map(({ value }) => ({ name: value.name, role: value.role }))
  }

  /** The owner's account. Rejects DENIED when there is any account. */
  createFirst(name: string, password: string): Promise<UserRecord> {
    return this.#oneByOne(async () => {
      if (!this.isEmpty()) throw new MeshError('DENIED', 'this mesh has accounts already; sign in with one of them')
      const user = this.#newUser(name, 'admin', await this.#passwords.hash(password))
      await this.#users.put(name, user)
      this.#log.info('first account made', { user: name })
      return user
    })
  }

  /** Adds a person, or renews the link of one who has never set a password. Gives the one-time token of the link. */
  add(name: string, role: Role): Promise<{ user: UserView; token: string; until: number }> {
    return this.#oneByOne(async () => {
      if (this.get(name) !== undefined) throw new MeshError('BAD_REQUEST', `there is an account ${name} already`)
      if (this.#users.list().length >= USERS_MAX)
        throw new MeshError('TOO_LARGE', `a mesh has at most ${USERS_MAX} accounts`)
      return await this.#withLink(this.#newUser(name, role, null))
    })
  }

  /** A new one-time link for a person who forgot the password. The old one works until the new one is set. */
  renewLink(name: string): Promise<{ user: UserView; token: string; until: number }> {
    return this.#oneByOne(async () => await this.#withLink(this.#mustGet(name)))
  }

  /** Takes the link. All logins made with an older password end. */
  setPassword(name: string, token: string, password: string): Promise<UserRecord> {
    return this.#oneByOne(async () => {
      const user = this.get(name)
      const setup = user?.setup
      if (user === undefined || !setup || setup.until < this.#now() || !sameHash(setup.hash, hashOf(token)))
        throw new DoorError(
          403,
          'BAD_LOGIN',
          'this link is used up, too old or not for this name; ask an admin for a new one'
        )
      const next = { ...user, verifier: await this.#passwords.hash(password), stamp: newId(), setup: null }
      await this.#users.put(name, next)
      this.#log.info('password set', { user: name })
      return next
    })
  }

  remove(name: string): Promise<void> {
    return this.#oneByOne(async () => {
      const user = this.#mustGet(name)
      const admins = this.#users.list().filter(({ value }) => value.role === 'admin' && value.verifier !== null)
      if (admins.length === 1 && admins[0]!.value.name === user.name)
        throw new MeshError('BAD_REQUEST', `${name} is the only admin; make another one first`)
      await this.#users.remove(name)
      this.#log.info('account removed', { user: name })
    })
  }

  /** Undefined when name or password is wrong; it takes the same time to say so. */
  async verify(name: string, password: string): Promise<UserRecord | undefined> {
    const user = this.get(name)
    const verdict = await this.#passwords.verify(password, user?.verifier ?? undefined)
    if (verdict === 'wrong' || user === undefined) return undefined
    if (verdict === 'stale') await this.#rehash(user, password)
    return user
  }

  #rehash(user: UserRecord, password: string): Promise<void> {
    return this.#oneByOne(async () => {
      const now = this.get(user.name)
      if (now?.stamp !== user.stamp) return
      await this.#users.put(user.name, { ...now, verifier: await this.#passwords.hash(password) })
    })
  }

  async #withLink(user: UserRecord): Promise<{ user: UserView; token: string; until: number }> {
    const token = newSecret()
    const until = this.#now() + SETUP_LINK_MS
    await this.#users.put(user.name, { ...user, setup: { hash: hashOf(token), until } })
    this.#log.info('set-password link made', { user: user.name, role: user.role })
    return { user: { name: user.name, role: user.role }, token, until }
  }

  #newUser(name: string, role: Role, verifier: string | null): UserRecord {
    return { v: 1, id: newId(), name, role, verifier, stamp: newId(), setup: null, createdAt: this.#now() }
  }

  #mustGet(name: string): UserRecord {
    const user = this.get(name)
    if (user === undefined) throw new DoorError(404, 'NOT_FOUND', `there is no account ${name}`)
    return user
  }

  #oneByOne<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(change)
    this.#turn = done.catch(() => {})
    return done
  }
}
