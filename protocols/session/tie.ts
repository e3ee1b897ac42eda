/**
 * Who votes on the right to run a strict session while its record has only two keepers, of which neither can tell a dead
 * partner from a cut cable (PROTOCOLS.md 2.4.7). One word for the whole mesh, in the ledger; with three keepers all vote.
 */
import { z } from 'zod'
import { decodeAs, encodeCbor } from '../codec.ts'
import type { PeerId } from '../ports.ts'

/** Its key in the ledger. */
export const TIE_KEY = 'tie'

const Tie = z.discriminatedUnion('rule', [
  /** The one that runs it: the other may go, and nobody takes over from the runner without a person's word. */
  z.object({ rule: z.literal('runner') }),
  /** Always that PC: it takes over by itself, and nothing runs without it. */
  z.object({ rule: z.literal('anchor'), anchor: z.string().min(1).max(64) }),
  /** Each needs the other. */
  z.object({ rule: z.literal('both') })
])
export type Tie = z.infer<typeof Tie>

export const TIE_DEFAULT: Tie = { rule: 'runner' }

export const encodeTie = (tie: Tie): Uint8Array => encodeCbor(tie)

/** Of a ledger without a word about it, or with one that this version does not know, the default. */
export function decodeTie(bytes: Uint8Array | undefined): Tie {
  if (bytes === undefined) return TIE_DEFAULT
  try {
    return decodeAs(Tie, bytes, 'tie rule')
  } catch {
    return TIE_DEFAULT
  }
}

/** Three are the fewest of which one may be lost. */
export const VOTERS_MIN = 3

/** Who is to vote on a session that `runner` looks after. */
export function votersFor(tie: Tie, keepers: readonly PeerId[], runner: PeerId): PeerId[] {
  if (keepers.length >= VOTERS_MIN) return [...keepers]
  if (keepers.length < 2) return [runner]
  if (tie.rule === 'both') return [...keepers]
  return tie.rule === 'anchor' && keepers.includes(tie.anchor) ? [tie.anchor] : [runner]
}

export const sameVoters = (a: readonly PeerId[], b: readonly PeerId[]): boolean =>
  a.length === b.length && a.every((peer) => b.includes(peer))
