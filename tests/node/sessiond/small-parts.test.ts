import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanEnvironment } from '../../../node/sessiond/environment.ts'
import { toForget } from '../../../node/sessiond/retention.ts'
import type { RunNote } from '../../../node/sessiond/run-store.ts'
import { FrameReader, LOCAL_FRAME_MAX, checkOrder, localFrame } from '../../../node/sessiond/wire.ts'
import { eventually, freshFolder, orderOf, startRig } from './rig.ts'

const note = (session: string, endedAt: number, keptBytes: number, acknowledged = false): RunNote => ({
  session,
  epoch: 1,
  state: 'exited',
  pid: 1,
  pidStart: '',
  command: '',
  startedAt: 0,
  endedAt,
  keptBytes,
  acknowledged
})

test('finished runs make room by age, then by size, those whose end was taken first', () => {
  const limits = { finishedKeepBytes: 100, finishedKeepMs: 1000, finishedKeepRuns: 3 }
  const names = (notes: RunNote[]) => toForget(notes, 2000, limits).map((forgotten) => forgotten.session)
  expect(names([note('old', 999, 1), note('new', 1001, 1)])).toEqual(['old'])
  expect(names([note('a', 1500, 60), note('b', 1600, 60), note('c', 1700, 30, true)])).toEqual(['c', 'a'])
  expect(names([note('a', 1500, 0), note('b', 1600, 0), note('c', 1700, 0), note('d', 1800, 0)])).toEqual(['a'])
  expect(names([note('a', 1500, 50), note('b', 1600, 50)])).toEqual([])
})

test('a finished run that made room is gone with its output', async () => {
  const rig = await startRig({ finishedKeepRuns: 1 })
  const first = await rig.start({ launcher: 'shell', argv: ['echo first'] })
  await rig.exitOf(first.session)
  const second = await rig.start({ launcher: 'shell', argv: ['echo second'] })
  await rig.exitOf(second.session)
  await eventually(() => !existsSync(join(rig.dataDir, 'runs', first.session)))
  expect((await rig.read(second.session)).out).toBe('second\n')
  await expect(rig.read(first.session)).rejects.toMatchObject({ code: 'UNKNOWN_SESSION' })
})

test('the environment of a program is the user’s, without what npm added', () => {
  const env = {
    PATH: '/p/node_modules/.bin:/x/node-gyp-bin:/usr/bin',
    HOME: '/h',
    npm_config_a: '1',
    INIT_CWD: '/p',
    OMEGA_PORT: '1',
    NODE_OPTIONS: '-x'
  }
  expect(cleanEnvironment(env)).toEqual({ PATH: '/usr/bin', HOME: '/h' })
  expect(cleanEnvironment({ PATH: '/p/node_modules/.bin:/usr/bin' })).toEqual({ PATH: '/p/node_modules/.bin:/usr/bin' })
})

test('local messages come whole whatever the pieces, and a frame too long is refused', () => {
  const messages = [
    { t: 'leash', at: 5 },
    { t: 'input', session: '0'.repeat(32), epoch: 1, n: 1, bytes: Buffer.alloc(300, 1) }
  ]
  const bytes = Buffer.concat(messages.map((message) => localFrame(message)))
  for (const size of [1, 3, 7, bytes.length]) {
    const reader = new FrameReader()
    const got = []
    for (let at = 0; at < bytes.length; at += size) got.push(...reader.push(bytes.subarray(at, at + size)))
    expect(got.map((message) => message.t)).toEqual(['leash', 'input'])
    expect(Buffer.from(got[1]!.bytes as Uint8Array)).toEqual(messages[1]!.bytes)
  }
  const long = Buffer.alloc(8)
  long.writeUInt32BE(LOCAL_FRAME_MAX + 1)
  expect(() => [...new FrameReader().push(long)]).toThrow(/at most/)
  expect(() => localFrame({ t: 'x', bytes: Buffer.alloc(LOCAL_FRAME_MAX) })).toThrow(/at most/)
})

test('an order that could leave its folder or confuse the OS is refused', () => {
  expect(() => checkOrder(orderOf({}))).not.toThrow()
  for (const bad of [
    { session: '../../etc' },
    { session: 'A'.repeat(32) },
    { epoch: -1 },
    { epoch: 1.5 },
    { argv: [] },
    { argv: [''] },
    { argv: ['a\0b'] },
    { env: { A: 'x\0' } },
    { launcher: 'vm' as 'exec' },
    { input: { hash: '../x', bytes: 1 } }
  ])
    expect(() => checkOrder(orderOf(bad)), JSON.stringify(bad)).toThrow(/not/)
})

test('what the hardware helper prints reaches the peer; a helper that fails is told in words', async () => {
  const folder = freshFolder()
  const script = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, 0o600)
    return path
  }
  const good = await startRig({ hardwareHelper: script('good.mjs', `console.log(JSON.stringify({ cpu: 'a chip' }))`) })
  await eventually(() => good.host.hardware !== undefined)
  expect(JSON.parse(good.host.hardware!.json!)).toEqual({ cpu: 'a chip' })
  expect(good.host.hardware!.ageMs).toBeGreaterThanOrEqual(0)
  for (const [text, error] of [
    [`console.error('no such sensor'); process.exit(3)`, 'ended with 3: no such sensor'],
    [`console.log('hello')`, 'did not print JSON'],
    [`process.stdout.write('x'.repeat(300 * 1024)); setInterval(() => {}, 1000)`, 'printed more than 262144 bytes']
  ]) {
    const bad = await startRig({ hardwareHelper: script('bad.mjs', text!) })
    await eventually(() => bad.host.hardware !== undefined)
    expect(bad.host.hardware).toMatchObject({ error: expect.stringContaining(error!) })
  }
})
