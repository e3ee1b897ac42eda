/** How a PC becomes a member and proves it: genesis, certificates, hello, invites, enrolment. */
export { makeDelegation, makeGenesis, openDelegation, openGenesis, DELEGATION_LIFE_MS } from './genesis.ts'
export type { Delegation, Genesis } from './genesis.ts'
export type { Signer } from './signed.ts'
export {
  CERT_LIFE_MS,
  certificateNeedsRenewal,
  FIRST_MEMBER_CAPS,
  issueCertificate,
  MEMBER_CAPS,
  readCertificate,
  renewCertificate,
  verifyCertificate
} from './certificate.ts'
export type { CertCap, Certificate, Verified } from './certificate.ts'
export { decodeHello, encodeHello, HELLO_TIMEOUT_MS, HelloMessage, WIRE_VERSIONS } from './hello.ts'
export { createHello, isAdmitted, isVerified, stepHello } from './hello-kernel.ts'
export type { HelloConfig, HelloEffect, HelloEvent, HelloState } from './hello-kernel.ts'
export {
  INVITE_ADDRESSES_MAX,
  INVITE_PREFIX,
  INVITE_TTL_DEFAULT_MS,
  INVITE_TTL_MAX_MS,
  INVITE_USES_MAX,
  inviteId,
  inviteKey,
  makeInvite,
  parseInvite
} from './invite.ts'
export type { Invite } from './invite.ts'
export { addInvite, decodeBook, emptyBook, encodeBook, hasReasonToListen, nextEnd } from './invite-book.ts'
export type { InviteBook, InviteRecord } from './invite-book.ts'
export { createDoorQueue, DOOR_LIMITS, DOOR_TTL_DEFAULT_MS, DOOR_TTL_MAX_MS } from './door.ts'
export type { DoorQueue } from './door.ts'
export { sixWords } from './words.ts'
export { JOIN_PROLOGUE, JOIN_PROTOCOL } from './enrol-wire.ts'
export type { Details, MemberHint } from './enrol-wire.ts'
export { createMemberSide, isWaitingAtDoor, stepMember } from './enrol-member.ts'
export type {
  Grant,
  GrantRequest,
  Knock,
  MemberConfig,
  MemberEffect,
  MemberEvent,
  MemberState
} from './enrol-member.ts'
export { createNewcomerSide, stepNewcomer } from './enrol-newcomer.ts'
export type { Enrolled, NewcomerConfig, NewcomerEffect, NewcomerEvent, NewcomerState, Offer } from './enrol-newcomer.ts'
export { joiningMachine } from './joining.machine.ts'
export type { JoinBy, JoiningContext, JoiningEvent, JoiningInput } from './joining.machine.ts'
export {
  bytesOf,
  bytesUpTo,
  CLOCK_SLACK_MS,
  concatBytes,
  DAY_MS,
  fitName,
  isPrintable,
  LIMITS as JOINING_LIMITS,
  sameBytes
} from './shapes.ts'
