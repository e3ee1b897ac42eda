/**
 * The X.509 side of a mesh, for browsers: one CA made with the mesh, a leaf a peer. Ed25519 is not taken by browsers, so
 * P-256. The CA carries name constraints (RFC 5280, 4.2.1.10): whoever trusts it trusts it for names and addresses of a
 * LAN and for nothing of the rest of the web. Private keys stay on their PC; a newcomer sends its public half.
 */
import 'reflect-metadata'
import { createHash, generateKeyPair, randomBytes, webcrypto, X509Certificate as ParsedCertificate } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import { MeshError } from '../../protocols/errors.ts'

const DAY_MS = 86_400_000
const CA_LIFE_MS = 3650 * DAY_MS
export const LEAF_LIFE_MS = 30 * DAY_MS
/** As with membership certificates: renewed at a third of its life. */
const LEAF_RENEW_AFTER_MS = 10 * DAY_MS
/** Starts this much early, for browsers on PCs whose clock is behind. */
const EARLY_MS = DAY_MS

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
/** The runtime's own, by the type that the library knows it under. */
const provider = webcrypto as unknown as Crypto
const { subtle } = provider

/** A name in it allows itself and everything below it. */
const ALLOWED_DOMAINS = ['local', 'localhost', 'lan', 'home.arpa', 'internal'] as const
/** Private, shared (RFC 6598), link-local and loopback ranges. */
const ALLOWED_RANGES = [
  { ip: '10.0.0.0', bits: 8 },
  { ip: '172.16.0.0', bits: 12 },
  { ip: '192.168.0.0', bits: 16 },
  { ip: '100.64.0.0', bits: 10 },
  { ip: '169.254.0.0', bits: 16 },
  { ip: '127.0.0.0', bits: 8 },
  { ip: 'fc00::', bits: 7 },
  { ip: 'fe80::', bits: 10 },
  { ip: '::1', bits: 128 }
] as const
const allowed = new BlockList()
for (const { ip, bits } of ALLOWED_RANGES) allowed.addSubnet(ip, bits, isIP(ip) === 6 ? 'ipv6' : 'ipv4')
/** Addresses in one leaf, the first in order of text: keeps it below what an enrolment frame carries. */
const LEAF_IPS_MAX = 10

export interface MeshCa {
  /** DER. */
  ca: Uint8Array
  /** PKCS #8. */
  caKey: Uint8Array
}
/** What a peer's leaf is good for: its host name (one label) and its addresses. */
export interface LeafNames {
  host: string
  ips: readonly string[]
}

export async function makeMeshCa(meshName: string, wall: number): Promise<MeshCa> {
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: [`Omega CA of ${meshName}`] }],
      notBefore: new Date(wall - EARLY_MS),
      notAfter: new Date(wall + CA_LIFE_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.Extension('2.5.29.30', true, nameConstraints()),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, provider)
      ]
    },
    provider
  )
  const caKey = new Uint8Array(await subtle.exportKey('pkcs8', keys.privateKey))
  return { ca: new Uint8Array(certificate.rawData), caKey }
}

/** A TLS key of this PC: PKCS #8 to keep, SPKI to have certified. */
export async function makeTlsKey(): Promise<{ tlsKey: Uint8Array; spki: Uint8Array }> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return {
    tlsKey: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
    spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))
  }
}

export interface LeafRequest extends LeafNames {
  name: string
  spki: Uint8Array
  wall: number
}

/** Throws BAD_REQUEST for an SPKI that is no P-256 key. Addresses and names outside of the constraints are left out. */
export async function issueLeaf({ ca, caKey }: MeshCa, request: LeafRequest): Promise<Uint8Array> {
  const authority = new x509.X509Certificate(copy(ca))
  const publicKey = await importSpki(request.spki)
  const signingKey = await subtle.importKey('pkcs8', copy(caKey), ALGORITHM, false, ['sign'])
  const { dns, ips } = alternativeNames(request)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      issuer: authority.subjectName,
      subject: [{ CN: [`Omega on ${request.name}`] }],
      notBefore: new Date(request.wall - EARLY_MS),
      notAfter: new Date(request.wall + LEAF_LIFE_MS),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          ...dns.map((value) => ({ type: 'dns', value }) as const),
          ...ips.map((value) => ({ type: 'ip', value }) as const)
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, provider),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, provider)
      ]
    },
    provider
  )
  return new Uint8Array(certificate.rawData)
}

