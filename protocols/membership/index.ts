/** Membership: who is here, who is not, and how to reach them (PROTOCOLS.md 2.1). */
export { step } from './kernel.ts'
export { canDial, createMembership, member, members, population, selfRecord, usesRings } from './state.ts'
export type { Member, MembershipEffect, MembershipEvent, MembershipState, MemberState, SelfInput } from './state.ts'
export { readRecord, signRecord } from './record.ts'
export type { MemberRecord, SignedMember } from './record.ts'
export { MEMBERSHIP, MemFrame } from './wire.ts'
export type { MembershipSettings, MemMessage } from './wire.ts'
