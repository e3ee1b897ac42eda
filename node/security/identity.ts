/**
 * Who this PC is: its device key, and its membership in a mesh (genesis, certificate, TLS leaf, and on a signer the keys to
 * enrol others). Both in the data folder, 0600, atomic, fsynced. Founding a mesh makes all of it, and the recovery kit.
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { entropyToMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { z } from 'zod'
import { decodeAs, encodeCbor, peerIdOf, tryPeerKey } from '../../protocols/codec.ts'
import { MeshError } from '../../protocols/errors.ts'
import {
  bytesUpTo,
  DELEGATION_LIFE_MS,
  FIRST_MEMBER_CAPS,
  fitName,
  issueCertificate,
  makeDelegation,
  makeGenesis,
  openGenesis,
  readCertificate
} from '../../protocols/joining/index.ts'
import type { Certificate, Enrolled, Genesis } from '../../protocols/joining/index.ts'
import { deviceCrypto } from '../adapters/crypto.ts'
import { checkLeaf, issueLeaf, makeMeshCa, makeTlsKey } from './mesh-ca.ts'
import { readPrivate, removePrivate, writePrivate } from './private-files.ts'

export const BIP39_ENGLISH: readonly string[] = wordlist

const SEED_FILE = 'device.key'
const MEMBERSHIP_FILE = 'membership.cbor'
const SEED_BYTES = 32
const MEMBERSHIP_BYTES_MAX = 64 * 1024

const Signing = z.strictObject({ delegation: bytesUpTo(1024), caKey: bytesUpTo(1024) })
const Stored = z.strictObject({
  v: z.literal(1),
  genesis: bytesUpTo(1024),
  certificate: bytesUpTo(4096),
  ca: bytesUpTo(4096),
  leaf: bytesUpTo(4096),
  tlsKey: bytesUpTo(1024),
  signing: Signing.optional(),
  members: z
    .array(
      z.strictObject({
        peer: z.string().refine((id) => tryPeerKey(id) !== undefined),
        addresses: z.array(z.string().max(128)).max(8)
      })
    )
    .max(64)
})

/** Signed records and DER as they are stored and forwarded. */
export interface Membership {
  genesis: Uint8Array
  certificate: Uint8Array
  ca: Uint8Array
  leaf: Uint8Array
  /** PKCS #8 of the TLS key. */
  tlsKey: Uint8Array
  /** Of a signer only: the root's delegation to this device, and the CA's key (PKCS #8). */
  signing?: z.infer<typeof Signing>
  /** Members to dial first: where this PC was let in. */
  members: { peer: string; addresses: string[] }[]
}

/** The 32 secret bytes of this PC's device key, made at the first call. Throws STORE_FAILED. */
export function loadDeviceSeed(dir: string): Uint8Array {
  const path = join(dir, SEED_FILE)
  const known = readPrivate(path, 1024)
  if (known !== undefined && known.length === SEED_BYTES) return known
  if (known !== undefined) {
    throw new MeshError(
      'STORE_FAILED',
      `${path} holds ${known.length} bytes, a device key has ${SEED_BYTES}: restore it from a backup, or remove it and join the mesh again`
    )
  }
  const seed = new Uint8Array(randomBytes(SEED_BYTES))
  writePrivate(path, seed)
  return seed
}

/** Undefined: this PC is in no mesh. Throws STORE_FAILED when the file is there and is not a membership of this device. */
export function loadMembership(dir: string): Membership | undefined {
  const path = join(dir, MEMBERSHIP_FILE)
  const bytes = readPrivate(path, MEMBERSHIP_BYTES_MAX)
  if (bytes === undefined) return undefined
  try {
    const { v: _v, signing, ...membership } = decodeAs(Stored, bytes, 'membership')
    return signing === undefined ? membership : { ...membership, signing }
  } catch (error) {
    throw new MeshError(
      'STORE_FAILED',
      `${path} is damaged (${(error as Error).message}): restore it from a backup, or run "omega leave" and join again`,
      { cause: error }
    )
  }
}

export function saveMembership(dir: string, membership: Membership): void {
  const { members, ...rest } = membership
  writePrivate(join(dir, MEMBERSHIP_FILE), encodeCbor({ v: 1, ...rest, members: members.slice(0, 64) }))
}

/** What enrolment brought, checked against this PC's TLS key and put on disk. Throws CERT_INVALID, STORE_FAILED. */
export function keepEnrolled(
  dir: string,
  enrolled: Enrolled,
  tls: { tlsKey: Uint8Array; spki: Uint8Array }
): Membership {
  const { genesis, certificate, ca, leaf } = enrolled
  checkLeaf(leaf, ca, tls.spki)
  const members = enrolled.members.map(({ peer, addresses }) => ({ peer, addresses: [...addresses] }))
  const membership: Membership = {
    genesis: genesis.signed,
    certificate: certificate.signed,
    ca,
    leaf,
    tlsKey: tls.tlsKey,
    members
  }
  saveMembership(dir, membership)
  return membership
}

