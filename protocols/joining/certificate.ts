/**
 * The membership certificate (SECURITY 1.3): what makes a device a member. Signed by a device that the root key
 * delegated to; lives 30 days, is renewed from day 10. Whoever knows the genesis can check it alone.
 */
import { z } from 'zod'
import { peerIdOf, toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { openDelegation } from './genesis.ts'
import type { Genesis } from './genesis.ts'
import { bytesOf, bytesUpTo, CLOCK_SLACK_MS, DAY_MS, isPrintable, LIMITS, Name, sameBytes, WallMs } from './shapes.ts'
import { isSignedBy, readRecord, sealRecord } from './signed.ts'
import type { Signer } from './signed.ts'

const DOMAIN = 'omega-cert-v1\0'
export const CERT_LIFE_MS = 30 * DAY_MS
/** Age from which a certificate is renewed: a third of its life, so that two thirds are left for finding a signer. */
export const CERT_RENEW_AFTER_MS = 10 * DAY_MS

export const CERT_CAPS = ['mesh', 'run', 'store', 'serve', 'auth', 'sign', 'gateway'] as const
export type CertCap = (typeof CERT_CAPS)[number]
export const MEMBER_CAPS: readonly CertCap[] = ['mesh', 'run', 'store', 'serve']
/** Of the first PC: it also knows the users and may sign certificates. */
export const FIRST_MEMBER_CAPS: readonly CertCap[] = [...MEMBER_CAPS, 'auth', 'sign']

const Label = z.string().max(LIMITS.labelChars).refine(isPrintable, 'must be printable text')
const Shape = z.strictObject({
  v: z.literal(1),
  mesh: bytesOf(32),
  serial: bytesOf(16),
  device: bytesOf(32),
  name: Name,
  caps: z.array(z.enum(CERT_CAPS)).max(CERT_CAPS.length),
  labels: z
    .record(Label, Label)
    .refine((l) => Object.keys(l).length <= LIMITS.labels, `at most ${LIMITS.labels} labels`),
  /** SHA-256 of the SPKI of the device's TLS key. */
  tls: bytesOf(32),
  nbf: WallMs,
  exp: WallMs,
  issuer: bytesOf(32),
  /** Signed delegations from the root key to the issuer. Who may extend it to two is for the ledger to say; one until then. */
  chain: z.array(bytesUpTo(LIMITS.delegationBytes)).min(1).max(2),
  epoch: z.number().int().nonnegative()
})
export type Certificate = z.infer<typeof Shape>

export interface Verified {
  certificate: Certificate
  peer: PeerId
  /** As stored and forwarded. */
  signed: Uint8Array
}

export interface IssueInput {
  genesis: Genesis
  /** The issuer's own key and its delegation from the root. */
  issuer: Uint8Array
  delegation: Uint8Array
  serial: Uint8Array
  device: Uint8Array
  name: string
  caps: readonly CertCap[]
  labels?: Readonly<Record<string, string>>
  tls: Uint8Array
  wall: number
  epoch?: number
}

export function issueCertificate(input: IssueInput, sign: Signer): Uint8Array {
  const { serial, device, name, tls, issuer, wall } = input
  const dates = { nbf: wall, exp: wall + CERT_LIFE_MS }
  const rest = {
    caps: [...input.caps],
    labels: { ...input.labels },
    chain: [input.delegation],
    epoch: input.epoch ?? 0
  }
  return sealRecord(
    DOMAIN,
    Shape.parse({ v: 1, mesh: input.genesis.idBytes, serial, device, name, tls, issuer, ...dates, ...rest }),
    sign
  )
}

/** The same member for 30 more days. The caller has verified `current` and that the one who asks holds its device key. */
export function renewCertificate(
  current: Certificate,
  input: Pick<IssueInput, 'genesis' | 'issuer' | 'delegation' | 'serial' | 'wall'> & { tls?: Uint8Array },
  sign: Signer
): Uint8Array {
  const { device, name, caps, labels, epoch } = current
  return issueCertificate({ ...input, device, name, caps, labels, epoch, tls: input.tls ?? current.tls }, sign)
}

export function certificateNeedsRenewal(certificate: Certificate, wall: number): boolean {
  return wall >= certificate.nbf + CERT_RENEW_AFTER_MS
}

export interface VerifyInput {
  genesis: Genesis
  /** The key that the other side has proven to hold. */
  device: PeerId
  /** This PC's clock, and the other side's where it told it: tells a wrong clock from a certificate that ran out. */
  wall: number
  theirWall?: number
  crypto: Crypto
}

/** Throws CERT_INVALID that says what is wrong, or CLOCK_SKEW where a wrong clock explains the dates. */
export function verifyCertificate(signed: Uint8Array, input: VerifyInput): Verified {
  const { genesis, device, crypto } = input
  if (signed.length > LIMITS.certificateBytes) {
    throw refused(`a certificate has at most ${LIMITS.certificateBytes} bytes, this one ${signed.length}`)
  }
  const certificate = readRecord(Shape, signed, 'certificate', 'CERT_INVALID')
  const mesh = toHex(certificate.mesh)
  if (mesh !== genesis.id) {
    throw refused(`it is for another mesh (${mesh.slice(0, 8)}, this is "${genesis.name}" ${genesis.id.slice(0, 8)})`)
  }
  if (peerIdOf(certificate.device) !== device) {
    throw refused(`it belongs to ${peerIdOf(certificate.device)}, and ${device} showed it`)
  }
  verifyIssuer(signed, certificate, genesis, crypto)
  if (!certificate.caps.includes('mesh'))
    throw refused('caps: it does not allow to take part in the mesh ("mesh" is missing)')
  verifyDates(certificate, input)
  return { certificate, peer: device, signed }
}

/** Reads a certificate of one's own store, which was verified when it was put there. */
export function readCertificate(signed: Uint8Array): Certificate {
  return readRecord(Shape, signed, 'certificate', 'CERT_INVALID')
}

function verifyIssuer(signed: Uint8Array, certificate: Certificate, genesis: Genesis, crypto: Crypto): void {
  if (certificate.chain.length !== 1) throw refused('chain: this version accepts one delegation, not two')
  const delegation = openDelegation(certificate.chain[0]!, genesis, crypto)
  if (!sameBytes(delegation.device, certificate.issuer))
    throw refused('chain: the delegation is for another device than the issuer')
  if (!delegation.caps.includes('enrol'))
    throw refused('chain: the issuer may not enrol members ("enrol" is missing in its delegation)')
  if (certificate.nbf < delegation.nbf - CLOCK_SLACK_MS || certificate.exp > delegation.exp + CLOCK_SLACK_MS) {
    throw refused('chain: it is valid outside of the time for which its issuer may sign')
  }
  if (!isSignedBy(DOMAIN, signed, certificate.issuer, crypto)) throw refused('the signature is not the issuer’s')
}

function verifyDates({ name, nbf, exp }: Certificate, { genesis, wall, theirWall }: VerifyInput): void {
  if (exp <= nbf || exp - nbf > CERT_LIFE_MS)
    throw refused(`it says to live ${span(exp - nbf)}, and 30 days is the most`)
  const isWithin = (clock: number): boolean => clock >= nbf - CLOCK_SLACK_MS && clock <= exp + CLOCK_SLACK_MS
  if (isWithin(wall)) return
  const between =
    theirWall === undefined ? '' : `; the clocks of the two PCs differ by ${span(Math.abs(theirWall - wall))}`
  if (wall < nbf) {
    const behind =
      wall < genesis.created - CLOCK_SLACK_MS
        ? `; this PC's clock is ${span(genesis.created - wall)} before the mesh was made`
        : between
    throw skewed(`the certificate of "${name}" starts ${span(nbf - wall)} from now by this PC's clock${behind}`)
  }
  const ended = `that of "${name}" expired ${span(wall - exp)} ago by this PC's clock`
  if (theirWall !== undefined && isWithin(theirWall)) throw skewed(ended + between)
  throw refused(`${ended}: a reachable signer must renew it, or its PC joins again with an invite`)
}

const refused = (what: string): MeshError => new MeshError('CERT_INVALID', `certificate refused: ${what}`)
const skewed = (what: string): MeshError =>
  new MeshError(
    'CLOCK_SKEW',
    `certificate refused: ${what} (10 minutes are allowed). Set date and time right on both PCs, then try again`
  )

/** A duration in the largest unit that keeps it readable. */
function span(ms: number): string {
  if (ms < 0) return `-${span(-ms)}`
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`
  if (ms >= 7_200_000) return `${Math.floor(ms / 3_600_000)} hours`
  return `${Math.max(1, Math.floor(ms / 60_000))} minutes`
}
