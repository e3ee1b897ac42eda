/** Each checker is shown a history that it must reject, and one that it must not. */
import { expect, test } from 'vitest'
import {
  doubleRuns,
  forgottenStops,
  lostSessions,
  staleSummaries,
  strictDoubleRuns,
  twinResults,
  unfinished
} from '../../sim/checkers.ts'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import { RunLog } from '../../sim/run-log.ts'
import { Timeline } from '../../sim/clock.ts'
import { Trace } from '../../sim/trace.ts'
import { Watch } from '../../sim/watch.ts'
import type { SessionRecord, SessionState } from '../../protocols/session/index.ts'

const ID = 'a'.repeat(32)

function record(patch: Partial<SessionRecord>): SessionRecord {
  return {
    id: ID,
    epoch: 1,
    seq: 0,
    owner: 'p0',
    keepers: ['p0', 'p1'],
    state: 'running',
    spec: {},
    ...patch
  } as SessionRecord
}

function watch(excused = false, answers = true): { watch: Watch; pass: (ms: number) => void } {
  let nowMs = 0
  const options = {
    nowMs: () => nowMs,
    nameOf: (peer: string) => peer,
    cpuMilli: 2000,
    excused: () => excused,
    lies: false,
    woke: () => false,
    answers: () => answers,
    holds: (_session: string, peer: string) => peer !== 'p9'
  }
  return { watch: new Watch(options), pass: (ms) => (nowMs += ms) }
}
const pc = (id: string, starts = 1) => ({ id, name: id, starts })
const checkers = (one: Watch): string[] => one.violations.map(({ checker }) => checker)

test('a lower epoch on the same disk breaks the fence, one after a restart does not', () => {
  const { watch: one } = watch()
  one.wrote(pc('p0'), record({ epoch: 3 }), 'write')
  one.wrote(pc('p0'), record({ epoch: 3 }), 'write')
  one.wrote(pc('p1'), record({ epoch: 1 }), 'write')
  one.wrote(pc('p0', 2), record({ epoch: 2 }), 'write')
  expect(one.violations).toEqual([])
  one.wrote(pc('p0', 2), record({ epoch: 1 }), 'write')
  expect(checkers(one)).toEqual(['fence'])
})

test.each([1, 2])('after epoch 2, an order of epoch %i breaks the fence', (epoch) => {
  const { watch: one } = watch()
  one.ordered(ID, 2, 'p0')
  one.ordered(ID, 1, 'p1')
  expect(one.violations).toEqual([])
  one.ordered(ID, epoch, 'p0')
  expect(checkers(one)).toEqual(['fence'])
})

test('voters are told of a result that two disks have, and of any other end that one has', () => {
  const strict = { mode: 'strict' } as SessionRecord['spec']
  const exit = { code: 0, signal: null }
  const { watch: one } = watch()
  const told = (): number => {
    one.toldOver(ID, false)
    return one.violations.length
  }
  expect(told()).toBe(1)
  one.wrote(pc('p0'), record({ spec: strict, exit }), 'synced')
  one.toldOver(ID, true)
  expect(one.violations).toHaveLength(1)
  expect(told()).toBe(2)
  one.wrote(pc('p1'), record({ spec: strict, exit }), 'synced')
  expect(told()).toBe(2)
  const { watch: other } = watch()
  other.wrote(pc('p0'), record({ spec: strict, state: 'stopped' }), 'synced')
  other.toldOver(ID, false)
  expect(other.violations).toEqual([])
})

test('who stopped a session finds it over in the end', () => {
  const stopped = new Set([ID])
  const ended = (state: SessionState) => forgottenStops({ session: () => record({ state }), stopped })
  expect(ended('stopped')).toEqual([])
  expect(ended('finished')).toEqual([])
  expect(ended('running')).toEqual([expect.stringContaining('was stopped, and is "running"')])
})

test('more work than a PC gives, even for a moment, is over its capacity', () => {
  const { watch: one } = watch()
  const run = (session: string, cpuMilli: number) => ({
    session,
    epoch: 1,
    peer: 'p0',
    cpuMilli,
    fromMs: 0,
    toMs: undefined
  })
  one.begins(run('a', 1500))
  one.begins(run('b', 500))
  one.ends(run('b', 500))
  one.begins(run('c', 500))
  expect(one.violations).toEqual([])
  one.begins(run('d', 1))
  expect(checkers(one)).toEqual(['capacity'])
})

test('a PC with a new disk may order what is older, but no strict session', () => {
  for (const mode of ['strict', undefined] as const) {
    const { watch: one } = watch()
    one.wrote(pc('p0'), record({ spec: (mode === undefined ? {} : { mode }) as SessionRecord['spec'] }), 'write')
    one.ordered(ID, 2, 'p0')
    one.diskForgot(pc('p1'))
    one.diskForgot(pc('p0'), 'another')
    one.ordered(ID, 1, 'p0')
    expect(checkers(one)).toEqual(['fence'])
    one.ordered(ID, 3, 'p0')
    one.diskForgot(pc('p0'))
    one.ordered(ID, 2, 'p0')
    expect(checkers(one)).toHaveLength(mode === 'strict' ? 2 : 1)
  }
})

