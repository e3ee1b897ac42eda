import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Leash } from '../../../node/sessiond/leash.ts'
import { Leases } from '../../../node/sessiond/leases.ts'
import type { RunOrder } from '../../../protocols/ports.ts'
import { sessiondSocket } from '../../../node/sessiond/address.ts'
import { startPeer } from './peer-rig.ts'
import {
  eventually,
  freshFolder,
  isGone,
  isStill,
  linesOf,
  niceOf,
  orderOf,
  sessiondPid,
  sessionId,
  startRig,
  stateOf
} from './rig.ts'

test('a peer that dies and is back in time finds its program running, the same process', async () => {
  const dataDir = freshFolder()
  const first = await startPeer(dataDir)
  const { session, epoch, pid } = await first.start({ argv: ['sleep', '1000'] })
  await first.kill()
  const rig = await startRig({}, dataDir)
  const list = await rig.until((told) => (told.t === 'children' ? told.list : undefined))
  expect(list).toEqual([{ session, epoch, pid, state: 'running' }])
  expect(stateOf(pid)).not.toBe('T')
  rig.host.signal(session, epoch, 'TERM')
  expect(await rig.exitOf(session)).toMatchObject({ signal: 'TERM' })
})

test('when the peer stays away the program and all it started are frozen, and wait for their own thaw', async () => {
  const dataDir = freshFolder()
  const first = await startPeer(dataDir)
  const { session, epoch, pid } = await first.start({
    launcher: 'shell',
    argv: ['setsid sh -c "echo \\$\\$; while :; do sleep 1; done" & while :; do sleep 1; done']
  })
  const other = await first.start({ argv: ['sleep', '1000'] })
  await first.kill()
  await eventually(() => [pid, other.pid].every(isStill))
  const rig = await startRig({}, dataDir)
  const detached = Number((await linesOf(rig, session).next()).line)
  expect(stateOf(detached)).toBe('T')
  const list = await rig.until((told) => (told.t === 'children' ? told.list : undefined))
  expect(list.map((child) => child.state)).toEqual(['frozen', 'frozen'])
  // The leash is held again, and still nothing moves by itself.
  await rig.start({ argv: ['true'] })
  expect([pid, detached, other.pid].every(isStill)).toBe(true)
  rig.host.thaw(session, epoch)
  await eventually(() => ![pid, detached].some(isStill))
  expect(stateOf(other.pid)).toBe('T')
})

test('two peers share a PC: what is done to a run of one leaves the run of the other alone', async () => {
  const [one, two] = [await startRig(), await startRig()]
  const session = sessionId()
  const older = await one.start({ session, epoch: 1, argv: ['sleep', '1000'] })
  const newer = await two.start({ session, epoch: 4, argv: ['sleep', '1000'] })
  one.host.freeze(session, 1)
  await eventually(() => stateOf(older.pid) === 'T')
  one.host.discard(session, 1)
  await eventually(() => isGone(older.pid))
  expect(['R', 'S']).toContain(stateOf(newer.pid))
})

test('a peer that is stopped, though connected, loses the leash, and hears of it when it goes on', async () => {
  const dataDir = freshFolder()
  const peer = await startPeer(dataDir)
  const { session, epoch, pid } = await peer.start({ argv: ['sleep', '1000'] })
  process.kill(peer.pid, 'SIGSTOP')
  await eventually(() => isStill(pid))
  process.kill(peer.pid, 'SIGCONT')
  await peer.until((told) =>
    told.t === 'children' && told.list.some((child) => child.state === 'frozen') ? true : undefined
  )
  peer.call('thaw', session, epoch)
  await eventually(() => stateOf(pid) !== 'T')
  peer.call('shutdown', { keepSessions: false })
  await eventually(() => isGone(pid))
})

