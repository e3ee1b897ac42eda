/** Limits of control groups make a PC as small as the part of it that this program may use. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSensors } from '../../../node/sensors/sensors.ts'
import { fakeTree, stat } from './fake-tree.ts'
import type { FakeTree } from './fake-tree.ts'

const GIB = 2 ** 30
let tree: FakeTree
let nowMs = 0
beforeEach(() => {
  tree = fakeTree()
  nowMs = 0
})
afterEach(() => tree.remove())

const open = () => createSensors({ root: tree.root, now: () => nowMs, dataDir: '/' })

test('version 2: the smallest limit on the way to the root counts, and the page cache is not use', async () => {
  tree.write({
    '/proc/self/cgroup': '0::/outer/inner\n',
    '/sys/fs/cgroup/outer/memory.max': `${2 * GIB}\n`,
    '/sys/fs/cgroup/outer/memory.current': `${1.5 * GIB}\n`,
    '/sys/fs/cgroup/outer/memory.stat': `anon 5\ninactive_file ${GIB}\n`,
    '/sys/fs/cgroup/outer/inner/memory.max': 'max\n'
  })
  const sample = await open().sample()
  expect(sample.memoryBytes).toEqual({ value: 2 * GIB })
  expect(sample.memoryUsedBytes).toEqual({ value: 0.5 * GIB })
  expect(sample.limits).toEqual(['2 GiB of 8 GiB memory: limit of the control group'])
})

test('version 2: under a CPU quota the share is that of the quota, by what the group used', async () => {
  tree.write({
    '/sys/fs/cgroup/cpu.max': '50000 100000\n',
    '/sys/fs/cgroup/cpu.stat': 'usage_usec 1000000\nuser_usec 5\n'
  })
  const sensors = open()
  expect((await sensors.sample()).cores).toEqual({ value: 0.5 })
  tree.write({ '/sys/fs/cgroup/cpu.stat': 'usage_usec 1400000\n', '/proc/stat': stat([1100, 900], [1000, 1000]) })
  nowMs += 2000
  const sample = await sensors.sample()
  expect(sample.cpu).toEqual({ value: 0.4 })
  expect(sample.limits).toEqual(['0.5 of 2 cores: CPU quota of the control group'])
})

test('version 1 without a group of its own name below the mount: the mount is the container', async () => {
  tree.write({
    '/proc/self/cgroup': '4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB}\n`,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${GIB / 4}\n`,
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '150000\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n'
  })
  const sample = await open().sample()
  expect(sample.memoryBytes).toEqual({ value: GIB })
  expect(sample.memoryUsedBytes).toEqual({ value: GIB / 4 })
  expect(sample.cores).toEqual({ value: 1.5 })
})

test('version 1 says "no limit" with a huge number, a quota of -1', async () => {
  tree.write({
    '/proc/self/cgroup': '4:memory:/\n1:cpu:/\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n'
  })
  const sample = await open().sample()
  expect(sample.memoryBytes).toEqual({ value: 8 * GIB })
  expect(sample.cores).toEqual({ value: 2 })
  expect(sample.limits).toEqual([])
})

test('cores that this program may not use do not count', async () => {
  tree.write({ '/proc/self/status': 'Cpus_allowed_list:\t1\n' })
  const sensors = open()
  await sensors.sample()
  tree.write({ '/proc/stat': stat([200, 900], [25, 1075]) })
  nowMs += 1000
  const sample = await sensors.sample()
  expect(sample.cores).toEqual({ value: 1 })
  expect(sample.perCore).toEqual({ value: [0.25] })
  expect(sample.limits).toEqual(['1 of 2 cores: this program is bound to them (CPU set or affinity)'])
})
