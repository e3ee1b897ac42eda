/**
 * What binds the enrolment conversation together. The transcript starts with both throw-away keys, so a man in the middle,
 * who has other keys on each side, can neither relay the member's proof nor get the same words on both screens. The
 * newcomer commits to its nonce and details before the member's nonce is known, and the member's nonce is sent before
 * the newcomer's is revealed: nobody can search for a transcript whose words match.
 */
import { peerKey } from '../codec.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { concatBytes, utf8Bytes } from './shapes.ts'

const COMMIT = utf8Bytes('omega-join-commit-v1\0')
const TRANSCRIPT = utf8Bytes('omega-join-transcript-v1\0')
const WORDS = utf8Bytes('omega-join-words-v1\0')
const PROOF = utf8Bytes('omega-join-proof-v1\0')
const POP = utf8Bytes('omega-join-pop-v1\0')
const SECRET = utf8Bytes('omega-join-secret-v1\0')

export function commitTo(nonce: Uint8Array, detailsBody: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.sha256(COMMIT, nonce, crypto.sha256(detailsBody))
}

export interface ProvenParts {
  /** Throw-away peer ids of this connection. */
  newcomer: PeerId
  member: PeerId
  commit: Uint8Array
  memberNonce: Uint8Array
  meshId: Uint8Array
  /** The member's device key. */
  memberDevice: Uint8Array
}

/** The state of the conversation once the member has proven itself. */
export function provenTranscript(parts: ProvenParts, crypto: Crypto): Uint8Array {
  const { newcomer, member, commit, memberNonce, meshId, memberDevice } = parts
  return crypto.sha256(TRANSCRIPT, peerKey(newcomer), peerKey(member), commit, memberNonce, meshId, memberDevice)
}

/** What the member signs with its device key. */
export const proofBytes = (transcript: Uint8Array): Uint8Array => concatBytes(PROOF, transcript)

/** What the newcomer signs with its device key. */
export function popBytes(
  transcript: Uint8Array,
  nonce: Uint8Array,
  detailsBody: Uint8Array,
  crypto: Crypto
): Uint8Array {
  return concatBytes(POP, transcript, nonce, crypto.sha256(detailsBody))
}

export function secretMac(inviteKey: Uint8Array, transcript: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hmac(inviteKey, SECRET, transcript)
}

/** The hash that the six words show: all of the above and what the newcomer revealed. */
export function wordsHash(
  transcript: Uint8Array,
  nonce: Uint8Array,
  detailsBody: Uint8Array,
  crypto: Crypto
): Uint8Array {
  return crypto.sha256(WORDS, transcript, nonce, crypto.sha256(detailsBody))
}
