/**
 * The one-time token of a mesh without an account: whoever holds it makes the first account, as admin. Only its hash is
 * kept, in memory; each start makes a new one, and it is good only while there is no account anywhere in the mesh.
 */
import type { Accounts } from './accounts.ts'
import { hashOf, newSecret, sameHash } from './records.ts'

export class FirstRun {
  readonly #accounts: Accounts
  readonly #hash: string
  /** Given out once more for each who may ask: the console of the peer and the PC's own user. */
  readonly #token: string

  constructor(accounts: Accounts) {
    this.#accounts = accounts
    this.#token = newSecret()
    this.#hash = hashOf(this.#token)
  }

  /** Null when the mesh has an account. */
  token(): string | null {
    return this.#accounts.isEmpty() ? this.#token : null
  }

  accepts(token: string): boolean {
    return sameHash(hashOf(token), this.#hash) && this.#accounts.isEmpty()
  }
}
