/** What the sensors read is what the mesh hears: bounded, rounded, and absent where it could not be read. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { capacityOf, createSensors, dynamicAd, staticAd } from '../../../node/sensors/index.ts'
import { decodeAdDynamic, decodeAdStatic, encodeAdDynamic, encodeAdStatic } from '../../../protocols/gossip/index.ts'
import { fakeTree, netDev, stat } from './fake-tree.ts'
import type { FakeTree } from './fake-tree.ts'

let tree: FakeTree
let nowMs = 0
beforeEach(() => {
  tree = fakeTree()
  nowMs = 0
})
afterEach(() => tree.remove())

const offer = { cpuMilli: 1000, memoryBytes: 2 ** 30 }
const ownStatic = {
  labels: { room: 'den' },
  name: 'attic',
  version: '0.1.0',
  urls: ['https://attic:8443'],
  offer,
  tlsFingerprint: 'ab'
}
const ownDynamic = { granted: { cpuMilli: 0, memoryBytes: 0 }, paused: false, draining: false, sessions: 0 }

const open = () => createSensors({ root: tree.root, now: () => nowMs, dataDir: '/' })

test('both halves pass the codec of the mesh unchanged', async () => {
  const sensors = open()
  await sensors.sample()
  tree.write({ '/proc/stat': stat([150, 950], [100, 1000]), '/proc/net/dev': netDev({ eth0: [5000, 4001] }) })
  nowMs += 2000
  const sample = await sensors.sample()
  const fixed = staticAd(sensors.facts, sample, undefined, ownStatic)
  const moving = dynamicAd(sensors.facts, sample, ownDynamic)
  expect(decodeAdStatic(encodeAdStatic(fixed))).toEqual(fixed)
  expect(decodeAdDynamic(encodeAdDynamic(moving))).toEqual(moving)
  expect(fixed).toMatchObject({
    os: 'Test OS 1 (first)',
    cpuModel: 'Test CPU 3000',
    cores: 2,
    memoryBytes: 8 * 2 ** 30,
    name: 'attic'
  })
  expect(moving).toMatchObject({
    cpu: 0.75,
    load1: 0.75,
    rxBytesPerS: 2000,
    txBytesPerS: 1001,
    memoryUsedBytes: 2 * 2 ** 30
  })
  expect([...moving.perCore!]).toEqual([128, 255])
})

test('what cannot be read is absent in the dynamic half and explained in the static one', async () => {
  tree.write({ '/proc/loadavg': 'x' })
  const sensors = open()
  const sample = await sensors.sample()
  const moving = dynamicAd(sensors.facts, sample, ownDynamic)
  for (const field of ['cpu', 'perCore', 'load1', 'rxBytesPerS', 'temperatureC', 'battery'])
    expect(moving).not.toHaveProperty(field)
  const { missing } = staticAd(sensors.facts, sample, undefined, ownStatic)
  expect(missing).toMatchObject({ battery: 'this PC has no battery', gpus: 'not read yet' })
  expect(missing['load1']).toContain('/proc/loadavg')
  expect(missing, 'a rate that waits for its second sample is no news').not.toHaveProperty('cpu')
})

test('graphics cards come from the hardware report; without any its reason is told', async () => {
  const sensors = open()
  const sample = await sensors.sample()
  const ad = (report: Parameters<typeof staticAd>[2]) => staticAd(sensors.facts, sample, report, ownStatic)
  const seen = ad({ at: 1, sections: { Graphics: [{ vendor: 'Acme', model: 'Rocket 9', vram: 8192 }] }, errors: {} })
  expect(seen.gpus).toEqual(['Acme Rocket 9'])
  expect(seen.missing).not.toHaveProperty('gpus')
  const none = ad({ at: 1, sections: {}, errors: { Graphics: 'this PC tells nothing about it' } })
  expect(none.gpus).toEqual([])
  expect(none.missing['gpus']).toBe('this PC tells nothing about it')
})

test('a quota limits what the PC can give, to the thousandth of a core', async () => {
  tree.write({
    '/sys/fs/cgroup/cpu.max': '150000 100000\n',
    '/sys/fs/cgroup/memory.max': `${2 ** 30}\n`,
    '/sys/fs/cgroup/memory.current': '5\n'
  })
  expect(capacityOf(await open().sample())).toEqual({ cpuMilli: 1500, memoryBytes: 2 ** 30 })
})