test('sessiond killed: its orphans are killed, their end is told, and work goes on', async () => {
  const rig = await startRig()
  const { session, pid } = await rig.start({
    launcher: 'shell',
    argv: [
      'trap "" PIPE TERM HUP; echo before; setsid sh -c "echo \\$\\$; exec sleep 1000" & while :; do sleep 1; done'
    ]
  })
  const lines = linesOf(rig, session)
  expect((await lines.next()).line).toBe('before')
  const detached = Number((await lines.next()).line)
  const daemon = sessiondPid(rig.dataDir)
  process.kill(daemon, 'SIGKILL')
  await rig.until((told) => (told.t === 'lost' ? true : undefined))
  const report = await rig.until((told) =>
    told.t === 'children' ? told.list.find((child) => child.session === session && child.state === 'exited') : undefined
  )
  expect(report.exit).toMatchObject({ code: null, signal: 'KILL' })
  expect(report.exit?.outputError).toMatch(/sessiond ended unexpectedly/)
  await eventually(() => [pid, detached].every(isGone))
  expect((await rig.read(session)).out).toBe(`before\n${detached}\n`)
  expect(sessiondPid(rig.dataDir)).not.toBe(daemon)
  const after = await rig.start({ launcher: 'shell', argv: ['echo after'] })
  expect((await rig.read(after.session)).out).toBe('after\n')
})

test('the end of a run is told again after the peer and sessiond were killed, until it is acknowledged', async () => {
  const dataDir = freshFolder()
  const first = await startPeer(dataDir)
  const { session } = await first.start({ launcher: 'shell', argv: ['echo kept; exit 4'] })
  await first.until((told) => (told.t === 'exited' ? true : undefined))
  await first.kill()
  process.kill(sessiondPid(dataDir), 'SIGKILL')
  const second = await startRig({}, dataDir)
  const list = await second.until((told) => (told.t === 'children' ? told.list : undefined))
  expect(list).toMatchObject([{ session, state: 'exited', exit: { code: 4, signal: null } }])
  expect((await second.read(session)).out).toBe('kept\n')
  second.host.acknowledge(session, 1)
  await second.host.shutdown({ keepSessions: true })
  const third = await startRig({}, dataDir)
  expect(await third.until((told) => (told.t === 'children' ? told.list : undefined))).toEqual([])
  expect((await third.read(session)).out).toBe('kept\n')
})

test('down ends what runs, politely first, and sessiond with it', async () => {
  const rig = await startRig()
  const polite = await rig.start({
    launcher: 'shell',
    argv: ['trap "echo bye; exit 9" TERM; echo up; while :; do sleep 0.05; done']
  })
  const deaf = await rig.start({ launcher: 'shell', argv: ['trap "" TERM; echo up; while :; do sleep 0.05; done'] })
  await linesOf(rig, polite.session).next()
  await linesOf(rig, deaf.session).next()
  const daemon = sessiondPid(rig.dataDir)
  await rig.host.shutdown({ keepSessions: false })
  expect(await rig.exitOf(polite.session)).toMatchObject({ code: 9 })
  expect(await rig.exitOf(deaf.session)).toMatchObject({ signal: 'KILL' })
  await eventually(() => isGone(daemon))
  expect([polite.pid, deaf.pid].map(isGone)).toEqual([true, true])
})

test('without a peer and without a child sessiond ends by itself', async () => {
  const dataDir = freshFolder()
  const peer = await startPeer(dataDir, { config: { lingerMs: 100 } })
  const { pid } = await peer.start({ argv: ['sleep', '1000'] })
  const daemon = sessiondPid(dataDir)
  await peer.kill()
  await eventually(() => isStill(pid))
  expect(isGone(daemon)).toBe(false)
  const next = await startPeer(dataDir)
  next.call('signal', next.told.flatMap((told) => (told.t === 'children' ? told.list : []))[0]!.session, 1, 'KILL')
  await next.until((told) => (told.t === 'exited' ? true : undefined))
  await next.kill()
  await eventually(() => isGone(daemon))
})

test('a new peer process takes over from a stale connection', async () => {
  const dataDir = freshFolder()
  const stale = await startPeer(dataDir)
  const { session, epoch } = await stale.start({ argv: ['sleep', '1000'] })
  process.kill(stale.pid, 'SIGSTOP')
  const rig = await startRig({}, dataDir)
  await rig.until((told) => (told.t === 'children' ? true : undefined))
  rig.host.signal(session, epoch, 'KILL')
  expect(await rig.exitOf(session)).toMatchObject({ signal: 'KILL' })
  await stale.kill()
})

test('a peer process that was replaced is told so, and does not fight for the connection', async () => {
  const first = await startRig()
  const daemon = sessiondPid(first.dataDir)
  const second = await startRig({}, first.dataDir)
  expect(await first.until((told) => (told.t === 'lost' ? told.why : undefined))).toBe('another process took over')
  expect(first.host.state).toMatchObject({ connected: false })
  await expect(first.start({})).rejects.toThrow(/sessiond is not connected: another process took over/)
  await expect(second.start({})).resolves.toMatchObject({ epoch: 1 })
  expect(second.told.filter((told) => told.t === 'lost')).toEqual([])
  expect(sessiondPid(first.dataDir)).toBe(daemon)
})

