import { expect, test, vi } from 'vitest'
import { createActor } from 'xstate'
import { Timeline } from '../../../sim/clock.ts'
import { sessionMachine } from '../../../protocols/session/index.ts'
import type { SessionEvent, SessionInput } from '../../../protocols/session/index.ts'

type Entry = SessionInput['resume']
interface Settings {
  restarts?: boolean
  elsewhere?: boolean
}

/** The machine at its entry, with a list of what it did and a clock of its own. */
function begin(resume: Entry, { restarts = false, elsewhere = true }: Settings = {}) {
  const did: string[] = []
  const timeline = new Timeline()
  const note = (what: string) => () => void did.push(what)
  const actor = createActor(sessionMachine, {
    input: {
      resume,
      do: {
        create: note('create'),
        place: note('place'),
        startChild: note('start'),
        terminate: note('TERM'),
        kill: note('KILL'),
        publish: note('publish'),
        freeze: note('freeze')
      },
      restartsAfter: () => restarts,
      backoffMs: () => 2000,
      mayTryElsewhere: () => elsewhere
    },
    clock: {
      setTimeout: (fn: () => void, ms: number) => timeline.at(ms, fn),
      clearTimeout: (timer) => timeline.clear(timer as never)
    }
  })
  actor.start()
  const end = { code: 1, signal: null }
  const events: Record<string, SessionEvent> = {
    accepted: { type: 'record.accepted' },
    rejected: { type: 'record.rejected', cause: 'full' },
    self: { type: 'worker.self' },
    bound: { type: 'worker.bound', cause: 'there' },
    none: { type: 'worker.none', cause: 'nobody', final: false },
    never: { type: 'worker.none', cause: 'nobody', final: true },
    view: { type: 'view.changed' },
    started: { type: 'child.started' },
    notStarted: { type: 'child.notStarted', cause: 'missing' },
    exited: { type: 'child.exited', end, cause: 'exit code 1' },
    gone: { type: 'child.gone', cause: 'power', again: false },
    goneAgain: { type: 'child.gone', cause: 'power', again: true },
    published: { type: 'result.published' },
    found: { type: 'result.found', cause: 'ended elsewhere' },
    stop: { type: 'session.stop', cause: 'ann' },
    drain: { type: 'session.drain', cause: 'down' },
    superseded: { type: 'session.superseded', cause: 'newer' }
  }
  return {
    did,
    timeline,
    tell(...names: string[]): string {
      for (const name of names) actor.send(events[name]!)
      return String(actor.getSnapshot().value)
    },
    get state(): string {
      return String(actor.getSnapshot().value)
    },
    get over(): boolean {
      return actor.getSnapshot().status === 'done'
    }
  }
}

test('a session goes from the person to its end, each step once', () => {
  const session = begin('submitted')
  expect(session.tell('accepted')).toBe('placing')
  expect(session.tell('self')).toBe('starting')
  expect(session.tell('started')).toBe('running')
  expect(session.tell('exited')).toBe('finishing')
  expect(session.tell('published')).toBe('finished')
  expect(session.did).toEqual(['create', 'place', 'start', 'publish'])
  expect(session.over).toBe(true)
})

test.each<[Entry, string[]]>([
  ['submitted', ['create']],
  ['placing', ['place']],
  ['starting', ['start']],
  ['running', []],
  ['stopping', ['TERM']]
])('a session is taken up where its record stands: %s', (entry, did) => {
  const session = begin(entry)
  expect(session.state).toBe(entry)
  expect(session.did).toEqual(did)
})