test('a session may be run again while all who know of its end are off, unless it is strict', () => {
  for (const answers of [false, true])
    for (const mode of ['strict', undefined] as const) {
      const { watch: one } = watch(false, answers)
      const of = (patch: Partial<SessionRecord>) =>
        record({ ...patch, spec: (mode === undefined ? {} : { mode }) as SessionRecord['spec'] })
      one.wrote(pc('p1'), of({ epoch: 1 }), 'write')
      one.wrote(pc('p0'), of({ epoch: 1, state: 'finished' }), 'write')
      one.wrote(pc('p0'), of({ epoch: 1, state: 'finished' }), 'synced')
      one.wrote(pc('p1'), of({ epoch: 3, owner: 'p1' }), 'write')
      one.wrote(pc('p1'), of({ epoch: 3, owner: 'p1', state: 'finished' }), 'synced')
      expect(checkers(one)).toEqual(answers || mode === 'strict' ? ['result'] : [])
    }
})

test('an end that a later owner has heard of and takes as its own is told once', () => {
  const { watch: one } = watch()
  one.wrote(pc('p0'), record({ state: 'finished', endedAt: 7 }), 'synced')
  one.wrote(pc('p1'), record({ epoch: 3, owner: 'p1', state: 'finished', endedAt: 7 }), 'synced')
  expect(one.violations).toEqual([])
  one.wrote(pc('p1'), record({ epoch: 5, owner: 'p1', state: 'finished', endedAt: 8 }), 'synced')
  expect(checkers(one)).toEqual(['result'])
})

test('what is over in an array stays over at its owner; a keeper may know less', () => {
  const { watch: one } = watch()
  const of = (over: readonly number[]) =>
    record({
      spec: { array: 9 } as SessionRecord['spec'],
      progress: { done: 0, failed: 0, running: 0, over, failing: [] }
    })
  one.wrote(pc('p0'), of([0, 4]), 'write')
  one.wrote(pc('p1'), of([0, 2]), 'write')
  expect(one.violations).toEqual([])
  one.wrote(pc('p0'), of([0, 2]), 'write')
  expect(checkers(one)).toEqual(['array'])
})

test('an end that is published for two epochs is told twice, unless the PCs were parted', () => {
  for (const excused of [false, true]) {
    const { watch: one } = watch(excused)
    one.wrote(pc('p0'), record({ epoch: 1, state: 'finished' }), 'synced')
    one.wrote(pc('p1'), record({ epoch: 1, state: 'finished' }), 'synced')
    expect(one.violations).toEqual([])
    one.wrote(pc('p1'), record({ epoch: 4, state: 'finished' }), 'synced')
    expect(checkers(one)).toEqual(excused ? [] : ['result'])
  }
})

test('a table above its bound is said once, with its size', () => {
  const { watch: one } = watch()
  one.bounded('events of p0', 500, 500)
  expect(one.violations).toEqual([])
  one.bounded('events of p0', 501, 500)
  one.bounded('events of p0', 501, 500)
  expect(one.violations.map(({ text }) => text)).toEqual(['events of p0: 501, at most 500'])
})

function runs(): { log: RunLog; timeline: Timeline } {
  const timeline = new Timeline()
  return { timeline, log: new RunLog(timeline, new Trace()) }
}

test('two runs at once are a double run, one after the other are not', () => {
  const { log, timeline } = runs()
  log.begins(ID, 1, 'p0', 500)
  timeline.run(1000)
  log.ends(ID, 1, 'p0')
  log.begins(ID, 3, 'p1', 500)
  timeline.run(1000)
  expect(doubleRuns(log, () => false)).toEqual([])
  log.begins(ID, 5, 'p2', 500)
  timeline.run(1000)
  expect(doubleRuns(log, () => false)).toHaveLength(1)
  expect(doubleRuns(log, (atMs) => atMs === 2000)).toEqual([])
  expect(
    doubleRuns(
      log,
      () => false,
      () => true
    ),
    'it went on for a second'
  ).toHaveLength(1)
})

test('one epoch on two PCs is wrong even when the runs do not overlap', () => {
  const { log, timeline } = runs()
  log.begins(ID, 1, 'p0', 500)
  timeline.run(10)
  log.ends(ID, 1, 'p0')
  timeline.run(10)
  log.begins(ID, 1, 'p1', 500)
  expect(doubleRuns(log, () => false).map(({ text }) => text)).toEqual([expect.stringContaining('on two PCs')])
})

