/** Ballots: (counter, peer, boot), ordered in that order. No two are ever used by two lives of a proposer. */
import type { PeerId } from '../ports.ts'

export interface Ballot {
  readonly n: number
  readonly peer: PeerId
  /** 16 hex digits drawn at each start: a proposer that lost its memory cannot use a number again. */
  readonly boot: string
}

/** Below every ballot that is used. */
export const NO_BALLOT: Ballot = { n: 0, peer: '', boot: '' }

export function compareBallots(a: Ballot, b: Ballot): number {
  return a.n - b.n || order(a.peer, b.peer) || order(a.boot, b.boot)
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
