/**
 * Who may stand at an open door: three knocks at once, and one a minute from an address (SECURITY 1.2), so that a flood
 * of knocks neither fills the screens nor hides the one that matters.
 */
import { MeshError } from '../errors.ts'

export const DOOR_LIMITS = {
  pending: 3,
  perAddressMs: 60_000,
  /** Addresses remembered at once. When so many knock within a minute, further ones wait. */
  addresses: 256
} as const
export const DOOR_TTL_DEFAULT_MS = 10 * 60_000
export const DOOR_TTL_MAX_MS = 60 * 60_000

export interface DoorQueue {
  pending: number
  /** Address -> time of its last knock, oldest first. */
  readonly last: Map<string, number>
}
export const createDoorQueue = (): DoorQueue => ({ pending: 0, last: new Map() })

/** Takes a place at the door. Throws BUSY. Every knock that began must end. `now`: monotonic. */
export function beginKnock(queue: DoorQueue, address: string, now: number): void {
  for (const [known, at] of queue.last) {
    if (at > now - DOOR_LIMITS.perAddressMs) break
    queue.last.delete(known)
  }
  const before = queue.last.get(address)
  if (before !== undefined) {
    const waitS = Math.ceil((before + DOOR_LIMITS.perAddressMs - now) / 1000)
    throw new MeshError('BUSY', `one knock a minute from an address; try again in ${waitS} s`)
  }
  if (queue.pending >= DOOR_LIMITS.pending || queue.last.size >= DOOR_LIMITS.addresses) {
    throw new MeshError(
      'BUSY',
      `${queue.pending} PCs stand at this door already, at most ${DOOR_LIMITS.pending} may; try again in a minute`
    )
  }
  queue.pending += 1
  queue.last.set(address, now)
}

/** Leaves the door. One that joined may be followed at once by another PC behind the same address. */
export function endKnock(queue: DoorQueue, address: string, joined: boolean): void {
  queue.pending = Math.max(0, queue.pending - 1)
  if (joined) queue.last.delete(address)
}
