/** Which rows of a list fit what a person typed and chose. Pure. */
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { addressText } from './address.ts'
import { valueOf } from './reading.ts'
import { activityOf } from './sentence.ts'
import { nodeWord, sessionWord } from './words.ts'

function words(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean)
}
function holdsAll(haystack: string, text: string): boolean {
  const lower = haystack.toLowerCase()
  return words(text).every((word) => lower.includes(word))
}

export function fitsNode(node: NodeView, text: string): boolean {
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`)
  const parts = [
    node.name,
    node.peerId,
    nodeWord(node).word,
    node.version,
    valueOf(node.os),
    valueOf(node.cpuModel),
    ...(valueOf(node.gpus) ?? []),
    ...node.addresses.map(addressText),
    ...labels
  ]
  return holdsAll(parts.filter(Boolean).join(' '), text)
}

/** `open`: not ended. Otherwise one state. */
export const SESSION_FILTERS = [
  { name: '', label: 'All' },
  { name: 'open', label: 'Open' },
  { name: 'running', label: 'Running' },
  { name: 'waiting', label: 'Waiting' },
  { name: 'stuck', label: 'Stuck' },
  { name: 'finished', label: 'Finished' },
  { name: 'stopped', label: 'Stopped' },
  { name: 'failed', label: 'Failed' }
] as const
export type SessionFilter = (typeof SESSION_FILTERS)[number]['name']

export interface SessionChoice {
  state: SessionFilter
  text: string
  /** Peer id or name; '' for any. */
  node: string
}

export function fitsState(session: SessionView, state: SessionFilter): boolean {
  const activity = activityOf(session)
  if (state === '') return true
  if (state === 'open') return activity !== 'ended'
  if (state === 'running') return activity === 'runs'
  if (state === 'waiting') return activity === 'waits'
  if (state === 'stuck') return activity === 'stuck'
  return session.state === state
}

export function fitsSession(session: SessionView, choice: SessionChoice, nameOf: (peerId: string) => string): boolean {
  if (!fitsState(session, choice.state)) return false
  const where = session.runner ? nameOf(session.runner) : ''
  if (choice.node !== '' && choice.node !== session.runner && choice.node !== where) return false
  const parts = [session.command, session.id, session.user, where, session.reason, sessionWord(session).word]
  return holdsAll(parts.join(' '), choice.text)
}