/** The device key stays: the same PC may join again. */
export function forgetMembership(dir: string): void {
  removePrivate(join(dir, MEMBERSHIP_FILE))
}

/** A membership opened: its genesis checked, its certificate read. Throws CERT_INVALID, also when it is another device's. */
export function openMembership(
  membership: Membership,
  deviceSeed: Uint8Array
): { genesis: Genesis; certificate: Certificate } {
  const crypto = deviceCrypto(deviceSeed)
  const genesis = openGenesis(membership.genesis, crypto)
  const certificate = readCertificate(membership.certificate)
  const self = peerIdOf(crypto.publicKey)
  if (peerIdOf(certificate.device) !== self) {
    throw new MeshError(
      'CERT_INVALID',
      `the stored membership is of ${peerIdOf(certificate.device)}, and this PC is ${self}: run "omega leave", then join again`
    )
  }
  return { genesis, certificate }
}

export interface FoundMeshInput {
  dir: string
  deviceSeed: Uint8Array
  meshName: string
  peerName: string
  /** Host name label and addresses for the TLS leaf. */
  host: string
  ips: readonly string[]
  wall: number
}
export interface FoundedMesh {
  membership: Membership
  genesis: Genesis
  /** Where the recovery kit lies, and the line that tells the owner. */
  kitFile: string
  kitNotice: string
}

/** Makes root key, genesis, delegation, own certificate, CA and leaf. On disk when it resolves, the kit first. */
export async function foundMesh(input: FoundMeshInput): Promise<FoundedMesh> {
  const { dir, wall, host, ips } = input
  const device = deviceCrypto(input.deviceSeed)
  const rootSeed = new Uint8Array(randomBytes(32))
  const root = deviceCrypto(rootSeed)
  const name = fitName(input.meshName, 'mesh')
  const peerName = fitName(input.peerName, 'PC')
  const nonce = new Uint8Array(randomBytes(16))
  const genesis = openGenesis(makeGenesis({ name, root: root.publicKey, nonce, created: wall }, root.sign), device)
  const delegation = makeDelegation(
    {
      mesh: genesis.idBytes,
      device: device.publicKey,
      caps: ['enrol', 'renew'],
      nbf: wall,
      exp: wall + DELEGATION_LIFE_MS
    },
    root.sign
  )
  const { tlsKey, spki } = await makeTlsKey()
  const certificate = issueCertificate(
    {
      genesis,
      issuer: device.publicKey,
      delegation,
      serial: new Uint8Array(randomBytes(16)),
      device: device.publicKey,
      name: peerName,
      caps: FIRST_MEMBER_CAPS,
      tls: device.sha256(spki),
      wall
    },
    device.sign
  )
  const { ca, caKey } = await makeMeshCa(name, wall)
  const leaf = await issueLeaf({ ca, caKey }, { name: peerName, host, ips, spki, wall })
  const membership: Membership = {
    genesis: genesis.signed,
    certificate,
    ca,
    leaf,
    tlsKey,
    signing: { delegation, caKey },
    members: []
  }
  const kitFile = writeKit(dir, genesis, rootSeed)
  saveMembership(dir, membership)
  rootSeed.fill(0)
  const kitNotice = `The recovery kit of "${name}" is ${kitFile}: print it or copy it to a safe place, then delete it here.`
  return { membership, genesis, kitFile, kitNotice }
}

/** Host name without domain, fit for a TLS name; '' when the system has none that fits. */
export function hostLabel(name: string = hostname()): string {
  const label = name.split('.')[0]!.toLowerCase()
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label) ? label : ''
}

function writeKit(dir: string, genesis: Genesis, rootSeed: Uint8Array): string {
  const words = entropyToMnemonic(rootSeed, [...BIP39_ENGLISH]).split(' ')
  const rows = [0, 6, 12, 18].map((at) => `  ${words.slice(at, at + 6).join(' ')}`)
  const text = [
    `Recovery kit of the Omega mesh "${genesis.name}"`,
    `Mesh id: ${genesis.id}`,
    '',
    'These 24 words are the root key of the mesh. Whoever has them can let PCs into it and put members out.',
    'They are needed only when every PC that may enrol others is lost. Print this page or copy it to a safe place,',
    'then delete this file from the PC.',
    '',
    ...rows,
    ''
  ].join('\n')
  const path = join(dir, `recovery-kit-${genesis.id.slice(0, 8)}.txt`)
  writePrivate(path, Buffer.from(text, 'utf8'))
  return path
}
