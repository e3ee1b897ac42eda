/**
 * A signed record: 64 bytes of Ed25519 signature over `domain || body`, then the body. The bytes that were signed are the
 * bytes that are stored and forwarded; nothing is re-encoded before verifying. The domain keeps a signature made for one
 * kind of record from counting as another.
 */
import type { z } from 'zod'
import { decodeAs, encodeCbor } from '../codec.ts'
import type { MeshErrorCode } from '../errors.ts'
import { MeshError } from '../errors.ts'
import type { Crypto } from '../ports.ts'
import { concatBytes, utf8Bytes } from './shapes.ts'

/** Signs with a key the caller holds: the device key, or the root key at founding. */
export type Signer = (bytes: Uint8Array) => Uint8Array

const SIGNATURE_BYTES = 64

export function sealRecord(domain: string, record: unknown, sign: Signer): Uint8Array {
  const body = encodeCbor(record)
  return concatBytes(sign(concatBytes(utf8Bytes(domain), body)), body)
}

/** The body, whose signature nobody has checked yet. */
export function bodyOf(signed: Uint8Array, what: string, code: MeshErrorCode): Uint8Array {
  if (signed.length > SIGNATURE_BYTES) return signed.subarray(SIGNATURE_BYTES)
  throw new MeshError(code, `${what} is cut short: ${signed.length} bytes`)
}

/** Reads the fields without checking the signature, to learn who should have signed. */
export function readRecord<T>(schema: z.ZodType<T>, signed: Uint8Array, what: string, code: MeshErrorCode): T {
  try {
    return decodeAs(schema, bodyOf(signed, what, code), what)
  } catch (error) {
    if (error instanceof MeshError && error.code === code) throw error
    throw new MeshError(code, (error as Error).message, { cause: error })
  }
}

export function isSignedBy(domain: string, signed: Uint8Array, key: Uint8Array, crypto: Crypto): boolean {
  if (signed.length <= SIGNATURE_BYTES) return false
  const body = signed.subarray(SIGNATURE_BYTES)
  return crypto.verify(key, concatBytes(utf8Bytes(domain), body), signed.subarray(0, SIGNATURE_BYTES))
}
