/**
 * The worker's half of placement: it alone knows what it has given away. Holds expire; grants last until released. The
 * sum of both never exceeds the offer (invariant: `over` is always false).
 */
import type { PeerId, SessionId } from '../ports.ts'

export interface Offer {
  cpuMilli: number
  memoryBytes: number
}

interface Claim extends Offer {
  /** env.now at which a hold lapses; Infinity once granted. */
  until: number
}

export interface Admission {
  offer: Offer
  paused: boolean
  draining: boolean
  readonly claims: Map<SessionId, Claim & { by: PeerId }>
  /** Told when a claim was given back. */
  freed?: () => void
}

/** A reservation waits this long for its Bind: the submitter's record must reach two disks first. */
export const HOLD_MS = 5_000
/** Reservations and grants at one worker. */
export const CLAIMS_MAX = 4_096

export function createAdmission(offer: Offer): Admission {
  return { offer, paused: false, draining: false, claims: new Map() }
}

/** Holds room for the session, or says in words why not. Asking again renews the hold. */
export function hold(
  admission: Admission,
  session: SessionId,
  ask: Offer,
  by: PeerId,
  now: number
): string | undefined {
  const used = granted(admission, now)
  const claimed = admission.claims.get(session)
  if (claimed !== undefined && ask.cpuMilli <= claimed.cpuMilli && ask.memoryBytes <= claimed.memoryBytes) {
    if (claimed.until !== Infinity) claimed.until = now + HOLD_MS
    return undefined
  }
  const isClosed = closed(admission)
  if (isClosed !== undefined) return isClosed
  if (admission.claims.size >= CLAIMS_MAX) return `holds ${CLAIMS_MAX} sessions already`
  // who asks for more than it holds has what it holds
  const freeCpu = admission.offer.cpuMilli - used.cpuMilli + (claimed?.cpuMilli ?? 0)
  const freeMemory = admission.offer.memoryBytes - used.memoryBytes + (claimed?.memoryBytes ?? 0)
  if (ask.cpuMilli > freeCpu)
    return `only ${Math.max(0, Math.round(freeCpu / 100) / 10)} of ${admission.offer.cpuMilli / 1000} offered cores free`
  if (ask.memoryBytes > freeMemory)
    return `only ${Math.max(0, Math.round(freeMemory / 2 ** 20))} of ${Math.round(admission.offer.memoryBytes / 2 ** 20)} MiB offered memory free`
  const until = claimed?.until === Infinity ? Infinity : now + HOLD_MS
  admission.claims.set(session, { cpuMilli: ask.cpuMilli, memoryBytes: ask.memoryBytes, until, by })
  return undefined
}

/** Why nothing new may come, whatever room there is. */
export function closed(admission: Admission): string | undefined {
  if (admission.paused) return 'paused by its owner'
  return admission.draining ? 'going down' : undefined
}

/** Turns a hold into a grant; false when the hold has lapsed and no room is left. */
export function grant(admission: Admission, session: SessionId, ask: Offer, by: PeerId, now: number): boolean {
  if (hold(admission, session, ask, by, now) !== undefined) return false
  admission.claims.get(session)!.until = Infinity
  return true
}

/** A child that is here already (adopted after a restart) is counted whatever the offer says. */
export function adopt(admission: Admission, session: SessionId, ask: Offer, by: PeerId): void {
  admission.claims.set(session, { cpuMilli: ask.cpuMilli, memoryBytes: ask.memoryBytes, until: Infinity, by })
}

/** A hold is not wanted any more; a grant stays. */
export function unhold(admission: Admission, session: SessionId, by: PeerId): void {
  const claim = admission.claims.get(session)
  if (claim !== undefined && claim.until !== Infinity && claim.by === by) release(admission, session)
}

export function release(admission: Admission, session: SessionId): boolean {
  if (!admission.claims.delete(session)) return false
  admission.freed?.()
  return true
}

/** What holds and grants take together at this moment. */
export function granted(admission: Admission, now: number): Offer {
  expire(admission, now)
  let cpuMilli = 0
  let memoryBytes = 0
  for (const claim of admission.claims.values()) {
    cpuMilli += claim.cpuMilli
    memoryBytes += claim.memoryBytes
  }
  return { cpuMilli, memoryBytes }
}

function expire(admission: Admission, now: number): void {
  for (const [session, claim] of admission.claims) if (claim.until <= now) admission.claims.delete(session)
}
