/**
 * The newcomer's side of one enrolment conversation, as a synchronous reducer. It tells nothing of itself before the member
 * has proven that it is the invite's signer, or a member of the mesh whose door this is; at a door it asks only after its
 * person agreed to the six words. Nothing a stranger answers makes it throw.
 */
import { encodeCbor, peerIdOf } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { MeshErrorCode } from '../errors.ts'
import type { Crypto, MeshId, PeerId } from '../ports.ts'
import { readCertificate, verifyCertificate } from './certificate.ts'
import type { Verified } from './certificate.ts'
import { commitTo, popBytes, proofBytes, provenTranscript, secretMac, wordsHash } from './enrol-transcript.ts'
import { decodeEnrol, Details, encodeEnrol, hiVersions } from './enrol-wire.ts'
import type { EnrolFrame, MemberHint } from './enrol-wire.ts'
import { openGenesis } from './genesis.ts'
import type { Genesis } from './genesis.ts'
import { inviteId, inviteKey } from './invite.ts'
import type { Invite } from './invite.ts'
import { asMeshError, sameBytes } from './shapes.ts'
import { sixWords } from './words.ts'

export interface NewcomerConfig {
  /** Throw-away ids of this connection. */
  self: PeerId
  member: PeerId
  /** `device` in it is the key that `crypto.sign` signs with. */
  details: Details
  /** 32 fresh random bytes. */
  nonce: Uint8Array
  words: readonly string[]
  crypto: Crypto
  /** Absent: this is a knock at an open door. */
  invite?: Invite
}

/** What a person here decides on. */
export interface Offer {
  mesh: MeshId
  meshName: string
  memberName: string
  member: PeerId
  words: string
}

/** What makes a member; the host stores it, then says `saved`. */
export interface Enrolled {
  genesis: Genesis
  certificate: Verified
  /** DER. */
  ca: Uint8Array
  leaf: Uint8Array
  members: readonly MemberHint[]
}

export type NewcomerEvent =
  | { k: 'start' }
  | { k: 'frame'; bytes: Uint8Array }
  | { k: 'consent' }
  | { k: 'saved' }
  /** The host gave up: no consent, disk full, too slow. */
  | { k: 'giveUp'; error: MeshError }
  | { k: 'closed' }

export type NewcomerEffect =
  | { e: 'send'; frame: Uint8Array }
  | { e: 'offer'; offer: Offer }
  | { e: 'enrolled'; enrolled: Enrolled }
  | { e: 'failed'; error: MeshError }
  /** After what was sent has gone out. */
  | { e: 'close' }

type Phase = 'start' | 'proof' | 'consent' | 'admit' | 'saving' | 'over'

export interface NewcomerState {
  readonly config: NewcomerConfig
  readonly body: Uint8Array
  phase: Phase
  genesis?: Genesis
}

export function createNewcomerSide(config: NewcomerConfig): NewcomerState {
  return { config, body: encodeCbor(Details.parse(config.details)), phase: 'start' }
}

export function stepNewcomer(state: NewcomerState, event: NewcomerEvent, wall: number): NewcomerEffect[] {
  if (state.phase === 'over') return []
  try {
    switch (event.k) {
      case 'start':
        return onStart(state)
      case 'frame':
        return onFrame(state, decodeEnrol(event.bytes), wall)
      case 'consent':
        return onConsent(state)
      case 'saved':
        return onSaved(state)
      case 'giveUp':
        return fail(state, event.error, true)
      case 'closed':
        return fail(state, new MeshError('PEER_UNREACHABLE', closedText(state)), false)
    }
  } catch (error) {
    return fail(state, asMeshError(error, 'enrolment'), true)
  }
}

function onStart(state: NewcomerState): NewcomerEffect[] {
  const { nonce, crypto, invite } = state.config
  state.phase = 'proof'
  const hi: EnrolFrame = { t: 'hi', v: hiVersions(), commit: commitTo(nonce, state.body, crypto) }
  if (invite !== undefined) hi.invite = inviteId(invite.secret, crypto)
  return [send(hi)]
}

function onFrame(state: NewcomerState, frame: EnrolFrame, wall: number): NewcomerEffect[] {
  if (frame.t === 'no')
    return fail(state, new MeshError(codeOf(frame.code), `the member refused: ${frame.text}`), false)
  if (frame.t === 'proof' && state.phase === 'proof') return onProof(state, frame, wall)
  if (frame.t === 'admit' && state.phase === 'admit') return onAdmit(state, frame, wall)
  throw new MeshError('WIRE_INVALID', `the member sent "${frame.t}" where this side waits for "${state.phase}"`)
}

