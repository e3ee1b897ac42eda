/**
 * The one-line invite: `omega-invite:` and the base64url of a signed record. It carries a 128-bit secret, so whoever
 * reads it can use it; and it names mesh and signer, so that the newcomer knows whom it talks to before it says a word
 * about itself (SECURITY 1.2). A CBOR array keeps it below 600 characters with four addresses.
 */
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { toHex } from '../codec.ts'
import type { Crypto, MeshId } from '../ports.ts'
import { Address, bytesOf, CLOCK_SLACK_MS, Name, utf8Bytes } from './shapes.ts'
import { isSignedBy, readRecord, sealRecord } from './signed.ts'
import type { Signer } from './signed.ts'

export const INVITE_PREFIX = 'omega-invite:'
const DOMAIN = 'omega-invite-v1\0'
/** Longer text is not looked at: nothing that this program prints comes near. */
const TEXT_MAX = 1200
export const INVITE_ADDRESSES_MAX = 4
export const INVITE_USES_MAX = 1000
export const INVITE_TTL_DEFAULT_MS = 24 * 3_600_000
export const INVITE_TTL_MAX_MS = 30 * 24 * 3_600_000

const Shape = z.tuple([
  z.literal(1),
  bytesOf(32),
  Name,
  bytesOf(32),
  bytesOf(16),
  z.number().int().nonnegative(),
  z.number().int().min(1).max(INVITE_USES_MAX),
  z.array(Address).max(INVITE_ADDRESSES_MAX)
])

export interface Invite {
  mesh: MeshId
  meshName: string
  /** Device key of the member that made it and that will answer. */
  signer: Uint8Array
  secret: Uint8Array
  /** Milliseconds since 1970, whole seconds. */
  exp: number
  uses: number
  /** host:port of the issuer's enrolment listener, most likely first. */
  addresses: readonly string[]
}

export function makeInvite(invite: Omit<Invite, 'mesh'> & { meshId: Uint8Array }, sign: Signer): string {
  const { meshId, meshName, signer, secret, exp, uses } = invite
  const addresses = invite.addresses.slice(0, INVITE_ADDRESSES_MAX)
  const fields = Shape.parse([1, meshId, meshName, signer, secret, Math.floor(exp / 1000), uses, addresses])
  return INVITE_PREFIX + toBase64Url(sealRecord(DOMAIN, fields, sign))
}

/** Throws INVITE_INVALID: not an invite, cut short or changed, or expired by this PC's clock. */
export function parseInvite(text: string, wall: number, crypto: Crypto): Invite {
  const line = text.trim()
  if (!line.startsWith(INVITE_PREFIX))
    throw invalid(`it must begin with "${INVITE_PREFIX}"; copy the whole line that "omega invite" prints`)
  if (line.length > TEXT_MAX) throw invalid(`it has ${line.length} characters, at most ${TEXT_MAX} are possible`)
  const signed = fromBase64Url(line.slice(INVITE_PREFIX.length))
  if (signed === undefined) throw invalid('it holds characters that no invite has; copy it again as one line')
  const [, mesh, meshName, signer, secret, expS, uses, addresses] = readFields(signed)
  if (!isSignedBy(DOMAIN, signed, signer, crypto))
    throw invalid('its signature does not fit: it was changed, or made up')
  const exp = expS * 1000
  if (wall > exp + CLOCK_SLACK_MS) {
    throw invalid(`it expired ${Math.ceil((wall - exp) / 60_000)} minutes ago by this PC's clock; ask for a new one`)
  }
  return { mesh: toHex(mesh), meshName, signer, secret, exp, uses, addresses }
}

/** By which the issuer finds the invite; tells nothing of the secret. */
export function inviteId(secret: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hmac(secret, utf8Bytes('omega-invite-id-v1\0')).slice(0, 8)
}

/** With which both sides prove the secret; the issuer keeps this and not the secret itself. */
export function inviteKey(secret: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hmac(secret, utf8Bytes('omega-invite-key-v1\0'))
}

function readFields(signed: Uint8Array): z.infer<typeof Shape> {
  try {
    return readRecord(Shape, signed, 'the invite', 'INVITE_INVALID')
  } catch (error) {
    throw invalid('it is cut short or garbled; copy it again as one line', error)
  }
}

function invalid(what: string, cause?: unknown): MeshError {
  return new MeshError(
    'INVITE_INVALID',
    `this invite does not work: ${what}`,
    cause === undefined ? undefined : { cause }
  )
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

export function toBase64Url(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    for (bits += 8; bits >= 6; bits -= 6) text += BASE64URL[(value >> (bits - 6)) & 63]
  }
  return bits > 0 ? text + BASE64URL[(value << (6 - bits)) & 63] : text
}

/** Undefined for text that is not base64url. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8))
  let at = 0
  let bits = 0
  let value = 0
  for (const char of text) {
    const six = BASE64URL.indexOf(char)
    if (six < 0) return undefined
    value = ((value << 6) | six) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (value >> bits) & 255
  }
  return bytes
}
