/**
 * Asks that wait at a worker for room (PROTOCOLS.md 2.3), by class, then by age. Who waits holds nothing: room is held for
 * the first that fits when it is really free, and its owner is told; so a worker never promises what it has not got.
 */
import type { PeerId, SessionId } from '../ports.ts'
import { hold } from './admission.ts'
import type { Admission, Offer } from './admission.ts'

export interface WaitingAsk extends Offer {
  session: SessionId
  by: PeerId
  /** 0 goes first. */
  class: number
  /** env.now of the first ask. */
  since: number
  /** env.now at which it is dropped unless it was asked again. */
  until: number
}
export type WaitingQueue = WaitingAsk[]

/** Asks that wait at one worker; more are refused, and their owners look elsewhere. */
export const WAITING_MAX = 256
/** An owner that still wants its place asks again each 30 s. */
export const WAITING_MS = 45_000
/** Who waits for so long goes up by a class, but never among the most urgent. */
export const CLASS_UP_MS = 600_000
const BEST_BY_AGE = 1
/** Smaller asks pass a large one for so long; then the room that comes is kept together for it. */
export const PASS_OVER_MS = 10_000

/** Its place, counted from 1; undefined when too many wait. Asking again keeps the place. */
export function enter(queue: WaitingQueue, ask: Omit<WaitingAsk, 'since' | 'until'>, now: number): number | undefined {
  const known = queue.findIndex((one) => one.session === ask.session)
  if (known >= 0) {
    queue[known] = { ...queue[known]!, by: ask.by, until: now + WAITING_MS }
    return known + 1
  }
  if (queue.length >= WAITING_MAX) return undefined
  queue.push({ ...ask, since: now, until: now + WAITING_MS })
  order(queue, now)
  return queue.findIndex((one) => one.session === ask.session) + 1
}

/** By class, then by age; the order of those that came in one moment stays. */
function order(queue: WaitingQueue, now: number): void {
  queue.sort((a, b) => classNow(a, now) - classNow(b, now) || a.since - b.since)
}

function classNow(ask: WaitingAsk, now: number): number {
  const raised = ask.class - Math.floor((now - ask.since) / CLASS_UP_MS)
  return Math.min(ask.class, Math.max(BEST_BY_AGE, raised))
}

export function leave(queue: WaitingQueue, session: SessionId, by: PeerId): void {
  const at = queue.findIndex((one) => one.session === session && one.by === by)
  if (at >= 0) queue.splice(at, 1)
}

/** The first that has room now: it has left the queue, and its room is held. */
export function next(queue: WaitingQueue, admission: Admission, now: number): WaitingAsk | undefined {
  dropLapsed(queue, now)
  order(queue, now)
  for (const [at, one] of queue.entries()) {
    if (hold(admission, one.session, one, one.by, now) === undefined) {
      queue.splice(at, 1)
      return one
    }
    if (now - one.since >= PASS_OVER_MS) return undefined
  }
  return undefined
}

function dropLapsed(queue: WaitingQueue, now: number): void {
  for (let at = queue.length - 1; at >= 0; at--) if (queue[at]!.until <= now) queue.splice(at, 1)
}
