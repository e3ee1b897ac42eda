/**
 * What the replicated ledger holds of people: accounts (`user/<name>`), browser logins (`login/<hash of the cookie>`) and
 * tokens for programs (`token/<hash of the token>`), and which logins were ended (`ended/<family>`). Secrets are in no
 * record, only their hashes. A record that does not fit its shape counts as absent: another member wrote it.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { decodeAs, encodeCbor } from '../../protocols/codec.ts'
import type { Ledger } from '../http/api.ts'

const name = z.string().min(1).max(64)
const ms = z.number().int().min(0)
const hex = z
  .string()
  .regex(/^[0-9a-f]+$/)
  .max(64)
const role = z.enum(['admin', 'user', 'viewer'])

export const UserRecord = z.object({
  v: z.literal(1),
  /** Never changes; another account of the same name has another. */
  id: hex,
  name,
  role,
  /** argon2id verifier; null until the person has set a password. */
  verifier: z.string().max(256).nullable(),
  /** Changes with the password: logins made before it end. */
  stamp: hex,
  /** One-time link to set a password. */
  setup: z.object({ hash: hex, until: ms }).nullable(),
  createdAt: ms
})
export type UserRecord = z.infer<typeof UserRecord>

export const LoginRecord = z.object({
  v: z.literal(1),
  user: name,
  userId: hex,
  stamp: hex,
  /** The same for all peers that one login was handed over to; revoked as one. */
  family: hex,
  createdAt: ms,
  /** Written at most each quarter of an hour. */
  seenAt: ms,
  /** What the browser says it is. */
  agent: z.string().max(120)
})
export type LoginRecord = z.infer<typeof LoginRecord>

/**
 * A login that was ended, by its family (`ended/<family>`). Another member may renew or hand over the login before it has
 * heard of the end; its write is newer than the removal and brings the record back, this note keeps it ended.
 */
export const EndedRecord = z.object({ v: z.literal(1), until: ms })
export type EndedRecord = z.infer<typeof EndedRecord>

export const TokenRecord = z.object({
  v: z.literal(1),
  user: name,
  /** Empty for a token of a PC's own user, who is in no ledger. */
  userId: z.string().max(64),
  label: z.string().max(64),
  role,
  createdAt: ms,
  expiresAt: ms
})
export type TokenRecord = z.infer<typeof TokenRecord>

/** Records of one kind under one prefix. */
export class Records<T> {
  readonly #ledger: Ledger
  readonly #prefix: string
  readonly #schema: z.ZodType<T>
  /** The ledger gives the same bytes until they change. */
  readonly #decoded = new WeakMap<Uint8Array, { value: T | undefined }>()

  constructor(ledger: Ledger, prefix: string, schema: z.ZodType<T>) {
    this.#ledger = ledger
    this.#prefix = prefix
    this.#schema = schema
  }

  get(key: string): T | undefined {
    const bytes = this.#ledger.get(this.#prefix + key)
    return bytes === undefined ? undefined : this.#decode(bytes)
  }

  list(): { key: string; value: T }[] {
    const found: { key: string; value: T }[] = []
    for (const [key, bytes] of this.#ledger.list(this.#prefix)) {
      const value = this.#decode(bytes)
      if (value !== undefined) found.push({ key: key.slice(this.#prefix.length), value })
    }
    return found
  }

  async put(key: string, value: T): Promise<void> {
    await this.#ledger.put(this.#prefix + key, encodeCbor(value))
  }

  async remove(key: string): Promise<void> {
    await this.#ledger.remove(this.#prefix + key)
  }

  #decode(bytes: Uint8Array): T | undefined {
    const known = this.#decoded.get(bytes)
    if (known !== undefined) return known.value
    let value: T | undefined
    try {
      value = decodeAs(this.#schema, bytes, this.#prefix)
    } catch {
      value = undefined
    }
    this.#decoded.set(bytes, { value })
    return value
  }
}

/** 256 random bits as text for a cookie, a link, a token. */
export const newSecret = () => randomBytes(32).toString('base64url')
export const newId = () => randomBytes(8).toString('hex')
export const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
