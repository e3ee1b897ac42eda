/** The sensors on a made-up PC, so that every figure is known, and on the PC that runs the tests. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSensors } from '../../../node/sensors/sensors.ts'
import { diskstats, fakeTree, netDev, stat } from './fake-tree.ts'
import type { FakeTree } from './fake-tree.ts'

let tree: FakeTree
let nowMs = 0
beforeEach(() => {
  tree = fakeTree()
  nowMs = 0
})
afterEach(() => tree.remove())

const open = () => createSensors({ root: tree.root, now: () => nowMs, dataDir: '/var/omega' })

test('the first sample has states but no rates, and says why', async () => {
  const sample = await open().sample()
  expect(sample.cores).toEqual({ value: 2 })
  expect(sample.memoryBytes).toEqual({ value: 8 * 2 ** 30 })
  expect(sample.memoryUsedBytes).toEqual({ value: 2 * 2 ** 30 })
  expect(sample.load1).toEqual({ value: 0.75 })
  expect(sample.cpu).toEqual({ missing: 'a rate needs two samples; this is the first' })
  expect(sample.netRxBytesPerS).toHaveProperty('missing')
  expect(sample.overMs).toBeNull()
})

test('rates are differences of two samples over the time between them', async () => {
  const sensors = open()
  await sensors.sample()
  tree.write({
    '/proc/stat': stat([150, 950], [100, 1000]),
    '/proc/net/dev': netDev({ lo: [9_999_999, 9_999_999], eth0: [5000, 4000], docker0: [500, 500] }),
    '/proc/diskstats': diskstats(100 + 8, 200 + 16)
  })
  nowMs += 2000
  const sample = await sensors.sample()
  expect(sample.perCore).toEqual({ value: [0.5, 1] })
  expect(sample.cpu).toEqual({ value: 0.75 })
  expect(sample.netRxBytesPerS).toEqual({ value: 2000 })
  expect(sample.netTxBytesPerS).toEqual({ value: 1000 })
  expect(sample.disks).toMatchObject({
    value: [{ mount: '/', device: '/dev/sda1', readBytesPerS: 2048, writeBytesPerS: 4096 }]
  })
})

test('a counter that began anew gives no rate instead of a wrong one', async () => {
  const sensors = open()
  await sensors.sample()
  tree.write({ '/proc/net/dev': netDev({ eth0: [10, 10] }) })
  nowMs += 1000
  const sample = await sensors.sample()
  expect(sample.interfaces).toMatchObject({ value: [{ name: 'eth0', rxBytesPerS: null, txBytesPerS: null }] })
  expect(sample.netRxBytesPerS).toHaveProperty('missing')
})

test('a file that is gone costs its own readings and names itself', async () => {
  tree.write({ '/proc/meminfo': 'nothing of use\n', '/proc/loadavg': '' })
  const sample = await open().sample()
  expect(sample.memoryBytes).toEqual({ missing: '/proc/meminfo has no MemTotal line' })
  expect(sample.memoryUsedBytes).toEqual({ missing: '/proc/meminfo has no MemTotal line' })
  expect(sample.load1).toHaveProperty('missing')
  expect(sample.cores).toEqual({ value: 2 })
})

test('without a sensor or a battery the reading says so', async () => {
  const sample = await open().sample()
  expect(sample.temperatureC).toMatchObject({ missing: expect.stringContaining('no processor temperature') })
  expect(sample.battery).toEqual({ missing: 'this PC has no battery' })
})

test('the hottest processor sensor counts; other chips and dead sensors do not', async () => {
  tree.write({
    '/sys/class/hwmon/hwmon0/name': 'nvme\n',
    '/sys/class/hwmon/hwmon0/temp1_input': '80000\n',
    '/sys/class/hwmon/hwmon1/name': 'coretemp\n',
    '/sys/class/hwmon/hwmon1/temp1_input': '51000\n',
    '/sys/class/hwmon/hwmon1/temp2_input': '53500\n',
    '/sys/class/hwmon/hwmon1/temp3_input': '0\n'
  })
  expect((await open().sample()).temperatureC).toEqual({ value: 53.5 })
})

test('the battery of the PC counts, that of a mouse does not', async () => {
  tree.write({
    '/sys/class/power_supply/BAT0/type': 'Battery\n',
    '/sys/class/power_supply/BAT0/capacity': '62\n',
    '/sys/class/power_supply/BAT0/status': 'Discharging\n',
    '/sys/class/power_supply/mouse/type': 'Battery\n',
    '/sys/class/power_supply/mouse/scope': 'Device\n',
    '/sys/class/power_supply/mouse/capacity': '3\n'
  })
  expect((await open().sample()).battery).toEqual({ value: { percent: 62, state: 'discharging' } })
})

test('detail lists interfaces with their link speed, null where the driver does not say', async () => {
  const { interfaces } = await open().detail()
  expect(interfaces).toMatchObject({
    value: [
      { name: 'lo', speedMbps: null },
      { name: 'eth0', rxBytes: 1000, txBytes: 2000, rxBytesPerS: null, speedMbps: 1000 },
      { name: 'docker0' }
    ]
  })
})

test('samples closer than a kernel tick allows get the former one', async () => {
  const sensors = open()
  const first = await sensors.sample()
  nowMs += 50
  expect(await sensors.sample()).toBe(first)
})

test('facts name the system, the processor and when it started', () => {
  expect(open().facts).toMatchObject({
    os: { value: 'Test OS 1 (first)' },
    cpuModel: { value: 'Test CPU 3000' },
    bootedAtMs: { value: 1_700_000_000_000 }
  })
})

test('on this PC processor, memory and the disk of the data folder can be read', async () => {
  const sensors = createSensors({ now: () => performance.now(), dataDir: tree.root })
  const sample = await sensors.sample()
  expect(sample.cores).toMatchObject({ value: expect.toSatisfy((n: number) => n > 0) })
  expect(sample.memoryUsedBytes).toMatchObject({ value: expect.toSatisfy((n: number) => n > 0) })
  expect(sample.dataDiskFreeBytes).toHaveProperty('value')
})