/** True from a third of its life on, and when a name or address of now is missing in it. */
export function leafNeedsRenewal(leaf: Uint8Array, names: LeafNames, wall: number): boolean {
  const certificate = new ParsedCertificate(leaf)
  if (wall >= certificate.validFromDate.getTime() + EARLY_MS + LEAF_RENEW_AFTER_MS) return true
  const { dns, ips } = alternativeNames(names)
  return (
    dns.some((name) => certificate.checkHost(name) === undefined) ||
    ips.some((ip) => certificate.checkIP(ip) === undefined)
  )
}

/** Throws CERT_INVALID unless this CA signed this leaf for this TLS key: what a newcomer checks before it keeps them. */
export function checkLeaf(leaf: Uint8Array, ca: Uint8Array, spki: Uint8Array): void {
  try {
    const parsed = new ParsedCertificate(leaf)
    const authority = new ParsedCertificate(ca)
    const isOurs = Buffer.compare(parsed.publicKey.export({ format: 'der', type: 'spki' }), spki) === 0
    if (isOurs && authority.ca && parsed.verify(authority.publicKey)) return
  } catch (error) {
    throw new MeshError(
      'CERT_INVALID',
      `the TLS certificate from the mesh cannot be read: ${(error as Error).message}`,
      { cause: error }
    )
  }
  throw new MeshError(
    'CERT_INVALID',
    'the TLS certificate from the mesh is not for this PC’s key, or not by the mesh CA'
  )
}

export function certificatePem(der: Uint8Array): string {
  return pem('CERTIFICATE', der)
}
export function privateKeyPem(pkcs8: Uint8Array): string {
  return pem('PRIVATE KEY', pkcs8)
}
/** SHA-256 of the DER as browsers show it: AA:BB:… */
export function fingerprint(der: Uint8Array): string {
  return createHash('sha256')
    .update(der)
    .digest('hex')
    .toUpperCase()
    .replace(/(..)(?!$)/g, '$1:')
}

/** True for an address that the CA may vouch for and a browser can open. */
export function isLanAddress(ip: string): boolean {
  const family = isIP(ip)
  // A link-local IPv6 address needs a zone, which no URL carries.
  return family !== 0 && !/^fe[89ab]/i.test(ip) && allowed.check(ip, family === 6 ? 'ipv6' : 'ipv4')
}

function alternativeNames({ host, ips }: LeafNames): { dns: string[]; ips: string[] } {
  const own =
    host === '' || host === 'localhost'
      ? []
      : ['local', 'lan', 'home.arpa', 'internal'].map((domain) => `${host}.${domain}`)
  const lan = ips.filter((ip) => isLanAddress(ip) && ip !== '127.0.0.1' && ip !== '::1')
  return {
    dns: ['localhost', 'omega.local', ...own],
    ips: ['127.0.0.1', '::1', ...[...new Set(lan)].sort()].slice(0, LEAF_IPS_MAX)
  }
}

async function importSpki(spki: Uint8Array): Promise<CryptoKey> {
  try {
    return await subtle.importKey('spki', copy(spki), ALGORITHM, true, ['verify'])
  } catch (error) {
    throw new MeshError('BAD_REQUEST', 'the TLS key to certify is no P-256 public key', { cause: error })
  }
}

/** 16 random bytes, positive as DER wants it. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** NameConstraints { permittedSubtrees [0] { { dNSName [2] | iPAddress [7] address and mask }… } } as DER. */
function nameConstraints(): ArrayBuffer {
  const names = ALLOWED_DOMAINS.map((domain) => der(0x30, der(0x82, Buffer.from(domain, 'ascii'))))
  const ranges = ALLOWED_RANGES.map(({ ip, bits }) => der(0x30, der(0x87, addressAndMask(ip, bits))))
  return copy(der(0x30, der(0xa0, Buffer.concat([...names, ...ranges]))))
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from(head), content])
}

function addressAndMask(ip: string, bits: number): Buffer {
  const address = isIP(ip) === 4 ? Buffer.from(ip.split('.').map(Number)) : ipv6Bytes(ip)
  const mask = Buffer.alloc(address.length)
  for (let bit = 0; bit < bits; bit++) mask[bit >> 3]! |= 0x80 >> (bit & 7)
  return Buffer.concat([address, mask])
}

/** Of an address written with one `::`, as in the table above. */
function ipv6Bytes(ip: string): Buffer {
  const [head, tail] = ip.split('::').map((part) => part.split(':').filter((group) => group !== '')) as [
    string[],
    string[]
  ]
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** An ArrayBuffer of its own, as the library wants it. */
const copy = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer
