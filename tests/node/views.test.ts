import { expect, test } from 'vitest'
import type { AdDynamic, AdStatic } from '../../protocols/gossip/index.ts'
import type { Member } from '../../protocols/membership/index.ts'
import type { AdView } from '../../protocols/peer/index.ts'
import { commandOf, nodeView, sessionView } from '../../node/views.ts'
import type { NodeContext } from '../../node/views.ts'
import type { NodeView } from '../../node/http/views.ts'
import { record } from '../protocols/session/records.ts'

const NOW = 100_000
const WALL = 1_800_000_000_000
const context = (fields: Partial<NodeContext> = {}): NodeContext => ({
  self: false,
  selfName: 'attic',
  now: NOW,
  wall: WALL,
  history: { cpu: [], memory: [] },
  ...fields
})
const member = (fields: Partial<Member> = {}): Member =>
  ({
    peer: 'p',
    name: 'den',
    state: 'alive',
    inc: 1,
    boot: '00',
    addresses: ['/ip4/10.0.0.2/tcp/7777'],
    version: '0.1.0',
    heardAt: NOW - 500,
    since: 0,
    missedAt: 0,
    linked: true,
    rttMs: 1.25,
    reason: 'answers',
    ...fields
  }) as Member
const fixed: AdStatic = {
  os: 'Debian 13',
  arch: 'x64',
  cpuModel: 'Fast 1',
  cores: 8,
  memoryBytes: 16e9,
  gpus: ['GeForce'],
  labels: { gpu: 'yes' },
  name: 'den',
  version: '0.1.0',
  urls: [],
  offer: { cpuMilli: 4000, memoryBytes: 8e9 },
  tlsFingerprint: '',
  missing: { temperatureC: 'no sensor that can be read without root', battery: 'this PC has none' }
}
const dynamic: AdDynamic = {
  cpu: 0,
  perCore: Uint8Array.of(0, 255),
  load1: 0.5,
  memoryUsedBytes: 4e9,
  diskBytes: 1e12,
  diskFreeBytes: 5e11,
  rxBytesPerS: 0,
  txBytesPerS: 10,
  bootedAt: 5,
  granted: { cpuMilli: 1000, memoryBytes: 1e9 },
  paused: false,
  draining: false,
  sessions: 1,
  usedBy: 'ann from attic'
}
const ad = (fields: Partial<AdView> = {}): AdView => ({ static: fixed, dynamic, at: NOW - 1500, ...fields })
const READINGS = [
  'os',
  'cpuModel',
  'cores',
  'cpu',
  'perCore',
  'load1',
  'memoryBytes',
  'memoryUsedBytes',
  'diskBytes',
  'diskFreeBytes',
  'netRxBytesPerS',
  'netTxBytesPerS',
  'gpus',
  'temperatureC',
  'battery',
  'bootedAtMs',
  'rttMs'
] as const satisfies (keyof NodeView)[]

test('each reading is a value or a reason, never both, never neither', () => {
  const views = [
    nodeView(member(), ad(), context()),
    nodeView(member(), ad({ dynamic: undefined }), context()),
    nodeView(member(), undefined, context()),
    nodeView(member({ state: 'dead', rttMs: undefined }), ad({ dynamic: undefined }), context()),
    nodeView(
      member(),
      ad({ static: { ...fixed, missing: {} }, dynamic: { ...dynamic, cpu: undefined } as AdDynamic }),
      context({ self: true })
    )
  ]
  for (const view of views) {
    for (const field of READINGS) {
      const reading = view[field]
      if ('value' in reading) expect(reading.value, field).not.toBeUndefined()
      else expect(reading.missing.length, field).toBeGreaterThan(3)
    }
  }
})

test('a measured zero is a value; what was not measured is none', () => {
  const view = nodeView(member(), ad({ dynamic: { ...dynamic, load1: undefined } as AdDynamic }), context())
  expect(view.cpu).toEqual({ value: 0 })
  expect(view.netRxBytesPerS).toEqual({ value: 0 })
  expect(view.perCore).toEqual({ value: [0, 1] })
  expect(view.load1).toEqual({ missing: 'not read yet' })
})

test('the reason is the one that the PC itself gives, else whether it is away', () => {
  const here = nodeView(member(), ad(), context())
  expect(here.temperatureC).toEqual({ missing: 'no sensor that can be read without root' })
  expect(here.battery).toEqual({ missing: 'this PC has none' })
  const away = nodeView(member({ state: 'dead' }), ad({ dynamic: undefined }), context())
  expect(away.cpu).toEqual({ missing: 'den is away' })
  expect(away.temperatureC).toEqual({ missing: 'no sensor that can be read without root' })
  expect(nodeView(member(), undefined, context()).os).toEqual({ missing: 'nothing heard from it yet' })
  expect(nodeView(member({ rttMs: undefined }), ad(), context()).rttMs).toEqual({ missing: 'not measured yet' })
})

