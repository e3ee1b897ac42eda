/** Words for states: what a person reads, what it means, and whether it differs from normal. */
import type { NodeView, SessionView } from '../../node/http/views.ts'

export interface StateWord {
  word: string
  /** Shape of the mark, so that colour is never the only sign. */
  mark: 'full' | 'half' | 'hollow' | 'ring'
  tone: 'good' | 'warn' | 'dim'
}

const NODE: Record<NodeView['state'], StateWord> = {
  alive: { word: 'ready', mark: 'full', tone: 'good' },
  suspect: { word: 'not answering', mark: 'half', tone: 'warn' },
  dead: { word: 'away', mark: 'hollow', tone: 'dim' },
  left: { word: 'left the mesh', mark: 'hollow', tone: 'dim' }
}
export function nodeWord(node: Pick<NodeView, 'state' | 'offer' | 'witness'>): StateWord {
  if (node.state !== 'alive') return NODE[node.state]
  if (node.offer?.paused) return { word: 'paused', mark: 'half', tone: 'warn' }
  return node.witness ? { word: 'witness, runs nothing', mark: 'full', tone: 'good' } : NODE.alive
}

const SESSION: Record<SessionView['state'], StateWord> = {
  submitted: { word: 'accepted', mark: 'ring', tone: 'dim' },
  placing: { word: 'looking for a PC', mark: 'ring', tone: 'dim' },
  pending: { word: 'waiting', mark: 'half', tone: 'warn' },
  starting: { word: 'starting', mark: 'ring', tone: 'good' },
  running: { word: 'running', mark: 'full', tone: 'good' },
  finishing: { word: 'bringing results', mark: 'full', tone: 'good' },
  finished: { word: 'finished', mark: 'hollow', tone: 'dim' },
  stopping: { word: 'stopping', mark: 'half', tone: 'dim' },
  stopped: { word: 'stopped', mark: 'hollow', tone: 'dim' },
  lost: { word: 'lost', mark: 'half', tone: 'warn' },
  frozen: { word: 'frozen', mark: 'half', tone: 'warn' },
  failed: { word: 'failed', mark: 'half', tone: 'warn' }
}
export function sessionWord(session: Pick<SessionView, 'state' | 'exit' | 'tasks'>): StateWord {
  const word = SESSION[session.state]
  const { exit } = session
  if (session.state !== 'finished' || !exit || exit.code === 0) return word
  const failed = session.tasks ? `${session.tasks.failed.toLocaleString('en')} failed` : undefined
  return {
    ...word,
    word: failed ?? (exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.code}`),
    mark: 'half',
    tone: 'warn'
  }
}
export function stateName(state: SessionView['state']): string {
  return SESSION[state].word
}

/** `#` is the name of the PC that decides. */
export const TIE_WORDS = {
  runner: 'the PC that runs it, else a person',
  anchor: '# alone; without it none runs',
  both: 'nobody: it runs while both are here'
} as const
export const MODE_WORDS: Record<string, string> = {
  available: 'go on elsewhere, even when it may still run there',
  strict: 'never run twice, and rather wait'
}
/** By class. */
export const TURN_WORDS: readonly string[] = ['first', 'early', 'as usual', 'late', 'last']
export const RESTART_WORDS: Record<string, string> = {
  no: 'never, except when it had not started',
  'on-failure': 'when it ends with an error',
  'on-node-loss': 'when its PC goes away',
  always: 'whenever it ends'
}
