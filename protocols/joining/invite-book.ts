/**
 * What the issuer of invites remembers of them: uses, wrong tries, ends; and until when its door stands open. Pure data;
 * the host keeps it on disk before an answer goes out. The secret itself is not kept, only the key made from it.
 */
import { z } from 'zod'
import { decodeAs, encodeCbor, toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { INVITE_USES_MAX } from './invite.ts'
import { bytesOf, CLOCK_SLACK_MS, WallMs } from './shapes.ts'

/** Invites remembered at once, dead ones included. */
const INVITES_MAX = 64
/** Wrong secrets in all, then the invite is burnt (SECURITY 1.2). */
export const WRONG_TRIES_MAX = 3
/** After its last use an invite still answers the device that used it, whose connection may have died before the answer. */
const SAME_DEVICE_AGAIN_MS = 120_000

const InviteRecord = z.strictObject({
  /** Hex of inviteId. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  key: bytesOf(32),
  exp: WallMs,
  uses: z.number().int().min(1).max(INVITE_USES_MAX),
  /** Device keys, hex, that came in by it. */
  usedBy: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(INVITE_USES_MAX),
  lastUse: WallMs,
  wrong: z.number().int().nonnegative()
})
export type InviteRecord = z.infer<typeof InviteRecord>

const Shape = z.strictObject({ v: z.literal(1), invites: z.array(InviteRecord).max(INVITES_MAX), doorUntil: WallMs })
export interface InviteBook {
  invites: InviteRecord[]
  /** Wall time at which the door closes; 0: closed. */
  doorUntil: number
}

export const emptyBook = (): InviteBook => ({ invites: [], doorUntil: 0 })
export const encodeBook = (book: InviteBook): Uint8Array => encodeCbor({ v: 1, ...book })
/** Throws WIRE_INVALID for bytes that are no book. */
export function decodeBook(bytes: Uint8Array): InviteBook {
  const { invites, doorUntil } = decodeAs(Shape, bytes, 'the book of invites')
  return { invites, doorUntil }
}

export function addInvite(
  book: InviteBook,
  invite: { id: Uint8Array; key: Uint8Array; exp: number; uses: number },
  wall: number
): InviteRecord {
  if (book.invites.length >= INVITES_MAX) {
    const dead = book.invites.findIndex((i) => !isLive(i, wall))
    if (dead < 0)
      throw new MeshError(
        'BUSY',
        `${INVITES_MAX} invites are alive, which is the most; let one expire or revoke it first`
      )
    book.invites.splice(dead, 1)
  }
  const made: InviteRecord = { ...invite, id: toHex(invite.id), usedBy: [], lastUse: 0, wrong: 0 }
  book.invites.push(made)
  return made
}

/** True while an invite or the door lives: only then does the enrolment listener exist. */
export function hasReasonToListen(book: InviteBook, wall: number): boolean {
  return book.doorUntil > wall || book.invites.some((i) => isLive(i, wall))
}

/** The next moment at which `hasReasonToListen` may turn false; undefined when nothing lives. */
export function nextEnd(book: InviteBook, wall: number): number | undefined {
  const ends = book.invites
    .filter((i) => isLive(i, wall))
    .map((i) => (isUsedUp(i) ? i.lastUse + SAME_DEVICE_AGAIN_MS : i.exp))
  if (book.doorUntil > wall) ends.push(book.doorUntil)
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** Throws INVITE_INVALID: unknown, burnt or expired. A used-up one passes here, since its last device may ask again. */
export function findInvite(book: InviteBook, idHex: string, wall: number): InviteRecord {
  const invite = book.invites.find((i) => i.id === idHex)
  if (invite === undefined) throw refused('this PC did not make it, or has forgotten it')
  if (invite.wrong >= WRONG_TRIES_MAX) throw refused(`it is burnt: ${WRONG_TRIES_MAX} wrong secrets were tried`)
  if (wall > invite.exp + CLOCK_SLACK_MS)
    throw refused(`it expired ${Math.ceil((wall - invite.exp) / 60_000)} minutes ago`)
  return invite
}

/** Counts a wrong secret. Returns the error to answer with. */
export function countWrong(invite: InviteRecord): MeshError {
  invite.wrong += 1
  const left = WRONG_TRIES_MAX - invite.wrong
  return refused(
    left > 0
      ? `the secret is wrong; ${left} more wrong ${left === 1 ? 'try' : 'tries'} and it is burnt`
      : 'the secret is wrong, and the invite is burnt now'
  )
}

/** Takes one use for this device; the same device again takes none. Throws INVITE_INVALID when used up. */
export function takeUse(invite: InviteRecord, device: Uint8Array, wall: number): void {
  const hex = toHex(device)
  if (invite.usedBy.includes(hex)) {
    if (isUsedUp(invite) && wall > invite.lastUse + SAME_DEVICE_AGAIN_MS) throw usedUp(invite)
    return
  }
  if (isUsedUp(invite)) throw usedUp(invite)
  invite.usedBy.push(hex)
  invite.lastUse = wall
}

const isUsedUp = (invite: InviteRecord): boolean => invite.usedBy.length >= invite.uses
const usedUp = (invite: InviteRecord): MeshError =>
  refused(`it is used up (${invite.uses === 1 ? 'good for one PC' : `good for ${invite.uses} PCs`})`)
const refused = (what: string): MeshError =>
  new MeshError('INVITE_INVALID', `this invite does not work: ${what}; ask for a new one`)

function isLive(invite: InviteRecord, wall: number): boolean {
  if (invite.wrong >= WRONG_TRIES_MAX || wall > invite.exp) return false
  return !isUsedUp(invite) || wall <= invite.lastUse + SAME_DEVICE_AGAIN_MS
}