test('this PC sees itself alive, as itself, now', () => {
  const view = nodeView(
    member({ state: 'suspect', heardAt: -Infinity, rttMs: undefined }),
    ad(),
    context({ self: true })
  )
  expect(view).toMatchObject({
    state: 'alive',
    self: true,
    reason: 'this PC',
    lastSeenMs: WALL,
    rttMs: { missing: 'this is the PC itself' }
  })
})

test('ages are of this peer: when it heard, and how old the readings are; null when there are none', () => {
  expect(nodeView(member(), ad(), context())).toMatchObject({
    lastSeenMs: WALL - 500,
    ageMs: 1500,
    reason: 'answers, as seen from attic'
  })
  expect(nodeView(member({ heardAt: -Infinity }), undefined, context())).toMatchObject({
    lastSeenMs: null,
    ageMs: null
  })
  expect(nodeView(member(), ad({ at: -Infinity }), context()).ageMs).toBeNull()
  expect(nodeView(member(), ad({ at: NOW + 5 }), context()).ageMs).toBe(0)
})

test('what a PC gives is absent before it told, and its use is what it told', () => {
  expect(nodeView(member(), undefined, context()).offer).toBeNull()
  expect(nodeView(member(), ad(), context())).toMatchObject({
    offer: { cpuMilli: 4000, memoryBytes: 8e9, grantedCpuMilli: 1000, grantedMemoryBytes: 1e9, paused: false },
    usedBy: 'ann from attic',
    labels: { gpu: 'yes' }
  })
})

test('a battery is said as people say it', () => {
  const battery = (percent: number, charging: boolean) =>
    nodeView(member(), ad({ dynamic: { ...dynamic, battery: { percent, charging } } }), context()).battery
  expect(battery(79.6, true)).toEqual({ value: '80 %, charging' })
  expect(battery(12, false)).toEqual({ value: '12 %' })
})

test('a session whose runner is away is lost, with the name of the runner and what becomes of it', () => {
  const again = record({ spec: { ...record().spec, restart: 'always' } })
  expect(sessionView(again, 'den').reason).toBe('den is away; the session starts again elsewhere in a moment')
  expect(sessionView(record(), 'den').reason).toBe('den is away; the session goes on if it comes back')
  for (const state of ['running', 'starting', 'stopping'] as const) {
    expect(sessionView(record({ state }), 'den')).toMatchObject({
      state: 'lost',
      reason: expect.stringContaining('den is away')
    })
  }
  for (const state of ['finished', 'failed', 'stopped', 'pending', 'placing'] as const) {
    expect(sessionView(record({ state, reason: 'r' }), 'den'), state).toMatchObject({ state, reason: 'r' })
  }
  expect(sessionView(record(), undefined)).toMatchObject({ state: 'running', reason: '' })
})

test('what a session does not have is null, and what is shown is no part of the record', () => {
  const {
    startedAt: _s,
    runner: _r,
    ...bare
  } = record({ state: 'pending', history: [{ at: 1, state: 'pending', by: 'p', cause: 'c' }] })
  const view = sessionView(bare, undefined)
  expect(view).toMatchObject({
    runner: null,
    startedAt: null,
    endedAt: null,
    exit: null,
    output: null,
    placement: null
  })
  view.history[0]!.cause = 'changed'
  view.args.push('changed')
  expect(bare.history[0]!.cause).toBe('c')
  expect(bare.spec.args).toEqual(['-j2'])
})

test('a command is shown as a person would type it', () => {
  const shown = (appUri: string, ...args: string[]) => commandOf(record({ spec: { ...record().spec, appUri, args } }))
  expect(shown('exec:make', '-j2', 'CC=gcc')).toBe('make -j2 CC=gcc')
  expect(shown('exec://usr/bin/env')).toBe('usr/bin/env')
  expect(shown('exec:echo', 'two words', "it's", '')).toBe(`echo 'two words' 'it'\\''s' ''`)
  expect(shown('exec:my program')).toBe("'my program'")
  expect(shown('shell:ls | wc -l')).toBe('ls | wc -l')
  expect(shown('exec:x', 'y'.repeat(300))).toHaveLength(200)
  expect(shown('exec:x', 'y'.repeat(300))).toMatch(/…$/)
})

test('a strict session tells who votes, for whom it waits, and whose word moved it', () => {
  const spec = { ...record().spec, mode: 'strict' as const }
  expect(sessionView(record(), undefined).strict).toBeNull()
  const taken = { by: 'ann', peer: 'B', epoch: 1_000_000, at: 5, signature: new Uint8Array(64) }
  const view = sessionView(record({ spec, voters: ['A'], takeover: taken, runner: 'A' }), 'attic', [], ['A'])
  expect(view.strict).toEqual({ voters: ['A'], lease: null, awaits: ['A'], takenOver: { by: 'ann', at: 'B', when: 5 } })
  expect(view.reason).toMatch(/attic is away, and nobody can tell from here whether it is off/)
})

test('a witness is shown as one', () => {
  expect(nodeView(member(), ad({ static: { ...fixed, witness: true } }), context()).witness).toBe(true)
  expect(nodeView(member(), ad(), context()).witness).toBe(false)
})
