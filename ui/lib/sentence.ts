/** The sentence at the top of the dashboard: what a person wants to know first, in words, from the same lists the tables show. */
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { capital, numberWord } from './units.ts'

export interface Headcount {
  ready: number
  paused: number
  silent: number
  away: number
}

export function headcount(nodes: readonly NodeView[]): Headcount {
  const counted = { ready: 0, paused: 0, silent: 0, away: 0 }
  for (const node of nodes) {
    if (node.state === 'dead') counted.away++
    else if (node.state === 'suspect') counted.silent++
    else if (node.state === 'alive') counted[node.offer?.paused ? 'paused' : 'ready']++
  }
  return counted
}

/** "Three PCs ready, one away." */
export function headline(nodes: readonly NodeView[]): string {
  const { ready, paused, silent, away } = headcount(nodes)
  const others = paused + silent + away
  if (ready + others === 1)
    return ready ? 'This PC is ready.' : paused ? 'This PC is paused.' : 'This PC is not answering itself.'
  const parts = [`${capital(numberWord(ready))} ${ready === 1 ? 'PC' : 'PCs'} ready`]
  if (paused) parts.push(`${numberWord(paused)} paused`)
  if (silent) parts.push(`${numberWord(silent)} not answering`)
  if (away) parts.push(`${numberWord(away)} away`)
  return `${parts.join(', ')}.`
}

export type Activity = 'runs' | 'waits' | 'stuck' | 'ended'
const ACTIVITY: Record<SessionView['state'], Activity> = {
  submitted: 'waits',
  placing: 'waits',
  pending: 'waits',
  starting: 'waits',
  running: 'runs',
  finishing: 'runs',
  stopping: 'runs',
  frozen: 'stuck',
  lost: 'stuck',
  finished: 'ended',
  stopped: 'ended',
  failed: 'ended'
}
export function activityOf(session: Pick<SessionView, 'state'>): Activity {
  return ACTIVITY[session.state]
}

/** "Six sessions run, two wait." One alone is named with its place. */
export function activity(sessions: readonly SessionView[], nameOf: (peerId: string) => string): string {
  const of = (kind: Activity) => sessions.filter((s) => activityOf(s) === kind)
  const [runs, waits, stuck] = [of('runs'), of('waits'), of('stuck')]
  const parts: string[] = []
  const only = runs[0]
  if (only && runs.length === 1)
    parts.push(`${shorten(only.command, 60)} runs${only.runner ? ` on ${nameOf(only.runner)}` : ''}`)
  else if (runs.length) parts.push(`${numberWord(runs.length)} sessions run`)
  if (waits.length)
    parts.push(
      `${numberWord(waits.length)} ${parts.length ? '' : waits.length === 1 ? 'session ' : 'sessions '}${waits.length === 1 ? 'waits' : 'wait'}`
    )
  if (stuck.length) parts.push(`${numberWord(stuck.length)} ${stuck.length === 1 ? 'is' : 'are'} stuck`)
  if (!parts.length) return 'Nothing runs.'
  const text = `${parts.join(', ')}.`
  return only && runs.length === 1 ? text : capital(text)
}

/** Why it runs where it runs, on a line that names the PC already; of one that does not run, what keeps it. */
export function whyThere(
  session: Pick<SessionView, 'state' | 'placement' | 'reason' | 'runner' | 'tasks'>,
  nameOf: (peerId: string) => string
): string {
  if (session.tasks && activityOf(session) === 'runs' && session.tasks.running) return progressOf(session.tasks)
  if (activityOf(session) !== 'runs' || !session.placement) return session.reason
  const { sentence } = session.placement
  const name = session.runner ? `${nameOf(session.runner)}: ` : ''
  return name !== '' && sentence.startsWith(name) ? sentence.slice(name.length) : sentence
}

type Tasks = NonNullable<SessionView['tasks']>

/** "412 of 1,000 tasks done, 3 failed, 12 running". */
export function progressOf({ total, done, failed, running }: Tasks): string {
  const parts = [`${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${total === 1 ? 'task' : 'tasks'} done`]
  if (failed) parts.push(`${failed.toLocaleString('en')} failed`)
  if (running) parts.push(`${running.toLocaleString('en')} running`)
  return parts.join(', ')
}

/** "7, 12–14 and more": the failed ones, as far as they are told. */
export function rangesOf({ failing, failed }: Tasks): string {
  const words: string[] = []
  let told = 0
  for (let i = 0; i + 1 < failing.length; i += 2) {
    const [from, to] = [failing[i]!, failing[i + 1]!]
    told += to - from
    words.push(to - from === 1 ? String(from) : `${from}–${to - 1}`)
  }
  return `${words.join(', ')}${told < failed ? ' and more' : ''}`
}

export function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).trimEnd()}…`
}
