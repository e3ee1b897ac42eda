/**
 * Wire of the plane `hello`, the only one a peer may use before its certificate is seen: Hello both ways at link up, each
 * answered with Welcome once it verified, or with Bye and a reason. At most 8 KiB and 2 s for all of it.
 */
import { z } from 'zod'
import { decodeAs, decodeCbor, encodeCbor } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { bytesOf, bytesUpTo, LIMITS, Text, WallMs } from './shapes.ts'

/** Major versions of the whole wire that this program speaks: lowest and highest. */
export const WIRE_VERSIONS: readonly [number, number] = [1, 1]
export const HELLO_TIMEOUT_MS = 2000
export const HELLO_MEMBER_TIMEOUT_MS = 10_000

const Version = z.number().int().min(0).max(65_535)
export const Hello = z.looseObject({
  t: z.literal('hello'),
  v: z.tuple([Version, Version]),
  mesh: bytesOf(32),
  /** Number of the link at the sender: grows with each link it makes. */
  n: z.number().int().min(0).max(0xffffffff),
  /** Signed membership certificate. */
  cert: bytesUpTo(LIMITS.certificateBytes),
  /** Signed member record, opaque here: membership checks it. */
  record: bytesUpTo(LIMITS.recordBytes),
  /** The sender's date, to measure the difference of the clocks. */
  wall: WallMs,
  features: z.array(z.string().max(32)).max(32)
})
export const Welcome = z.looseObject({ t: z.literal('welcome') })
export const Bye = z.looseObject({ t: z.literal('bye'), code: z.string().max(32), text: Text })
export const HelloMessage = z.discriminatedUnion('t', [Hello, Welcome, Bye])
export type HelloMessage = z.infer<typeof HelloMessage>

export function encodeHello(message: HelloMessage): Uint8Array {
  const bytes = encodeCbor(message)
  if (bytes.length > LIMITS.helloBytes)
    throw new MeshError('WIRE_LIMIT', `a hello has at most ${LIMITS.helloBytes} bytes, this one ${bytes.length}`)
  return bytes
}

const AnyVersion = z.looseObject({ t: z.literal('hello'), v: z.tuple([Version, Version]) })

/** Throws WIRE_LIMIT, WIRE_INVALID, or WIRE_VERSION: that of a Hello is looked at before the rest of its fields. */
export function decodeHello(frame: Uint8Array): HelloMessage {
  if (frame.length > LIMITS.helloBytes)
    throw new MeshError('WIRE_LIMIT', `a hello has at most ${LIMITS.helloBytes} bytes, this one ${frame.length}`)
  const first = AnyVersion.safeParse(decodeCbor(frame))
  if (first.success) {
    const [min, max] = first.data.v
    if (max < WIRE_VERSIONS[0] || min > WIRE_VERSIONS[1]) throw wrongVersion(min, max)
  }
  return decodeAs(HelloMessage, frame, 'hello')
}

function wrongVersion(min: number, max: number): MeshError {
  const older = max < WIRE_VERSIONS[0]
  return new MeshError(
    'WIRE_VERSION',
    `one side speaks wire version ${min} to ${max}, the other ${WIRE_VERSIONS[0]} to ${WIRE_VERSIONS[1]}: update Omega on the ${older ? 'PC that says hello' : 'PC that refuses'}`
  )
}
