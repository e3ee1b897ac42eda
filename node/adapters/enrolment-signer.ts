/**
 * What a signer signs for a newcomer whose conversation is through: the membership certificate and a TLS leaf, under a name
 * that no other member has.
 */
import { peerIdOf } from '../../protocols/codec.ts'
import { MeshError } from '../../protocols/errors.ts'
import { fitName, issueCertificate, MEMBER_CAPS } from '../../protocols/joining/index.ts'
import type { Genesis, Grant, GrantRequest, MemberHint } from '../../protocols/joining/index.ts'
import type { Clock, Crypto, PeerId, Random } from '../../protocols/ports.ts'
import type { Membership } from '../security/identity.ts'
import { issueLeaf } from '../security/mesh-ca.ts'

export interface SignerParts {
  genesis: Genesis
  /** Read when needed, since certificate and leaf are renewed. */
  membership(): Membership
  /** This member's device key. */
  device: Uint8Array
  crypto: Crypto
  clock: Clock
  random: Random
  /** Whom a newcomer dials first: this peer, then others. */
  members(): readonly MemberHint[]
  /** True when another peer than this one has the name. */
  isNameTaken(name: string, peer: PeerId): boolean
}

/** Rejects with DENIED on a peer that is no signer, BAD_REQUEST for a TLS key that cannot be certified. */
export async function signNewcomer(request: GrantRequest, parts: SignerParts): Promise<{ name: string; grant: Grant }> {
  const { genesis, device, crypto, random, members } = parts
  const { ca, signing } = parts.membership()
  if (signing === undefined) throw noSigner(genesis)
  const name = freeName(request.name, peerIdOf(request.device), parts)
  const wall = parts.clock.wall()
  const leaf = await issueLeaf({ ca, caKey: signing.caKey }, { ...request, name, wall })
  const certificate = issueCertificate(
    {
      genesis,
      issuer: device,
      delegation: signing.delegation,
      serial: random.bytes(16),
      device: request.device,
      name,
      caps: MEMBER_CAPS,
      tls: crypto.sha256(request.spki),
      wall
    },
    crypto.sign
  )
  return { name, grant: { certificate, ca, leaf, members: members() } }
}

export function noSigner(genesis: Genesis): MeshError {
  return new MeshError(
    'DENIED',
    `this PC cannot let others into "${genesis.name}": do it on the PC where the mesh was made`
  )
}

/** "den", and for the next PC of that name "den-2". */
function freeName(wanted: string, peer: PeerId, { isNameTaken }: SignerParts): string {
  for (let n = 1; n < 1000; n++) {
    const name = n === 1 ? wanted : `${fitName(wanted, 'PC', 60)}-${n}`
    if (!isNameTaken(name, peer)) return name
  }
  throw new MeshError('BUSY', `a thousand PCs are called "${wanted}" already; give this one another name`)
}
