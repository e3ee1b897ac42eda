import { expect, test } from 'vitest'
import { AdStatic } from '../../protocols/gossip/index.ts'
import { dataDirOf, offerOf, parseBytes, parseDuration, readConfig } from '../../node/config.ts'
import type { UpFlags } from '../../node/config.ts'

const read = (env: NodeJS.ProcessEnv = {}, flags: UpFlags = {}, host = 'den.lan') => readConfig(env, flags, host)
function problems(env: NodeJS.ProcessEnv, flags: UpFlags = {}): string[] {
  try {
    read(env, flags)
  } catch (error) {
    expect(error).toMatchObject({ name: 'MeshError', code: 'BAD_REQUEST' })
    return (error as Error).message.split('; ').map((text) => text.trim())
  }
  return []
}

test('without a word everything has its documented default', () => {
  expect(read({ OMEGA_DATA_DIR: '/data' })).toEqual({
    dataDir: '/data',
    name: 'den',
    port: 8443,
    localPort: 8442,
    meshPort: 7777,
    joinPort: 7778,
    portsSet: { port: false, localPort: false, meshPort: false, joinPort: false },
    bind: '',
    meshName: "den's mesh",
    logLevel: 'info',
    tlsEnabled: true,
    offer: {},
    witness: false,
    labels: {},
    keep: { bytes: 2 * 2 ** 30, ms: 7 * 86_400_000 },
    lookMs: 5000
  })
})

test('settings come from the environment, and flags win over it', () => {
  const env = {
    OMEGA_PORT: '9443',
    OMEGA_MESH_PORT: '0',
    OMEGA_NAME: 'attic',
    OMEGA_CLUSTER_NAME: 'home',
    OMEGA_LOG_LEVEL: 'warn',
    OMEGA_BIND: '127.0.0.1',
    OMEGA_TLS_ENABLED: 'false'
  }
  expect(read(env)).toMatchObject({
    port: 9443,
    meshPort: 0,
    name: 'attic',
    meshName: 'home',
    logLevel: 'warn',
    bind: '127.0.0.1',
    tlsEnabled: false
  })
  expect(read(env).portsSet).toEqual({ port: true, localPort: false, meshPort: true, joinPort: false })
  expect(
    read(env, { name: 'den', logLevel: 'debug', offer: 'cpu=50%,ram=4G', label: ['gpu=yes', 'room=a=b'] })
  ).toMatchObject({
    name: 'den',
    logLevel: 'debug',
    offer: { cpu: { share: 0.5 }, memory: { bytes: 4 * 2 ** 30 } },
    labels: { gpu: 'yes', room: 'a=b' }
  })
})

test('an empty variable counts as not set, so that a service file may name all of them', () => {
  const names = [
    'OMEGA_PORT',
    'OMEGA_LOCAL_PORT',
    'OMEGA_MESH_PORT',
    'OMEGA_JOIN_PORT',
    'OMEGA_CLUSTER_NAME',
    'OMEGA_BIND',
    'OMEGA_DATA_DIR'
  ]
  const empty = Object.fromEntries(names.map((name) => [name, '']))
  expect(read(empty)).toMatchObject({ port: 8443, meshName: "den's mesh", bind: '', portsSet: { port: false } })
  expect(dataDirOf(empty)).not.toBe(process.cwd())
})

test.each<[string, NodeJS.ProcessEnv, UpFlags, RegExp]>([
  ['a port that is a word', { OMEGA_PORT: 'http' }, {}, /^OMEGA_PORT is "http"$/],
  ['a port too high', { OMEGA_JOIN_PORT: '65536' }, {}, /^OMEGA_JOIN_PORT is "65536"/],
  ['half a port', { OMEGA_MESH_PORT: '77.5' }, {}, /^OMEGA_MESH_PORT is "77\.5"/],
  ['a negative port', { OMEGA_LOCAL_PORT: '-1' }, {}, /^OMEGA_LOCAL_PORT is "-1"/],
  ['a level that is none', { OMEGA_LOG_LEVEL: 'loud' }, {}, /^OMEGA_LOG_LEVEL is "loud"/],
  ['a switch that is neither', { OMEGA_TLS_ENABLED: 'yes' }, {}, /^OMEGA_TLS_ENABLED is "yes"/],
  ['an address that is a name', { OMEGA_BIND: 'localhost' }, {}, /^OMEGA_BIND is "localhost"/],
  ['a name of 65 bytes', {}, { name: 'ä'.repeat(33) }, /^the name "ä{20}…" takes 66 bytes$/],
  ['a name with a line break', {}, { name: 'den\nroot' }, /^the name "denroot" has characters that cannot be shown$/],
  ['a mesh name too long', { OMEGA_CLUSTER_NAME: 'x'.repeat(65) }, {}, /^OMEGA_CLUSTER_NAME "x{20}…" takes 65 bytes/],
  ['a share above all', {}, { offer: 'cpu=150%' }, /^--offer cpu=150%: at most 100 %$/],
  ['cores that are no number', {}, { offer: 'cpu=many' }, /^--offer cpu=many: cpu takes cores or a share/],
  ['negative cores', {}, { offer: 'cpu=-1' }, /^--offer cpu=-1/],
  ['endless cores', {}, { offer: 'cpu=Infinity' }, /^--offer cpu=Infinity/],
  ['an amount without a number', {}, { offer: 'cpu=' }, /^--offer cpu=: cpu takes/],
  ['memory that is none', {}, { offer: 'ram=lots' }, /^--offer ram=lots: ram takes a size or a share/],
  ['two amounts in one', {}, { offer: 'cpu=50%=2' }, /^--offer cpu=50%=2/],
  ['something else to give', {}, { offer: 'gpu=1' }, /^--offer gpu=1: known are cpu and ram$/],
  ['a label without a value', {}, { label: ['gpu'] }, /^--label gpu: labels are key=value$/],
  ['a label without a key', {}, { label: ['=x'] }, /^--label =x: labels are key=value$/],
  ['a label too long to be told', {}, { label: [`k=${'v'.repeat(257)}`] }, /^--label k=v{38}…: at most 64 characters/],
  [
    'more labels than can be told',
    {},
    { label: Array.from({ length: 33 }, (_, i) => `k${i}=v`) },
    /^--label is given for 33 keys$/
  ],
  ['a room that is no size', { OMEGA_KEEP_BYTES: 'all' }, {}, /OMEGA_KEEP_BYTES is "all"/],
  ['a time that is none', { OMEGA_KEEP_TIME: 'a week' }, {}, /OMEGA_KEEP_TIME is "a week"/]
])('%s is told with the setting and the value', (_what, env, flags, words) => {
  expect(problems(env, flags)[0]).toMatch(words)
})

