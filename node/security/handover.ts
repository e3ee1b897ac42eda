/**
 * The hand-over: a peer's page holds a ticket with which another member logs the same person in when this peer dies. A
 * ticket is signed by the peer that made it, names a live login, lasts a minute, and each member takes it once.
 */
import { z } from 'zod'
import { decodeAs, encodeCbor } from '../../protocols/codec.ts'
import type { PeerApi } from '../http/api.ts'
import { DoorError } from '../http/errors.ts'
import type { Login, Logins } from './logins.ts'
import { newId } from './records.ts'

export const TICKET_MS = 60_000
/** PCs whose clocks differ by five minutes are to go on working. */
const CLOCK_SLACK_MS = 6 * 60_000
const TAKEN_MAX = 10_000
const PURPOSE = new TextEncoder().encode('omega-handover-v1\0')

const Ticket = z.object({
  v: z.literal(1),
  login: z.string().regex(/^[0-9a-f]{64}$/),
  user: z.string().max(64),
  jti: z.string().regex(/^[0-9a-f]{16}$/),
  exp: z.number().int(),
  by: z.string().max(64)
})

export class Handover {
  readonly #api: Pick<PeerApi, 'peerId' | 'sign' | 'verifyMember'>
  readonly #logins: Logins
  readonly #now: () => number
  /** jti -> when it can be forgotten; insertion order is order of time. */
  readonly #taken = new Map<string, number>()

  constructor(api: Pick<PeerApi, 'peerId' | 'sign' | 'verifyMember'>, logins: Logins, now: () => number) {
    this.#api = api
    this.#logins = logins
    this.#now = now
  }

  issue(login: Login): string {
    const { peerId } = this.#api
    const ticket = encodeCbor({
      v: 1,
      login: login.hash,
      user: login.user.name,
      jti: newId(),
      exp: this.#now() + TICKET_MS,
      by: peerId
    })
    const signature = this.#api.sign(withPurpose(ticket))
    return `${Buffer.from(ticket).toString('base64url')}.${Buffer.from(signature).toString('base64url')}`
  }

  /** The login to go on with. Throws BAD_LOGIN for a ticket that is forged, old, used, or whose login has ended. */
  take(text: string): Login {
    const [body = '', signature = ''] = text.split('.')
    const bytes = Buffer.from(body, 'base64url')
    const ticket = read(bytes)
    const now = this.#now()
    if (
      ticket === undefined ||
      !this.#api.verifyMember(ticket.by, withPurpose(bytes), Buffer.from(signature, 'base64url'))
    )
      throw refused('it was not made by a member of this mesh')
    if (now > ticket.exp + CLOCK_SLACK_MS || now < ticket.exp - TICKET_MS - CLOCK_SLACK_MS)
      throw refused('it is too old')
    const login = this.#logins.findByHash(ticket.login)
    if (login === undefined || login.user.name !== ticket.user) throw refused('its login has ended')
    if (this.#taken.has(ticket.jti)) throw refused('it was used already')
    this.#remember(ticket.jti, ticket.exp + CLOCK_SLACK_MS, now)
    return login
  }

  #remember(jti: string, until: number, now: number): void {
    for (const [old, end] of this.#taken) {
      if (end > now) break
      this.#taken.delete(old)
    }
    // Only a live login's tickets come this far; when even those fill the list, new ones wait rather than old ones return.
    if (this.#taken.size >= TAKEN_MAX) throw refused('too many tickets came at once')
    this.#taken.set(jti, until)
  }
}

function read(bytes: Uint8Array): z.infer<typeof Ticket> | undefined {
  try {
    return decodeAs(Ticket, bytes, 'ticket')
  } catch {
    return undefined
  }
}

const withPurpose = (bytes: Uint8Array) => Buffer.concat([PURPOSE, bytes])
const refused = (why: string) => new DoorError(403, 'BAD_LOGIN', `the hand-over ticket is refused: ${why}; sign in`)