test('the false start of a peer that stalled is excused, and of no other', () => {
  const { log, timeline } = runs()
  log.begins(ID, 3, 'p1', 500)
  timeline.run(100)
  log.begins(ID, 1, 'p0', 500)
  timeline.run(1)
  log.ends(ID, 1, 'p0')
  expect(
    doubleRuns(
      log,
      () => false,
      () => true
    )
  ).toEqual([])
  expect(doubleRuns(log, () => false)).toHaveLength(1)
})

test('a strict session never runs twice, whoever was parted, but for a PC that has just woken', () => {
  const { log, timeline } = runs()
  const strict = new Set([ID])
  log.begins(ID, 3, 'p1', 500)
  timeline.run(100)
  log.begins(ID, 1, 'p0', 500)
  timeline.run(1)
  log.ends(ID, 1, 'p0')
  expect(strictDoubleRuns(log, strict).map(({ text }) => text)).toEqual([expect.stringContaining('ran twice at 0.100')])
  expect(strictDoubleRuns(log, new Set())).toEqual([])
  const woke = ({ peer }: { peer: string }, fromMs: number, toMs: number) => peer === 'p0' && fromMs >= 90 && toMs < 590
  expect(strictDoubleRuns(log, strict, woke)).toEqual([])
})

test('what a strict session does is never done under an older number than before, on any PC', () => {
  const { watch: one } = watch()
  const run = (epoch: number, peer: string) => ({
    session: ID,
    epoch,
    peer,
    cpuMilli: 1,
    fromMs: 0,
    toMs: undefined
  })
  one.begins(run(4, 'p0'))
  one.begins(run(1, 'p1'))
  expect(one.violations).toEqual([])
  one.wrote(pc('p0'), record({ spec: { mode: 'strict' } as SessionRecord['spec'] }), 'write')
  one.begins(run(4, 'p0'))
  one.begins(run(1, 'p1'))
  expect(checkers(one)).toEqual(['fence'])
})

test('a process of a strict session goes on only where the right to run it is', () => {
  const { watch: one } = watch()
  const run = (peer: string) => ({ session: ID, epoch: 1, peer, cpuMilli: 1, fromMs: 0, toMs: undefined })
  one.begins(run('p9'))
  one.wrote(pc('p0'), record({ spec: { mode: 'strict' } as SessionRecord['spec'] }), 'write')
  one.begins(run('p0'))
  expect(one.violations).toEqual([])
  one.begins(run('p9'))
  expect(checkers(one)).toEqual(['right'])
})

/** PCs that hold the given records, each also as the summary that it shows. */
function meshOf(...held: (SessionRecord | undefined)[]): SimMesh {
  const pcs = held.map((one, i) => ({
    name: `p${i}`,
    id: `p${i}`,
    running: true,
    peer: {
      self: `p${i}`,
      summary: () => one,
      sessions: { records: { all: new Map(one === undefined ? [] : [[ID, one]]) }, forks: new Map() }
    }
  }))
  const newest = held.filter((one) => one !== undefined).sort((a, b) => b.epoch - a.epoch)[0]
  return { pcs, left: pcs, running: pcs, session: () => newest, world: { runs: runs().log } } as unknown as SimMesh
}
const accepted: Job[] = [{ id: ID, durability: 2, error: undefined }]
const states = (...list: (SessionState | undefined)[]) =>
  meshOf(...list.map((state) => (state === undefined ? undefined : record({ state }))))

test('an accepted session that nobody knows is lost', () => {
  expect(lostSessions(states('finished', undefined), accepted)).toEqual([])
  expect(lostSessions(states(undefined, undefined), accepted)).toHaveLength(1)
  expect(lostSessions(states(undefined), [{ id: undefined, durability: undefined, error: undefined }])).toEqual([])
})

test('a session that is neither over nor running is unfinished', () => {
  expect(unfinished(states('finished'), accepted)).toEqual([])
  expect(unfinished(states('pending'), accepted)).toHaveLength(1)
  expect(unfinished(states('running'), accepted), 'without a process').toHaveLength(1)
})

test('keepers that tell two ends of one session contradict each other', () => {
  const finished = record({ state: 'finished', exit: { code: 0, signal: null } })
  expect(twinResults(meshOf(finished, finished), accepted)).toEqual([])
  expect(twinResults(meshOf(finished, { ...finished, epoch: 2 }), accepted)).toHaveLength(1)
  expect(twinResults(meshOf(finished, { ...finished, exit: { code: 1, signal: null } }), accepted)).toHaveLength(1)
})

test('a PC that shows less than the keepers know is stale', () => {
  const finished = record({ state: 'finished' })
  expect(staleSummaries(meshOf(finished, finished), accepted)).toEqual([])
  expect(staleSummaries(meshOf(finished, undefined), accepted)).toHaveLength(1)
  expect(staleSummaries(meshOf({ ...finished, epoch: 2 }, finished), accepted)).toHaveLength(1)
})