test('all problems are told at once', () => {
  const found = problems(
    { OMEGA_PORT: 'x', OMEGA_LOG_LEVEL: 'y', OMEGA_TLS_ENABLED: 'z' },
    { offer: 'cpu=q,ram=r', label: ['s'] }
  ).join('\n')
  for (const word of ['OMEGA_PORT', 'OMEGA_LOG_LEVEL', 'OMEGA_TLS_ENABLED', 'cpu=q', 'ram=r', '--label s'])
    expect(found).toContain(word)
})

test('the longest host name makes a mesh name that a certificate takes', () => {
  const config = read({}, {}, 'h'.repeat(63))
  expect(config.name).toBe('h'.repeat(63))
  expect(Buffer.byteLength(config.meshName)).toBeLessThanOrEqual(64)
  expect(read({}, {}, '').name).toBe('pc')
})

test('labels that pass can be advertised', () => {
  const label = Array.from({ length: 32 }, (_, i) => `${String(i).padStart(64, 'k')}=${'v'.repeat(256)}`)
  const { labels } = read({}, { label })
  expect(AdStatic.shape.labels.safeParse(labels).success).toBe(true)
})

test('sizes and durations are read as people write them, and nothing else is', () => {
  for (const [text, bytes] of [
    ['2G', 2 ** 31],
    ['512M', 2 ** 29],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['1000000', 1e6],
    [' 4k ', 4096],
    ['1TB', 2 ** 40],
    ['0', 0]
  ] as const)
    expect(parseBytes(text), text).toBe(bytes)
  for (const text of ['', 'G', '-1G', '1e9', '2 G B', '2X', '0x10', '١']) expect(parseBytes(text), text).toBeUndefined()
  for (const [text, ms] of [
    ['90s', 90_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['250ms', 250],
    ['1.5h', 5_400_000]
  ] as const)
    expect(parseDuration(text), text).toBe(ms)
  for (const text of ['', '10', 'm', '-5m', '10 m', '1w']) expect(parseDuration(text), text).toBeUndefined()
})

test('an offer is a share of what the PC has, or an amount that it has; without a word all cores and half the memory', () => {
  const capacity = { cpuMilli: 8000, memoryBytes: 1000 }
  expect(offerOf({}, capacity)).toEqual({ cpuMilli: 8000, memoryBytes: 500 })
  expect(offerOf({ cpu: { share: 0.25 }, memory: { share: 1 } }, capacity)).toEqual({
    cpuMilli: 2000,
    memoryBytes: 1000
  })
  expect(offerOf({ cpu: { milli: 3000 }, memory: { bytes: 10 } }, capacity)).toEqual({
    cpuMilli: 3000,
    memoryBytes: 10
  })
  expect(offerOf({ cpu: { milli: 99_000 }, memory: { bytes: 1e12 } }, capacity)).toEqual(capacity)
  expect(offerOf({ cpu: { share: 0 }, memory: { share: 0 } }, capacity)).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test('a witness is one by its flag or its environment, and gives nothing', () => {
  expect(read({}, { witness: true }).witness).toBe(true)
  expect(read({ OMEGA_WITNESS: 'true' }, {}).witness).toBe(true)
  expect(() => read({ OMEGA_WITNESS: 'yes' }, {})).toThrow(/OMEGA_WITNESS is "yes"; true or false/)
  expect(() => read({}, { witness: true, offer: 'cpu=2' })).toThrow(/--witness gives the mesh nothing/)
})
