/**
 * The member's side of one enrolment conversation, as a synchronous reducer. It proves who it is first, then hears either
 * the secret of an invite or a knock at its door, and hands a grant to its host, which signs. Whatever a stranger sends
 * ends in a `no` and a close, never in a throw.
 */
import { decodeAs, toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { beginKnock, endKnock } from './door.ts'
import type { DoorQueue } from './door.ts'
import { commitTo, popBytes, proofBytes, provenTranscript, secretMac, wordsHash } from './enrol-transcript.ts'
import { decodeEnrol, Details, encodeAdmit, encodeEnrol } from './enrol-wire.ts'
import type { EnrolFrame, MemberHint } from './enrol-wire.ts'
import type { Genesis } from './genesis.ts'
import { countWrong, findInvite, takeUse } from './invite-book.ts'
import type { InviteBook, InviteRecord } from './invite-book.ts'
import { asMeshError, isPrintable, LIMITS, sameBytes } from './shapes.ts'
import { sixWords } from './words.ts'

export interface MemberConfig {
  /** Throw-away ids of this connection, and the address the newcomer comes from (without port). */
  self: PeerId
  newcomer: PeerId
  address: string
  genesis: Genesis
  /** This member's own certificate and device key; `crypto.sign` signs with it. */
  certificate: Uint8Array
  device: Uint8Array
  /** 32 fresh random bytes. */
  nonce: Uint8Array
  words: readonly string[]
  crypto: Crypto
  /** Shared by all conversations of this member. */
  book: InviteBook
  door: DoorQueue
}

/** A newcomer that stands at the door or comes by invite: what the member's screens show. */
export interface Knock {
  device: Uint8Array
  name: string
  platform: string
  words: string
  /** False: it came by an invite. */
  atDoor: boolean
}
/** What the host shall sign: a certificate for this device and a leaf for its TLS key. */
export type GrantRequest = Details & { words: string; invite?: string }

export interface Grant {
  certificate: Uint8Array
  ca: Uint8Array
  leaf: Uint8Array
  members: readonly MemberHint[]
}

export type MemberEvent =
  | { k: 'frame'; bytes: Uint8Array }
  | { k: 'granted'; grant: Grant }
  /** The host could or would not: disk full, door closed meanwhile, too slow. */
  | { k: 'denied'; error: MeshError }
  | { k: 'closed' }

export type MemberEffect =
  | { e: 'send'; frame: Uint8Array }
  /** The book changed: it must be on disk before any later effect is carried out. */
  | { e: 'saveBook' }
  | { e: 'knock'; knock: Knock }
  | { e: 'grant'; request: GrantRequest }
  /** The newcomer has stored its membership. */
  | { e: 'joined'; device: Uint8Array; name: string }
  | { e: 'refused'; code: string; text: string }
  /** After what was sent has gone out. */
  | { e: 'close' }

type Phase = 'hi' | 'secret' | 'details' | 'ask' | 'granting' | 'admitted' | 'over'

export interface MemberState {
  readonly config: MemberConfig
  phase: Phase
  commit?: Uint8Array
  transcript?: Uint8Array
  invite?: InviteRecord
  details?: Details
  wordsText: string
  /** Holds a place in the door's queue. */
  atDoor: boolean
}

export interface StepTime {
  now: number
  wall: number
}

export function createMemberSide(config: MemberConfig): MemberState {
  return { config, phase: 'hi', wordsText: '', atDoor: false }
}

/** True from the moment its words are known until it asks: the only phase in which a person may take time. */
export const isWaitingAtDoor = (state: MemberState): boolean => state.phase === 'ask' && state.atDoor

export function stepMember(state: MemberState, event: MemberEvent, time: StepTime): MemberEffect[] {
  if (state.phase === 'over') return []
  try {
    switch (event.k) {
      case 'frame':
        return onFrame(state, decodeEnrol(event.bytes), time)
      case 'granted':
        return onGranted(state, event.grant)
      case 'denied':
        return refuse(state, event.error)
      case 'closed':
        return onClosed(state)
    }
  } catch (error) {
    return refuse(state, asMeshError(error, 'enrolment'))
  }
}

function onFrame(state: MemberState, frame: EnrolFrame, time: StepTime): MemberEffect[] {
  if (frame.t === 'no') {
    leave(state)
    return [{ e: 'refused', code: frame.code, text: frame.text }, { e: 'close' }]
  }
  if (frame.t === 'hi' && state.phase === 'hi') return onHi(state, frame, time)
  if (frame.t === 'secret' && state.phase === 'secret') return onSecret(state, frame.mac)
  if (frame.t === 'details' && state.phase === 'details') return onDetails(state, frame)
  if (frame.t === 'ask' && state.phase === 'ask') return onAsk(state, time)
  if (frame.t === 'done' && state.phase === 'admitted') {
    const { device, name } = state.details!
    leave(state, true)
    return [{ e: 'joined', device, name }, { e: 'close' }]
  }
  throw new MeshError('WIRE_INVALID', `"${frame.t}" has no place here (this side waits for "${state.phase}")`)
}

function onHi(state: MemberState, frame: EnrolFrame & { t: 'hi' }, { now, wall }: StepTime): MemberEffect[] {
  const { config } = state
  if (frame.invite !== undefined) state.invite = findInvite(config.book, toHex(frame.invite), wall)
  else {
    requireOpenDoor(config.book, wall)
    beginKnock(config.door, config.address, now)
    state.atDoor = true
  }
  const { self: member, newcomer, nonce: memberNonce, genesis, device: memberDevice, crypto } = config
  state.commit = frame.commit
  state.transcript = provenTranscript(
    { newcomer, member, commit: frame.commit, memberNonce, meshId: genesis.idBytes, memberDevice },
    crypto
  )
  state.phase = state.invite === undefined ? 'details' : 'secret'
  const sig = crypto.sign(proofBytes(state.transcript))
  const proof: EnrolFrame = {
    t: 'proof',
    genesis: genesis.signed,
    certificate: config.certificate,
    nonce: memberNonce,
    wall,
    sig
  }
  return [{ e: 'send', frame: encodeEnrol(proof) }]
}

function onSecret(state: MemberState, mac: Uint8Array): MemberEffect[] {
  const invite = state.invite!
  if (sameBytes(mac, secretMac(invite.key, state.transcript!, state.config.crypto))) {
    state.phase = 'details'
    return []
  }
  return [{ e: 'saveBook' }, ...refuse(state, countWrong(invite))]
}

function onDetails(state: MemberState, frame: EnrolFrame & { t: 'details' }): MemberEffect[] {
  const { crypto, words } = state.config
  const { nonce, body, pop } = frame
  if (!sameBytes(commitTo(nonce, body, crypto), state.commit!)) {
    throw new MeshError('DENIED', 'what the newcomer says about itself is not what it committed to')
  }
  const details = decodeAs(Details, body, 'the newcomer’s details')
  if (!crypto.verify(details.device, popBytes(state.transcript!, nonce, body, crypto), pop)) {
    throw new MeshError('DENIED', 'the newcomer does not hold the device key that it names')
  }
  state.details = details
  state.wordsText = sixWords(wordsHash(state.transcript!, nonce, body, crypto), words)
  state.phase = 'ask'
  const { device, name, platform } = details
  return [{ e: 'knock', knock: { device, name, platform, words: state.wordsText, atDoor: state.atDoor } }]
}

function onAsk(state: MemberState, { wall }: StepTime): MemberEffect[] {
  const { invite, details } = state
  state.phase = 'granting'
  const request: GrantRequest = { ...details!, words: state.wordsText }
  if (invite === undefined) {
    requireOpenDoor(state.config.book, wall)
    return [{ e: 'grant', request }]
  }
  findInvite(state.config.book, invite.id, wall)
  takeUse(invite, details!.device, wall)
  return [{ e: 'saveBook' }, { e: 'grant', request: { ...request, invite: invite.id } }]
}

function onGranted(state: MemberState, grant: Grant): MemberEffect[] {
  if (state.phase !== 'granting') return []
  state.phase = 'admitted'
  return [{ e: 'send', frame: encodeAdmit(grant) }]
}

function onClosed(state: MemberState): MemberEffect[] {
  const last = state.phase
  leave(state)
  const text =
    last === 'admitted'
      ? 'the certificate was signed and sent, but the newcomer went away before it said that it has it'
      : `the newcomer went away (this side waited for "${last}")`
  return [{ e: 'refused', code: 'PEER_UNREACHABLE', text }]
}

function requireOpenDoor(book: InviteBook, wall: number): void {
  if (book.doorUntil <= wall)
    throw new MeshError('DENIED', 'no door is open here; open one with "omega invite --open 10m", or use an invite')
}

function refuse(state: MemberState, error: MeshError): MemberEffect[] {
  const text = [...error.message].filter(isPrintable).join('').slice(0, LIMITS.textChars)
  const no = encodeEnrol({ t: 'no', code: error.code, text })
  leave(state)
  return [{ e: 'send', frame: no }, { e: 'refused', code: error.code, text }, { e: 'close' }]
}

function leave(state: MemberState, joined = false): void {
  if (state.atDoor) endKnock(state.config.door, state.config.address, joined)
  state.atDoor = false
  state.phase = 'over'
}
