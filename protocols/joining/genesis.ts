/**
 * How a mesh begins: the genesis record names the mesh and its root key, signed by that key; its hash is the mesh id. The
 * root key also signs a delegation, by which a device may enrol and renew members while the root key lies in a drawer.
 */
import { z } from 'zod'
import { toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { Crypto, MeshId } from '../ports.ts'
import { bytesOf, DAY_MS, LIMITS, Name, WallMs } from './shapes.ts'
import { bodyOf, isSignedBy, readRecord, sealRecord } from './signed.ts'
import type { Signer } from './signed.ts'

const GENESIS_DOMAIN = 'omega-genesis-v1\0'
const DELEGATION_DOMAIN = 'omega-delegation-v1\0'

/** A delegation outlives the PC it was made for; revocation and the recovery kit end it earlier. */
export const DELEGATION_LIFE_MS = 3650 * DAY_MS

const GenesisShape = z.strictObject({
  v: z.literal(1),
  name: Name,
  root: bytesOf(32),
  nonce: bytesOf(16),
  created: WallMs
})
export type GenesisRecord = z.infer<typeof GenesisShape>

/** A genesis whose signature holds. */
export interface Genesis extends GenesisRecord {
  id: MeshId
  /** SHA-256 of the record's bytes: the mesh id as bytes. */
  idBytes: Uint8Array
  /** As stored and forwarded. */
  signed: Uint8Array
}

export const DELEGATION_CAPS = ['enrol', 'renew'] as const
const DelegationShape = z.strictObject({
  v: z.literal(1),
  mesh: bytesOf(32),
  device: bytesOf(32),
  caps: z.array(z.enum(DELEGATION_CAPS)).max(DELEGATION_CAPS.length),
  nbf: WallMs,
  exp: WallMs
})
export type Delegation = z.infer<typeof DelegationShape>

export function makeGenesis(fields: Omit<GenesisRecord, 'v'>, signAsRoot: Signer): Uint8Array {
  return sealRecord(GENESIS_DOMAIN, GenesisShape.parse({ v: 1, ...fields }), signAsRoot)
}

/** Throws CERT_INVALID unless this is a genesis signed by the root key it names. */
export function openGenesis(signed: Uint8Array, crypto: Crypto): Genesis {
  if (signed.length > LIMITS.genesisBytes) {
    throw new MeshError('CERT_INVALID', `a genesis has at most ${LIMITS.genesisBytes} bytes, this one ${signed.length}`)
  }
  const record = readRecord(GenesisShape, signed, 'the genesis record', 'CERT_INVALID')
  if (!isSignedBy(GENESIS_DOMAIN, signed, record.root, crypto)) {
    throw new MeshError('CERT_INVALID', `the genesis of "${record.name}" is not signed by its root key`)
  }
  const idBytes = crypto.sha256(bodyOf(signed, 'the genesis record', 'CERT_INVALID'))
  return { ...record, id: toHex(idBytes), idBytes, signed }
}

export function makeDelegation(fields: Omit<Delegation, 'v'>, signAsRoot: Signer): Uint8Array {
  return sealRecord(DELEGATION_DOMAIN, DelegationShape.parse({ v: 1, ...fields }), signAsRoot)
}

/** Throws CERT_INVALID unless the root key of this mesh signed it. Dates are the caller's to check. */
export function openDelegation(signed: Uint8Array, genesis: Genesis, crypto: Crypto): Delegation {
  if (!isSignedBy(DELEGATION_DOMAIN, signed, genesis.root, crypto)) {
    throw new MeshError('CERT_INVALID', `chain: the delegation is not signed by the root key of "${genesis.name}"`)
  }
  const delegation = readRecord(DelegationShape, signed, 'chain: the delegation', 'CERT_INVALID')
  if (toHex(delegation.mesh) !== genesis.id) {
    throw new MeshError(
      'CERT_INVALID',
      `chain: the delegation is for mesh ${toHex(delegation.mesh).slice(0, 8)}, not ${genesis.id.slice(0, 8)}`
    )
  }
  return delegation
}
