/** The sentence at the top of the dashboard. */
import { expect, test } from 'vitest'
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { activity, headline, progressOf, rangesOf, shorten, whyThere } from '../../ui/lib/sentence.ts'
import { fakeMesh } from './fake-mesh.ts'

const [model] = fakeMesh('office').nodes as [NodeView]
const nodes = (...states: (NodeView['state'] | 'paused')[]): NodeView[] =>
  states.map((state) => ({
    ...model,
    state: state === 'paused' ? 'alive' : state,
    offer: { cpuMilli: 1, memoryBytes: 1, grantedCpuMilli: 0, grantedMemoryBytes: 0, paused: state === 'paused' }
  }))
const [job] = fakeMesh('office').sessions as [SessionView]
const sessions = (...states: SessionView['state'][]): SessionView[] =>
  states.map((state, i) => ({ ...job, id: String(i), state }))
const nameOf = () => 'atlas'

test.each([
  [nodes('alive', 'alive', 'alive', 'dead'), 'Three PCs ready, one away.'],
  [nodes('alive', 'paused', 'suspect', 'dead', 'dead'), 'One PC ready, one paused, one not answering, two away.'],
  [nodes('alive', 'alive'), 'Two PCs ready.'],
  [nodes('alive'), 'This PC is ready.'],
  [nodes('paused'), 'This PC is paused.'],
  [nodes('paused', 'dead'), 'No PCs ready, one paused, one away.'],
  [nodes(...Array<'alive'>(13).fill('alive')), '13 PCs ready.']
])('%# %s', (given, said) => {
  expect(headline(given)).toBe(said)
})

test('a PC that left the mesh is not counted', () => {
  expect(headline(nodes('alive', 'alive', 'left'))).toBe('Two PCs ready.')
})

test.each([
  [[], 'Nothing runs.'],
  [sessions('finished', 'failed', 'stopped'), 'Nothing runs.'],
  [sessions('running'), 'make -j48 all runs on atlas.'],
  [sessions('running', 'pending'), 'make -j48 all runs on atlas, one waits.'],
  [sessions('running', 'finishing', 'placing', 'starting', 'frozen'), 'Two sessions run, two wait, one is stuck.'],
  [sessions('pending'), 'One session waits.'],
  [sessions('pending', 'submitted'), 'Two sessions wait.'],
  [sessions('lost', 'frozen'), 'Two are stuck.']
])('%# sessions are summed up', (given, said) => {
  expect(activity(given, nameOf)).toBe(said)
})

test('an array says how far it has come, and which tasks failed as far as they are known', () => {
  const tasks = { total: 1000, done: 412, failed: 4, running: 12, failing: [7, 8, 12, 15] }
  expect(progressOf(tasks)).toBe('412 of 1,000 tasks done, 4 failed, 12 running')
  expect(rangesOf(tasks)).toBe('7, 12–14')
  expect(rangesOf({ ...tasks, failed: 9 })).toBe('7, 12–14 and more')
  expect(whyThere({ ...job, state: 'running', runner: null, placement: null, tasks }, nameOf)).toBe(progressOf(tasks))
})

test('a long command is cut with a sign', () => {
  expect(shorten('abcdef', 6)).toBe('abcdef')
  expect(shorten('abcdef', 4)).toBe('abc…')
})
