/**
 * Shapes and limits of the fields that joining reads from strangers: fixed-size bytes, names a screen can show, times.
 * Everything here bounds what is kept, printed or compared.
 */
import { z } from 'zod'
import { MeshError } from '../errors.ts'

export const LIMITS = {
  /** UTF-8 bytes of a mesh's or a PC's name: fits a line, and keeps an invite with four IPv6 addresses below 600 characters. */
  nameBytes: 64,
  /** Labels of one certificate, and characters of a key or value. */
  labels: 16,
  labelChars: 64,
  /** Hello of the `hello` plane: a certificate is under 2 KiB, a signed member record under 2 KiB; twice that. */
  helloBytes: 8 * 1024,
  recordBytes: 4 * 1024,
  /** One frame of the enrolment conversation (SECURITY 1.2). */
  enrolFrameBytes: 4 * 1024,
  /** A signed certificate with its chain. */
  certificateBytes: 3 * 1024,
  genesisBytes: 512,
  delegationBytes: 512,
  /** X.509 certificates as DER: CA with name constraints about 700 bytes, leaf with 16 alternative names about 900. */
  x509Bytes: 1536,
  /** Address hints of one PC. */
  addresses: 8,
  addressChars: 128,
  /** What a refusal may say. */
  textChars: 300
} as const

export const DAY_MS = 86_400_000
/** Clocks may differ by this much before dates of certificates count as wrong (SECURITY 1.3). */
export const CLOCK_SLACK_MS = 10 * 60_000

/** Exactly `length` bytes. */
export const bytesOf = (length: number) =>
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length === length, `must be ${length} bytes`)
/** 1 to `max` bytes. */
export const bytesUpTo = (max: number) =>
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length > 0 && v.length <= max, `must be 1 to ${max} bytes`)

/** Control characters, line separators, direction overrides and lone surrogates could fake another line or word on a screen. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
export const isPrintable = (text: string): boolean => !UNPRINTABLE.test(text)
const utf8 = new TextEncoder()
export const utf8Bytes = (text: string): Uint8Array => utf8.encode(text)

export const Name = z
  .string()
  .min(1)
  .max(LIMITS.nameBytes)
  .refine((t) => isPrintable(t) && t.trim() === t, 'must be printable text without spaces at its ends')
  .refine((t) => utf8Bytes(t).length <= LIMITS.nameBytes, `must be at most ${LIMITS.nameBytes} bytes of UTF-8`)
export const Text = z.string().max(LIMITS.textChars).refine(isPrintable, 'must be printable text')
/** Milliseconds since 1970-01-01 UTC. */
export const WallMs = z.number().int().nonnegative()
/** Address hint: opaque to protocols (multiaddr text or host:port), but never more than one printable word. */
export const Address = z
  .string()
  .min(1)
  .max(LIMITS.addressChars)
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII')

/** A name made fit for the wire: unprintable characters dropped, cut at the limit; `otherwise` when nothing is left. */
export function fitName(text: string, otherwise: string, bytesMax: number = LIMITS.nameBytes): string {
  let fit = ''
  for (const char of text.replace(new RegExp(UNPRINTABLE, 'gu'), '').trim()) {
    if (utf8Bytes(fit + char).length > bytesMax) break
    fit += char
  }
  return fit.trim() === '' ? otherwise : fit.trim()
}

/** Equal bytes; compares all of them whatever differs, since one side may be a secret's proof. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let differs = 0
  for (let i = 0; i < a.length; i++) differs |= a[i]! ^ b[i]!
  return differs === 0
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Whatever was thrown, as a MeshError: parsers of strangers' bytes must never let anything else out. */
export function asMeshError(error: unknown, what: string): MeshError {
  if (error instanceof MeshError) return error
  return new MeshError('WIRE_INVALID', `${what}: ${(error as Error).message}`, { cause: error })
}
