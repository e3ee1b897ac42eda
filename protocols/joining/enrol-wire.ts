/**
 * Wire of the enrolment conversation (`/mesh/join/1`), frames of at most 4 KiB, between a newcomer (N) and a member (M) under
 * throw-away keys. N: hi. M: proof. N: [secret,] details. N, when its person agrees: ask. M: admit. N: done. Either may end
 * it with no. The member proves who it is before the newcomer says anything about itself.
 */
import { z } from 'zod'
import { decodeAs, decodeCbor, encodeCbor, tryPeerKey } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { Address, bytesOf, bytesUpTo, isPrintable, LIMITS, Name, Text, WallMs } from './shapes.ts'

export const JOIN_PROTOCOL = '/mesh/join/1'
/** Goes into the Noise handshake, so that nothing but an enrolment listener answers a newcomer. */
export const JOIN_PROLOGUE = 'omega-join-v1'
const VERSIONS: readonly [number, number] = [1, 1]

/** SPKI of a P-256 key is 91 bytes. */
const SPKI_MAX = 160
const DETAILS_MAX = 2048
/** Members named in `admit`; cut to what fits its frame. */
const MEMBERS_MAX = 16

const Version = z.number().int().min(0).max(65_535)
const PeerId = z.string().refine((id) => tryPeerKey(id) !== undefined, 'must be a peer id')

const Hi = z.looseObject({
  t: z.literal('hi'),
  v: z.tuple([Version, Version]),
  /** Of nonce and details, so that neither can be chosen after the member's nonce is known. */
  commit: bytesOf(32),
  /** Id of the invite; absent: a knock at an open door. */
  invite: bytesOf(8).optional()
})
const Proof = z.looseObject({
  t: z.literal('proof'),
  genesis: bytesUpTo(LIMITS.genesisBytes),
  certificate: bytesUpTo(LIMITS.certificateBytes),
  nonce: bytesOf(32),
  wall: WallMs,
  sig: bytesOf(64)
})
const Secret = z.looseObject({ t: z.literal('secret'), mac: bytesOf(32) })
const DetailsFrame = z.looseObject({
  t: z.literal('details'),
  nonce: bytesOf(32),
  body: bytesUpTo(DETAILS_MAX),
  /** By the device key over the transcript: the newcomer holds the key that it wants certified. */
  pop: bytesOf(64)
})
const Ask = z.looseObject({ t: z.literal('ask') })
const Admit = z.looseObject({
  t: z.literal('admit'),
  certificate: bytesUpTo(LIMITS.certificateBytes),
  /** The mesh CA and the newcomer's leaf, DER. */
  ca: bytesUpTo(LIMITS.x509Bytes),
  leaf: bytesUpTo(LIMITS.x509Bytes),
  members: z.array(z.looseObject({ peer: PeerId, addresses: z.array(Address).max(LIMITS.addresses) })).max(MEMBERS_MAX)
})
const Done = z.looseObject({ t: z.literal('done') })
const No = z.looseObject({ t: z.literal('no'), code: z.string().max(32), text: Text })

const Frame = z.discriminatedUnion('t', [Hi, Proof, Secret, DetailsFrame, Ask, Admit, Done, No])
export type EnrolFrame = z.infer<typeof Frame>

/** What a newcomer says about itself. */
export const Details = z.looseObject({
  device: bytesOf(32),
  name: Name,
  /** "linux x64": shown beside the words. */
  platform: z.string().max(64).refine(isPrintable, 'must be printable text'),
  /** Its host name without domain, for its TLS certificate; empty when it has none that fits. */
  host: z
    .string()
    .max(63)
    .regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$/, 'must be a host name label'),
  /** IP addresses for its TLS certificate. */
  ips: z.array(Address).max(LIMITS.addresses),
  /** Public half of its TLS key, SPKI DER. */
  spki: bytesUpTo(SPKI_MAX)
})
export type Details = z.infer<typeof Details>

/** A member as a newcomer first hears of it. */
export interface MemberHint {
  peer: string
  addresses: readonly string[]
}

export const hiVersions = (): [number, number] => [...VERSIONS]

/** Throws WIRE_LIMIT above 4 KiB, a bug of the sender: `admit`, the one that can grow, is cut to fit by `encodeAdmit`. */
export function encodeEnrol(frame: EnrolFrame): Uint8Array {
  const bytes = encodeCbor(frame)
  if (bytes.length > LIMITS.enrolFrameBytes) {
    throw new MeshError(
      'WIRE_LIMIT',
      `a frame of enrolment has at most ${LIMITS.enrolFrameBytes} bytes, "${frame.t}" has ${bytes.length}`
    )
  }
  return bytes
}

/** With as many members as fit, first ones first. */
export function encodeAdmit(admit: {
  certificate: Uint8Array
  ca: Uint8Array
  leaf: Uint8Array
  members: readonly MemberHint[]
}): Uint8Array {
  for (let count = Math.min(admit.members.length, MEMBERS_MAX); ; count--) {
    const members = admit.members
      .slice(0, count)
      .map(({ peer, addresses }) => ({ peer, addresses: addresses.slice(0, LIMITS.addresses) }))
    const frame: EnrolFrame = { t: 'admit', certificate: admit.certificate, ca: admit.ca, leaf: admit.leaf, members }
    if (count === 0 || encodeCbor(frame).length <= LIMITS.enrolFrameBytes) return encodeEnrol(frame)
  }
}

/** Throws WIRE_LIMIT, WIRE_VERSION or WIRE_INVALID. */
export function decodeEnrol(bytes: Uint8Array): EnrolFrame {
  if (bytes.length > LIMITS.enrolFrameBytes) {
    throw new MeshError(
      'WIRE_LIMIT',
      `a frame of enrolment has at most ${LIMITS.enrolFrameBytes} bytes, this one ${bytes.length}`
    )
  }
  const hi = z.looseObject({ t: z.literal('hi'), v: z.tuple([Version, Version]) }).safeParse(decodeCbor(bytes))
  if (hi.success && (hi.data.v[1] < VERSIONS[0] || hi.data.v[0] > VERSIONS[1])) {
    throw new MeshError(
      'WIRE_VERSION',
      `the newcomer enrols by version ${hi.data.v.join(' to ')}, this member by ${VERSIONS.join(' to ')}: update the older of the two`
    )
  }
  return decodeAs(Frame, bytes, 'enrolment')
}