function onProof(state: NewcomerState, frame: EnrolFrame & { t: 'proof' }, wall: number): NewcomerEffect[] {
  const { self, member, nonce, crypto, invite, words } = state.config
  const genesis = openGenesis(frame.genesis, crypto)
  if (invite !== undefined && genesis.id !== invite.mesh) {
    throw new MeshError(
      'INVITE_INVALID',
      `the PC that answers is of mesh "${genesis.name}" ${genesis.id.slice(0, 8)}; the invite is for "${invite.meshName}" ${invite.mesh.slice(0, 8)}`
    )
  }
  const device = invite?.signer ?? readCertificate(frame.certificate).device
  const of = { genesis, device: peerIdOf(device), wall, theirWall: frame.wall, crypto }
  const { certificate } = verifyCertificate(frame.certificate, of)
  const commit = commitTo(nonce, state.body, crypto)
  const parts = {
    newcomer: self,
    member,
    commit,
    memberNonce: frame.nonce,
    meshId: genesis.idBytes,
    memberDevice: device
  }
  const transcript = provenTranscript(parts, crypto)
  if (!crypto.verify(device, proofBytes(transcript), frame.sig)) {
    throw new MeshError(
      'DENIED',
      `the PC that answers cannot prove that it is "${certificate.name}" of "${genesis.name}": somebody may stand in between`
    )
  }
  state.genesis = genesis
  const pop = crypto.sign(popBytes(transcript, nonce, state.body, crypto))
  const about = send({ t: 'details', nonce, body: state.body, pop })
  if (invite !== undefined) {
    state.phase = 'admit'
    return [
      send({ t: 'secret', mac: secretMac(inviteKey(invite.secret, crypto), transcript, crypto) }),
      about,
      send({ t: 'ask' })
    ]
  }
  state.phase = 'consent'
  const text = sixWords(wordsHash(transcript, nonce, state.body, crypto), words)
  const offer = {
    mesh: genesis.id,
    meshName: genesis.name,
    memberName: certificate.name,
    member: of.device,
    words: text
  }
  return [about, { e: 'offer', offer }]
}

function onConsent(state: NewcomerState): NewcomerEffect[] {
  if (state.phase !== 'consent') return []
  state.phase = 'admit'
  return [send({ t: 'ask' })]
}

function onAdmit(state: NewcomerState, frame: EnrolFrame & { t: 'admit' }, wall: number): NewcomerEffect[] {
  const { details, crypto } = state.config
  const genesis = state.genesis!
  const certificate = verifyCertificate(frame.certificate, { genesis, device: peerIdOf(details.device), wall, crypto })
  if (!sameBytes(certificate.certificate.tls, crypto.sha256(details.spki))) {
    throw new MeshError('CERT_INVALID', 'the certificate names another TLS key than the one this PC sent')
  }
  state.phase = 'saving'
  const { ca, leaf, members } = frame
  return [{ e: 'enrolled', enrolled: { genesis, certificate, ca, leaf, members } }]
}

function onSaved(state: NewcomerState): NewcomerEffect[] {
  if (state.phase !== 'saving') return []
  state.phase = 'over'
  return [send({ t: 'done' }), { e: 'close' }]
}

function fail(state: NewcomerState, error: MeshError, tell: boolean): NewcomerEffect[] {
  const wasSilent = state.phase === 'start'
  state.phase = 'over'
  const no: EnrolFrame = { t: 'no', code: error.code, text: 'the newcomer ended the conversation' }
  return [...(tell && !wasSilent ? [send(no)] : []), { e: 'failed', error }, { e: 'close' }]
}

const send = (frame: EnrolFrame): NewcomerEffect => ({ e: 'send', frame: encodeEnrol(frame) })

function closedText(state: NewcomerState): string {
  if (state.phase === 'consent') return 'the member closed its door, or went away'
  return `the member closed the connection before it was done (this side waited for "${state.phase}")`
}

const REFUSALS: readonly MeshErrorCode[] = [
  'INVITE_INVALID',
  'DENIED',
  'BUSY',
  'DEADLINE',
  'CLOCK_SKEW',
  'STORE_FAILED',
  'WIRE_VERSION',
  'WIRE_INVALID',
  'WIRE_LIMIT'
]
const codeOf = (code: string): MeshErrorCode => REFUSALS.find((known) => known === code) ?? 'DENIED'
