/** Faults of the simulated network look to a program as they do on real cables. */
import { expect, test } from 'vitest'
import { DIAL_TIMEOUT_MS } from '../../sim/network.ts'
import { Program, wired } from './world.ts'
import type { Wired } from './world.ts'

function linked(seed = 1): Wired & { a: Program; b: Program } {
  const world = wired(2, seed)
  const [a, b] = world.programs as [Program, Program]
  a.dial(b)
  world.timeline.run(100)
  expect([a.told, b.told]).toEqual([['up'], ['up']])
  return { ...world, a, b }
}

test('a cut stalls the stream and healing delivers everything in order', () => {
  const { timeline, fabric, a, b } = linked()
  fabric.cut([[a.id], [b.id]])
  for (const text of ['1', '2', '3']) expect(a.say(b, text)).toBe(true)
  timeline.run(20_000)
  expect(b.heard).toEqual([])
  expect([a.told, b.told]).toEqual([['up'], ['up']])
  fabric.heal()
  a.say(b, '4')
  timeline.run(20_000)
  expect(b.heard).toEqual(['1', '2', '3', '4'])
})

test('frames under way when the cut comes wait too', () => {
  const { timeline, fabric, a, b } = linked()
  a.say(b, 'under way')
  fabric.cut([[a.id], [b.id]])
  timeline.run(1000)
  expect(b.heard).toEqual([])
  fabric.heal()
  timeline.run(1000)
  expect(b.heard).toEqual(['under way'])
})

test('a cut in one direction lets the other pass, but without receipts its queue fills', () => {
  const { timeline, fabric, a, b } = linked()
  fabric.block([b.id], [a.id])
  const large = 'x'.repeat(60_000)
  let taken = 0
  while (a.say(b, large)) {
    taken += 1
    timeline.run(100)
  }
  expect(b.heard).toHaveLength(taken)
  expect(taken).toBe(4)
  b.say(a, 'back')
  timeline.run(1000)
  expect(a.heard).toEqual([])
  fabric.heal()
  timeline.run(10_000)
  expect(a.heard).toEqual(['back'])
  expect(a.told).toEqual(['up', 'drain'])
  expect(a.say(b, large)).toBe(true)
})

test('a killed program resets its links, and a dial to its PC is refused', () => {
  const { timeline, a, b } = linked()
  b.kill()
  timeline.run(10)
  expect(a.told).toEqual(['up', 'down reset'])
  a.dial(b)
  timeline.run(100)
  expect(a.told.at(-1)).toBe('dial refused')
})

test('a PC without power is silent: links stay, dials time out', () => {
  const { timeline, a, b } = linked()
  b.powerCut()
  expect(a.say(b, 'anyone?')).toBe(true)
  timeline.run(60_000)
  expect(a.told).toEqual(['up'])
  a.network.close(b.id, 'gone')
  a.dial(b)
  timeline.run(DIAL_TIMEOUT_MS + 100)
  expect(a.told).toEqual(['up', 'down closed', 'dial timeout'])
})

test('a link that nobody answers is given up after a quarter of an hour', () => {
  const { timeline, a, b } = linked()
  b.powerCut()
  a.say(b, 'anyone?')
  timeline.run(16 * 60_000)
  expect(a.told).toEqual(['up', 'down timeout'])
})

test('a PC that comes back replaces the link of its former life', () => {
  const { timeline, fabric, a, b } = linked()
  b.powerCut()
  timeline.run(5000)
  b.network.station.powered = true
  const again = new Program(fabric, b.id)
  again.dial(a)
  timeline.run(1000)
  expect(a.told).toEqual(['up', 'down reset', 'up'])
  again.say(a, 'back')
  timeline.run(100)
  expect(a.heard).toEqual(['back'])
})

test('a link closed during a cut is reset at the other side by its next word after healing', () => {
  const { timeline, fabric, a, b } = linked()
  fabric.cut([[a.id], [b.id]])
  a.network.close(b.id, 'given up')
  timeline.run(5000)
  expect([a.told, b.told]).toEqual([['up', 'down closed'], ['up']])
  fabric.heal()
  b.say(a, 'still there?')
  timeline.run(10_000)
  expect(b.told).toEqual(['up', 'down reset'])
  expect(a.heard).toEqual([])
})

test('a broken link is a reset for both sides', () => {
  const { timeline, a, b } = linked()
  a.say(b, 'lost')
  a.network.breakLink(b.id)
  timeline.run(100)
  expect([a.told, b.told]).toEqual([
    ['up', 'down reset'],
    ['up', 'down reset']
  ])
  expect(b.heard).toEqual([])
})

test('a large frame delays the small ones of other planes by its own time on the cable only', () => {
  const { timeline, fabric, a, b } = linked()
  a.say(b, 'x'.repeat(60_000), 'chan')
  a.say(b, 'ping', 'mem')
  timeline.run(60_000 / fabric.shape.bytesPerMs + fabric.shape.latencyMs + fabric.shape.jitterMs)
  expect(b.heard).toContain('ping')
})