test.each<[string, Entry, string[], string, Settings?]>([
  ['a record that no disk takes', 'submitted', ['rejected'], 'failed'],
  ['a stop before acceptance', 'submitted', ['stop'], 'stopped'],
  ['a worker that takes it over', 'placing', ['bound'], 'handed'],
  ['nobody now', 'placing', ['none'], 'pending'],
  ['nobody ever', 'placing', ['never'], 'failed'],
  ['a stop while it is placed', 'placing', ['stop'], 'stopped'],
  ['a stop while it waits', 'placing', ['none', 'stop'], 'stopped'],
  ['a new PC while it waits', 'placing', ['none', 'view'], 'placing'],
  ['an end elsewhere while it waits', 'placing', ['none', 'found'], 'finished'],
  ['an end elsewhere while it is placed', 'placing', ['found'], 'finished'],
  ['an end elsewhere while it runs', 'running', ['found'], 'running'],
  ['a failed start with others left', 'starting', ['notStarted'], 'placing'],
  ['a failed start with nobody left', 'starting', ['notStarted'], 'failed', { elsewhere: false }],
  ['a child that ended before it was said to run', 'starting', ['exited', 'published'], 'finished'],
  ['a lost PC, restartable', 'running', ['goneAgain'], 'placing'],
  ['a lost PC, not restartable', 'running', ['gone'], 'failed'],
  ['a lost PC at the start, restartable', 'starting', ['goneAgain'], 'placing'],
  ['a restart after its end', 'running', ['exited', 'published'], 'pending', { restarts: true }],
  ['a stop', 'running', ['stop', 'exited'], 'stopped'],
  ['a stop at the start', 'starting', ['stop', 'started', 'exited'], 'stopped'],
  ['a stop of what never started', 'starting', ['stop', 'notStarted'], 'stopped'],
  ['a stop of what is gone', 'running', ['stop', 'gone'], 'stopped'],
  ['a PC that goes down', 'running', ['drain', 'exited'], 'placing'],
  ['a PC that goes down at the start', 'starting', ['drain', 'notStarted'], 'placing'],
  ['a PC that goes down with a child that is gone', 'running', ['drain', 'gone'], 'placing'],
  ['a stop while it moves', 'running', ['drain', 'stop', 'exited'], 'stopped'],
  ['a newer owner', 'running', ['superseded'], 'frozen'],
  ['a newer owner while it is placed', 'placing', ['superseded'], 'frozen'],
  ['a frozen run that is stopped', 'running', ['superseded', 'stop'], 'discarded'],
  ['a frozen run that ends', 'running', ['superseded', 'exited'], 'discarded']
])('%s: from %s by %j to %s', (_what, entry, names, state, settings) => {
  expect(begin(entry, settings).tell(...names)).toBe(state)
})

test('a second move after the first is a move again, and a run after a move ends as any other', () => {
  const session = begin('running')
  session.tell('drain', 'exited', 'self', 'started')
  expect(session.tell('stop', 'exited')).toBe('stopped')
})

test('what waits for a place looks again after half a minute, though nothing was heard', () => {
  const session = begin('placing')
  session.tell('none')
  session.timeline.run(29_999)
  expect(session.state).toBe('pending')
  session.timeline.run(1)
  expect(session.state).toBe('placing')
  expect(session.did).toEqual(['place', 'place'])
})

test('what failed waits out its pause, and no new PC shortens it', () => {
  const session = begin('running', { restarts: true })
  session.tell('exited', 'published')
  expect(session.tell('view')).toBe('pending')
  session.timeline.run(2000)
  expect(session.state).toBe('placing')
})

test('a child that does not heed the polite signal is killed after five seconds, and given up after thirty', () => {
  const session = begin('running')
  session.tell('stop')
  session.timeline.run(4999)
  expect(session.did).toEqual(['TERM'])
  session.timeline.run(1)
  expect(session.did).toEqual(['TERM', 'KILL'])
  session.timeline.run(25_000)
  expect(session.state).toBe('failed')
})

test('a child that starts after the stop is told to end as soon as it runs', () => {
  const session = begin('starting')
  session.tell('stop', 'started')
  expect(session.did).toEqual(['start', 'TERM', 'TERM'])
})

test('a final session heeds nothing any more', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  for (const [entry, names, state] of [
    ['running', ['stop', 'exited'], 'stopped'],
    ['placing', ['bound'], 'handed'],
    ['submitted', ['rejected'], 'failed']
  ] as const) {
    const session = begin(entry)
    session.tell(...names)
    const before = [...session.did]
    for (const name of ['started', 'superseded', 'stop', 'view', 'self']) expect(session.tell(name)).toBe(state)
    expect(session.did).toEqual(before)
  }
  warn.mockRestore()
})
