/** What to say of a PC that is away: since when, what comes back with it, what became of its work. Pure. */
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { valueOf } from './reading.ts'
import { activityOf } from './sentence.ts'
import { count, memory, moment, span } from './units.ts'

export function awaySince(node: Pick<NodeView, 'lastSeenMs'>, wall: number): string {
  if (node.lastSeenMs === null) return 'not heard directly since this peer started'
  return `since ${moment(node.lastSeenMs, wall)}, ${span(wall - node.lastSeenMs)} ago`
}

/** "8 cores and 16 GiB come back with it." */
export function comesBack(node: Pick<NodeView, 'cores' | 'memoryBytes'>): string {
  const cores = valueOf(node.cores)
  const bytes = valueOf(node.memoryBytes)
  const parts = [cores !== null && count(cores, 'core'), bytes !== null && memory(bytes)].filter(
    (part) => part !== false
  )
  return parts.length ? `${parts.join(' and ')} come back with it.` : ''
}

/** Work that was there and has not gone on elsewhere. */
export function leftThere(node: Pick<NodeView, 'peerId'>, sessions: readonly SessionView[]): SessionView[] {
  return sessions.filter((session) => session.runner === node.peerId && activityOf(session) !== 'ended')
}

/** Work that runs elsewhere now and ran there before: its history names the PC. */
export function movedFrom(node: Pick<NodeView, 'peerId'>, sessions: readonly SessionView[]): SessionView[] {
  return sessions.filter(
    (session) =>
      session.runner !== null &&
      session.runner !== node.peerId &&
      activityOf(session) === 'runs' &&
      session.history.some((step) => step.by === node.peerId && step.state === 'running')
  )
}