test('a sessiond that stands still is ended by the next peer, and its orphans with it', async () => {
  const dataDir = freshFolder()
  const first = await startPeer(dataDir)
  const { session, pid } = await first.start({ argv: ['sleep', '1000'] })
  const daemon = sessiondPid(dataDir)
  process.kill(daemon, 'SIGSTOP')
  await first.kill()
  const rig = await startRig({}, dataDir)
  const list = await rig.until((told) => (told.t === 'children' ? told.list : undefined))
  expect(list).toMatchObject([{ session, state: 'exited', exit: { signal: 'KILL' } }])
  await eventually(() => [pid, daemon].every(isGone))
}, 60_000)

test('who does not know the secret gets no further, and nothing dies', async () => {
  const rig = await startRig()
  const path = sessiondSocket(rig.dataDir)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64, 0xff),
    Buffer.from([0, 0, 0, 1, 0xa0])
  ]) {
    const socket = connect(path)
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    socket.write(bytes)
    await closed
  }
  // A stranger with another secret in its data folder, at the very same socket.
  const other = freshFolder()
  symlinkSync(path, sessiondSocket(other))
  writeFileSync(join(other, 'sessiond.secret'), Buffer.alloc(32, 7), { mode: 0o600 })
  const { SessiondKeeper } = await import('../../../node/sessiond/keeper.ts')
  const failure = await new Promise<string>((resolve) => {
    const keeper = new SessiondKeeper(
      { dataDir: other, script: '/nonexistent.js', config: { hardwareHelper: '' } },
      { up: () => resolve('let in'), down: () => {}, failed: resolve }
    )
    onTestFinished(() => keeper.stop())
    keeper.start()
  })
  expect(failure).toMatch(/sessiond did not start/)
  await expect(rig.start({})).resolves.toMatchObject({ epoch: 1 })
})

test('a data folder with a long path has its socket in a folder of this user alone', async () => {
  const dataDir = join(freshFolder(), 'x'.repeat(120))
  mkdirSync(dataDir)
  const path = sessiondSocket(dataDir)
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100)
  const folder = statSync(join(path, '..'))
  expect([folder.mode & 0o777, folder.uid]).toEqual([0o700, process.getuid!()])
  const rig = await startRig({}, dataDir)
  const { session } = await rig.start({ launcher: 'shell', argv: ['echo far away'] })
  expect((await rig.read(session)).out).toBe('far away\n')
})

test.runIf(process.getuid?.() === 0)('a peer of an unprivileged user runs, freezes and ends programs', async () => {
  const uid = 65534
  const dataDir = freshFolder()
  chownSync(dataDir, uid, uid)
  // Nobody here thaws what a lapsed leash froze: on a starved machine the test must not depend on it.
  const config = { leashMs: 600_000 }
  const first = await startPeer(dataDir, { uid, config })
  const { session, epoch, pid } = await first.start({
    launcher: 'shell',
    argv: ['id -u; setsid sh -c "echo \\$\\$; exec sleep 1000" & sleep 1000']
  })
  expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534/m)
  const logs = join(dataDir, 'runs', session, '1', 'log')
  const printed = () =>
    readdirSync(logs).flatMap((name) =>
      [...readFileSync(join(logs, name), 'latin1').matchAll(/(\d+)\n/g)].map((match) => Number(match[1]))
    )
  await eventually(() => printed().length === 2)
  // Lowered once it is started, so what it does first may still have had the usual priority.
  await eventually(() => niceOf(pid) === 10)
  first.call('freeze', session, epoch)
  await eventually(() => isStill(pid))
  await first.kill()
  const second = await startPeer(dataDir, { uid, config })
  second.call('signal', session, epoch, 'KILL')
  const exit = await second.until((told) => (told.t === 'exited' ? told.exit : undefined))
  expect(exit).toMatchObject({ signal: 'KILL' })
  const [user, detached] = printed()
  expect(user).toBe(uid)
  await eventually(() => isGone(detached!))
  second.call('shutdown', { keepSessions: false })
  await eventually(() => !existsSync(join(dataDir, 'sessiond.pid')))
})

