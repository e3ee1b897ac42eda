/** Ballots: (reign, counter, peer, boot), ordered in that order. No two are ever used by two lives of a proposer. */
import type { PeerId } from '../ports.ts'

export interface Ballot {
  /**
   * How often a person has taken the register away from voters said to be off, as the version of the voters says; absent is
   * never. First of all: what the old voters decide in ignorance, were they on after all, counts for nothing.
   */
  readonly reign?: number | undefined
  readonly n: number
  readonly peer: PeerId
  /** 16 hex digits drawn at each start: a proposer that lost its memory cannot use a number again. */
  readonly boot: string
}

/** Below every ballot that is used. */
export const NO_BALLOT: Ballot = { n: 0, peer: '', boot: '' }

export function compareBallots(a: Ballot, b: Ballot): number {
  return reignOf(a) - reignOf(b) || a.n - b.n || order(a.peer, b.peer) || order(a.boot, b.boot)
}

export const reignOf = ({ reign = 0 }: Ballot): number => reign

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
