/** Who keeps the record of a session, and who takes it over when its owner is gone (PROTOCOLS.md 2.4.1, 2.4.4). */
import type { Crypto, PeerId, SessionId } from '../ports.ts'
import { fromHex, peerKey, toHex } from '../codec.ts'
import { FINAL_STATES } from './record.ts'
import type { SessionRecord } from './record.ts'

export const KEEPERS = 3

/** Nobody takes a session over earlier than this after the owner's last word: its leash froze the child at 5 s. */
export const TAKEOVER_AFTER_MS = 6_500
/** Keepers try one after the other, in the order of the record. */
export const TAKEOVER_RANK_MS = 500

/**
 * The submitter first (it has the files and answers the person), then the others by highest random weight, so that
 * records spread evenly. The list is written into the record; this function is only how it is first filled.
 */
export function chooseKeepers(
  id: SessionId,
  submitter: PeerId,
  alive: Iterable<PeerId>,
  crypto: Crypto,
  count = KEEPERS
): PeerId[] {
  const others = [...alive].filter((peer) => peer !== submitter)
  const weight = new Map(others.map((peer) => [peer, toHex(crypto.sha256(fromHex(id), peerKey(peer)))]))
  others.sort((a, b) => (weight.get(a)! < weight.get(b)! ? -1 : 1))
  return [submitter, ...others].slice(0, count)
}

/** A keeper that is gone for this long is replaced; records are small, restarts are common. */
export const REPLACE_KEEPER_MS = 60_000

/**
 * The list with every keeper that is `gone` replaced by a live one, and filled up when the mesh was smaller at first;
 * undefined when nothing can or need be done.
 */
export function replaceKeepers(
  record: SessionRecord,
  gone: (peer: PeerId) => boolean,
  alive: Iterable<PeerId>,
  crypto: Crypto
): PeerId[] | undefined {
  const staying = record.keepers.filter((keeper) => !gone(keeper))
  const candidates = chooseKeepers(record.id, record.owner, alive, crypto, Infinity).filter(
    (peer) => !staying.includes(peer)
  )
  const coming = candidates.slice(0, Math.max(0, KEEPERS - staying.length))
  return coming.length === 0 ? undefined : [...staying, ...coming]
}

/**
 * Milliseconds until this keeper may take the session over, once the PC it was being given to (`heirOf`) has been asked;
 * undefined when it may not at all (final, owner present, not a keeper). `gone(peer)`: milliseconds since a peer that
 * membership holds for dead was first missed, else undefined.
 */
export function takeoverInMs(
  record: SessionRecord,
  self: PeerId,
  gone: (peer: PeerId) => number | undefined
): number | undefined {
  if (FINAL_STATES.has(record.state) || record.owner === self) return undefined
  const ownerGoneMs = gone(record.owner)
  if (ownerGoneMs === undefined) return undefined
  const heir = heirOf(record, self)
  const heirGoneMs = (heir === undefined ? undefined : gone(heir)) ?? Infinity
  // A keeper under suspicion still has its turn: two keepers must not see themselves as the first.
  const rank = record.keepers.filter((keeper) => keeper === self || gone(keeper) === undefined).indexOf(self)
  if (rank < 0) return undefined
  // Of a strict one the lease says when, and in which order: the keeper may ask for the right at once.
  if (record.spec.mode === 'strict') return 0
  return Math.max(0, TAKEOVER_AFTER_MS + rank * TAKEOVER_RANK_MS - Math.min(ownerGoneMs, heirGoneMs))
}

/**
 * The PC to which the owner was giving the run when it was last heard, other than this one: it may have taken it with the
 * owner's last breath, and told nobody yet. Where it lives it is asked: it may as well have lost the order with its power.
 */
export function heirOf({ owner, runner }: SessionRecord, self: PeerId): PeerId | undefined {
  return runner === owner || runner === self ? undefined : runner
}

/** It has no process: it waits for its first place, or for its next. */
export function waitsForPlace({ state }: SessionRecord): boolean {
  return state === 'submitted' || state === 'placing' || state === 'pending'
}

/** A session whose run was lost with its PC starts again elsewhere only if it was asked for, or when none was under way; an array goes on. */
export function survivesRunner(record: SessionRecord): boolean {
  const { restart } = record.spec
  if (record.spec.array !== undefined) return true
  return record.startedAt === undefined || waitsForPlace(record) || restart === 'on-node-loss' || restart === 'always'
}
