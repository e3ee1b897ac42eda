/** What "Find or do" offers for a text. Pure. */
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { nodePath, sessionPath, TABS } from './routes.ts'
import { nodeWord, sessionWord } from './words.ts'

export interface Found {
  id: string
  kind: 'page' | 'do' | 'node' | 'session'
  name: string
  /** What a person tells alike names apart by. */
  detail: string
  path?: string
  act?: () => void
}

const SHOWN_MAX = 12

export function pages(): Found[] {
  return TABS.map((tab) => ({ id: `page-${tab.page}`, kind: 'page', name: tab.name, detail: 'page', path: tab.path }))
}

export function find(
  text: string,
  fixed: readonly Found[],
  nodes: readonly NodeView[],
  sessions: readonly SessionView[]
): Found[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const nodeEntries = nodes.map((node): [Found, string] => [
    {
      id: `node-${node.peerId}`,
      kind: 'node',
      name: node.name,
      detail: `PC, ${nodeWord(node).word}`,
      path: nodePath(node.peerId)
    },
    `${node.peerId} ${node.addresses.join(' ')}`
  ])
  const sessionEntries = sessions.map((session): [Found, string] => [
    {
      id: `session-${session.id}`,
      kind: 'session',
      name: session.command,
      detail: `session of ${session.user}, ${sessionWord(session).word}`,
      path: sessionPath(session.id)
    },
    session.id
  ])
  const all = [...fixed.map((entry): [Found, string] => [entry, '']), ...nodeEntries, ...sessionEntries]
  return all
    .map(([entry, extra]) => ({ entry, score: score(words, entry, extra) }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, SHOWN_MAX)
    .map(({ entry }) => entry)
}

/** 0: does not fit. A name that begins with what was typed is best; every word must be somewhere. */
function score(words: readonly string[], entry: Found, extra: string): number {
  const name = entry.name.toLowerCase()
  const rest = `${entry.detail} ${extra}`.toLowerCase()
  if (!words.every((word) => name.includes(word) || rest.includes(word))) return 0
  const first = words[0] ?? ''
  return name.startsWith(first) ? 3 : name.includes(first) ? 2 : 1
}
