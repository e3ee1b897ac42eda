/**
 * The rules that make a register safe, by name. They all hold; whoever passes others re-inserts a known bug, so that a
 * test can show that it finds it (PROTOCOLS.md 2.4.6, 2.8.5). Nothing outside of the simulator and the tests does.
 */
export const RULES = {
  // ---- ballots and acceptors ----
  /** A proposer that starts again must not use a number of its earlier life. */
  ballotCarriesBoot: true,
  /** An acceptor answers only once what it says is on disk. */
  replyAfterSync: true,
  /** An acceptor that promised a ballot takes nothing below it. */
  promiseHolds: true,
  /** A peer without the record has no vote: it may have forgotten one. */
  unknownHasNoVote: true,
  // ---- proposers ----
  /** What was accepted at the highest ballot among the promises goes on. */
  highestGoesOn: true,
  /** More than half, not half. */
  quorumIsMajority: true,
  /** Who counts is what the value read says, not what the proposer believed before. */
  configOfValue: true,
  /** While keepers change, both the old and the new majority have to agree. */
  jointNeedsBoth: true,
  /** The new keepers hold the state before the old ones are let go. */
  copiedBeforeLeft: true,
  // ---- leases ----
  /** A renewal counts only when the value read back carries its attempt; an advanced number may be older. */
  attemptInValue: true,
  /** A lease runs from the start of its attempt, not from the answer. */
  leaseFromAttemptStart: true,
  /** The right is looked at once more, right before a child starts. */
  recheckBeforeStart: true,
  /** A challenger waits longer than the lease: both clocks may be wrong. */
  driftAllowance: true,
  /** A challenger takes only what has stood still while it waited. */
  renewalRestartsWait: true,
  /** The same number by another attempt is another renewal: one that was never chosen may have come before it. */
  attemptTellsRenewals: true,
  /** After sleep no lease is held. */
  sleepVoidsLeases: true
}
export type Rules = Readonly<Record<keyof typeof RULES, boolean>>
