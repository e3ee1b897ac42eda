/**
 * A person's word that the PCs without which a strict session cannot go on are off (PROTOCOLS.md 2.4.7). Signed by the PC at
 * which it was given and kept in the record, so that everyone can see who said what. Whether it was true, nobody can check.
 */
import { encodeCbor, tryPeerKey } from '../codec.ts'
import type { Crypto, PeerId, SessionId } from '../ports.ts'

export interface ForceTakeover {
  /** Login name of the person, and the PC where it was said. */
  by: string
  peer: PeerId
  /** Of the run that followed. */
  epoch: number
  at: number
  signature: Uint8Array
}

/**
 * A forced takeover starts a thousand thousands of epochs anew: a runner that was on after all may have counted on without
 * anybody hearing of it, and its count must be the lower one when it does.
 */
const EPOCHS_A_REIGN = 1_000_000

/** How often a person has taken the session over. */
export const reignOf = (epoch: number): number => Math.floor(epoch / EPOCHS_A_REIGN)
export const firstEpochOf = (reign: number): number => reign * EPOCHS_A_REIGN

export function signForce(crypto: Crypto, session: SessionId, force: Omit<ForceTakeover, 'signature'>): ForceTakeover {
  return { ...force, signature: crypto.sign(signedBytes(session, force)) }
}

export function isForceGenuine(crypto: Crypto, session: SessionId, force: ForceTakeover): boolean {
  const key = tryPeerKey(force.peer)
  return key !== undefined && crypto.verify(key, signedBytes(session, force), force.signature)
}

const signedBytes = (session: SessionId, { by, epoch, at }: Omit<ForceTakeover, 'signature'>): Uint8Array =>
  encodeCbor(['omega force takeover', session, epoch, by, at])
