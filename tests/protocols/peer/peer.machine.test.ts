import { expect, test } from 'vitest'
import { createActor } from 'xstate'
import { peerMachine } from '../../../protocols/peer/index.ts'
import { Timeline } from '../../../sim/clock.ts'

function begin() {
  const did: string[] = []
  const timeline = new Timeline()
  const note = (what: string) => () => void did.push(what)
  const actor = createActor(peerMachine, {
    input: { do: { load: note('load'), greet: note('greet'), drain: note('drain'), leave: note('leave') } },
    clock: {
      setTimeout: (fn: () => void, ms: number) => timeline.at(ms, fn),
      clearTimeout: (timer) => timeline.clear(timer as never)
    }
  })
  actor.start()
  return { did, timeline, actor, state: () => JSON.stringify(actor.getSnapshot().value) }
}

test('a peer loads, greets, drains and says farewell, each once', () => {
  const { did, actor, state } = begin()
  expect(state()).toBe('"loading"')
  actor.send({ type: 'disk.loaded' })
  expect(state()).toBe('{"active":"connected"}')
  actor.send({ type: 'peer.down' })
  actor.send({ type: 'sessions.drained' })
  expect(state()).toBe('"leaving"')
  actor.send({ type: 'farewell.sent' })
  expect(state()).toBe('"left"')
  expect(did).toEqual(['load', 'greet', 'drain', 'leave'])
})

test('a disk that cannot be read ends the peer before it greets anybody', () => {
  const { did, actor, state } = begin()
  actor.send({ type: 'disk.failed' })
  expect(state()).toBe('"failed"')
  expect(did).toEqual(['load'])
})

test('without an answer from any member the peer goes on alone, and back', () => {
  const { did, actor, state } = begin()
  actor.send({ type: 'disk.loaded' })
  actor.send({ type: 'mesh.isolated' })
  expect(state()).toBe('{"active":"isolated"}')
  actor.send({ type: 'mesh.answers' })
  expect(state()).toBe('{"active":"connected"}')
  actor.send({ type: 'mesh.isolated' })
  actor.send({ type: 'peer.down' })
  expect(state()).toBe('"draining"')
  expect(did).toEqual(['load', 'greet', 'drain'])
})

test('a drain ends after two minutes with what still runs, and a farewell is waited for no longer than it takes', () => {
  const { timeline, actor, state } = begin()
  actor.send({ type: 'disk.loaded' })
  actor.send({ type: 'peer.down' })
  timeline.run(119_999)
  expect(state()).toBe('"draining"')
  timeline.run(1)
  expect(state()).toBe('"leaving"')
  timeline.run(300)
  expect(state()).toBe('"left"')
})