test('the leash lapses by the clock that counts sleep, and a late refresh does not bring it back', () => {
  let boot = 100_000
  const lapses: string[] = []
  const leash = new Leash(
    5000,
    () => boot,
    (why) => lapses.push(why)
  )
  expect(leash.held).toBe(false)
  leash.refresh(boot)
  expect(leash.held).toBe(true)
  // This PC sleeps for two minutes; the first thing that happens after is a refresh.
  boot += 120_000
  leash.refresh(boot)
  expect(lapses).toEqual([expect.stringMatching(/slept for 120/)])
  expect(leash.held).toBe(true)
  boot += 6000
  leash.refresh(boot - 5500)
  expect(leash.held).toBe(false)
  expect(lapses).toHaveLength(2)
})

test('a strict run whose peer hangs is frozen when its right ends, and then stopped, though the leash would still hold', async () => {
  const dataDir = freshFolder()
  const peer = await startPeer(dataDir, { config: { leashMs: 600_000 } })
  const order = { session: sessionId(), epoch: 3, argv: ['sleep', '1000'] }
  const { pid } = await startStrict(peer, order, 6_000)
  peer.call('lease', order.session, order.epoch, { inMs: 6_500 })
  process.kill(peer.pid, 'SIGSTOP')
  await eventually(() => isGone(pid))
  process.kill(peer.pid, 'SIGCONT')
  const { exit } = await peer.until((told) => (told.t === 'exited' ? told : undefined))
  expect(exit).toMatchObject({ code: null, signal: 'KILL', lapsed: true })
  // By sessiond's own clock: frozen first, never before the right ended, and stopped a second after it.
  const said = readFileSync(join(dataDir, 'sessiond.log'), 'utf8')
  const [frozen, stopped] = [...said.matchAll(/right to run of \w+ is over for (\d+) ms: (frozen|stopped)/g)]
  expect([frozen?.[2], stopped?.[2]]).toEqual(['frozen', 'stopped'])
  expect(Number(stopped![1])).toBeGreaterThanOrEqual(1_000)
  expect(Number(frozen![1])).toBeLessThan(Number(stopped![1]))
})

test('a strict run whose right is renewed in time runs on, and one renewed a moment late goes on', async () => {
  const over: [string, number][] = []
  let now = 0
  const leases = new Leases(() => now, {
    freeze: (_, lateMs) => over.push(['freeze', lateMs]),
    thaw: () => over.push(['thaw', 0]),
    stop: (_, lateMs) => over.push(['stop', lateMs])
  })
  const key = { session: sessionId(), epoch: 1 }
  leases.hold(key, 6_000)
  now = 5_000
  leases.hold(key, 11_000)
  now = 7_000
  expect(leases.refusal(key)).toBeUndefined()
  leases.voidAll()
  expect(over).toEqual([['freeze', 0]])
  expect(leases.refusal(key)).toMatch(/ended 0 ms ago/)
  // What was sent before the sleep revives nothing.
  leases.hold(key, 6_500)
  expect(over).toHaveLength(1)
  leases.hold(key, 13_000)
  expect(over.at(-1)).toEqual(['thaw', 0])
  leases.drop(key)
})

test('a right that ended while the PC slept is over at the first look after it, though the timers of before are late', async () => {
  let now = 0
  const frozen = new Promise<number>((resolve) => {
    const leases = new Leases(() => now, { freeze: (_, lateMs) => resolve(lateMs), thaw: () => {}, stop: () => {} })
    leases.hold({ session: sessionId(), epoch: 1 }, 3_600_000)
  })
  now = 3_700_000
  expect(await frozen).toBe(100_000)
})

test('a strict run whose right ended before it started does not start', async () => {
  const rig = await startRig()
  await expect(rig.start({ argv: ['sleep', '1000'], leaseUntil: performance.now() - 10 })).rejects.toThrow(
    /its right to run ended \d+ ms ago/
  )
})

/** The peer process has a clock of its own: moments are told to it as so long from now. */
async function startStrict(
  peer: Awaited<ReturnType<typeof startPeer>>,
  order: Partial<RunOrder>,
  inMs: number
): Promise<{ pid: number }> {
  peer.call('run', { ...orderOf(order), leaseUntil: { inMs } })
  return await peer.until((told) => (told.t === 'started' ? { pid: told.pid } : undefined))
}
