import { createHash, randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packFolder } from '../../../node/folder/index.ts'
import { makeFolder } from '../folder/made.ts'
import { eventually, freshFolder, isGone, isStill, linesOf, orderOf, sessionId, startRig } from './rig.ts'

test('stdout and stderr come apart and in the order in which they were written', async () => {
  const rig = await startRig()
  const script = 'read go; echo one; read go; echo two >&2; read go; echo three; read go'
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: [script], stdin: true })
  const lines = linesOf(rig, session)
  const seen = []
  for (let i = 0; i < 3; i++) {
    await rig.host.input(session, epoch, Buffer.from('go\n'))
    seen.push(await lines.next())
  }
  expect(seen).toEqual([
    { stream: 1, line: 'one' },
    { stream: 2, line: 'two' },
    { stream: 1, line: 'three' }
  ])
})

test('the exit code, or the signal that ended a program, is told', async () => {
  const rig = await startRig()
  const seven = await rig.start({ launcher: 'shell', argv: ['exit 7'] })
  expect(await rig.exitOf(seven.session)).toMatchObject({ code: 7, signal: null, logBytes: 0 })
  const killed = await rig.start({ launcher: 'shell', argv: ['kill -USR1 $$'] })
  expect(await rig.exitOf(killed.session)).toMatchObject({ code: null, signal: 'USR1' })
})

test('input reaches a program byte by byte, waits for it, and ends', async () => {
  const rig = await startRig()
  const content = randomBytes(3 << 20)
  const { session, epoch } = await rig.start({ argv: ['cat'], stdin: true })
  const hash = createHash('sha256')
  const reading = (async () => {
    for await (const { bytes } of rig.host.output(session, epoch, 0, { follow: true })) hash.update(bytes)
  })()
  await rig.host.input(session, epoch, content)
  rig.host.endInput(session, epoch)
  await reading
  expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'))
  expect(await rig.exitOf(session)).toMatchObject({ code: 0 })
})

test('input that follows its order at once waits for the start', async () => {
  const rig = await startRig()
  const order = orderOf({ argv: ['cat'], stdin: true })
  rig.host.run(order)
  const input = rig.host.input(order.session, order.epoch, Buffer.from('early'))
  rig.host.endInput(order.session, order.epoch)
  expect((await rig.read(order.session)).out).toBe('early')
  await input
})

test('input is acknowledged when the program takes it, not before', async () => {
  const rig = await startRig()
  const { session, epoch } = await rig.start({
    launcher: 'shell',
    argv: ['read go </dev/null; sleep 1000'],
    stdin: true
  })
  // More than a pipe holds, to a program that never reads.
  let taken = false
  const input = rig.host.input(session, epoch, Buffer.alloc(4 << 20)).then(
    () => (taken = true),
    (error: Error) => error
  )
  rig.host.signal(session, epoch, 'KILL')
  await rig.exitOf(session)
  expect(await input).toMatchObject({ code: 'HOST_FAILED' })
  expect(taken).toBe(false)
})

test('the standard streams are pipes that a program can open again', async () => {
  const rig = await startRig()
  const script = 'cat /dev/stdin | tee /dev/stderr > /dev/stdout'
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: [script], stdin: true })
  await rig.host.input(session, epoch, Buffer.from('again'))
  rig.host.endInput(session, epoch)
  expect(await rig.read(session)).toEqual({ out: 'again', err: 'again' })
})

test('without an input the program is at the end of it from the start', async () => {
  const rig = await startRig()
  const { session, epoch } = await rig.start({ argv: ['cat'] })
  expect(await rig.exitOf(session)).toMatchObject({ code: 0 })
  await expect(rig.host.input(session, epoch, Buffer.from('late'))).rejects.toMatchObject({ code: 'HOST_FAILED' })
})

test('a program that closes its input ends the input and nothing else', async () => {
  const rig = await startRig()
  const { session, epoch } = await rig.start({
    launcher: 'shell',
    argv: ['exec <&-; echo closed; sleep 1000'],
    stdin: true
  })
  await linesOf(rig, session).next()
  await expect(rig.host.input(session, epoch, Buffer.alloc(1 << 20))).rejects.toThrow(/takes no (more )?input/)
  rig.host.signal(session, epoch, 'TERM')
  expect(await rig.exitOf(session)).toMatchObject({ signal: 'TERM' })
})

test('what cannot start says what, where it was looked for and why', async () => {
  const rig = await startRig()
  const plain = join(freshFolder(), 'plain.txt')
  writeFileSync(plain, 'no program')
  await expect(rig.start({ argv: ['no-such-program'], env: { PATH: '/usr/bin:/nowhere' } })).rejects.toThrow(
    'cannot start "no-such-program": no such program on this PC; looked in /usr/bin, /nowhere'
  )
  await expect(rig.start({ argv: [plain] })).rejects.toThrow(/plain\.txt": it may not be executed here/)
  await expect(rig.start({ argv: ['/usr'] })).rejects.toThrow(/it is a folder/)
  await expect(rig.start({ cwd: '/no/such/folder' })).rejects.toThrow('there is no folder "/no/such/folder" on this PC')
  await expect(rig.start({ argv: ['a\0b'] })).rejects.toThrow(/"argv" is not valid/)
  expect(rig.host.state).toMatchObject({ connected: true, children: 0 })
})

test('a program sees its session and its peer, and nothing of Omega or of npm', async () => {
  process.env.OMEGA_SECRET_FOR_TEST = 'x'
  process.env.npm_config_for_test = 'x'
  const rig = await startRig()
  delete process.env.OMEGA_SECRET_FOR_TEST
  delete process.env.npm_config_for_test
  const { session } = await rig.start({
    argv: ['env'],
    env: { MINE: 'yes', OMEGA_SESSION: 'forged', OMEGA_RUN: 'forged' }
  })
  const { out } = await rig.read(session)
  const names = out.split('\n').filter((line) => /^(MINE|OMEGA_|npm_)/i.test(line))
  expect(names.sort()).toEqual([
    'MINE=yes',
    'OMEGA_PEER_ID=peer-1',
    'OMEGA_PEER_NAME=den',
    expect.stringMatching(/^OMEGA_RUN=[0-9a-f]{32}$/),
    `OMEGA_SESSION=${session}`
  ])
})

test('a program starts in an empty folder of its own and at low priority', async () => {
  const rig = await startRig()
  const { session } = await rig.start({
    launcher: 'shell',
    argv: ['read go; pwd; ls -A | wc -l; nice; umask'],
    stdin: true
  })
  await rig.host.input(session, 1, Buffer.from('go\n'))
  const [folder, count, nice, mask] = (await rig.read(session)).out.split('\n')
  expect(folder).toContain(session)
  expect(count?.trim()).toBe('0')
  expect(Number(nice)).toBeGreaterThanOrEqual(10)
  expect(Number.parseInt(mask!, 8)).toBe(process.umask())
})

test('a signal reaches the whole process group', async () => {
  const rig = await startRig()
  const script = 'sleep 1000 & echo $!; sh -c "sleep 1000 & echo \\$!; wait" & wait'
  const { session, epoch, pid } = await rig.start({ launcher: 'shell', argv: [script] })
  const lines = linesOf(rig, session)
  const sleepers = [Number((await lines.next()).line), Number((await lines.next()).line)]
  expect(sleepers.map(isGone)).toEqual([false, false])
  rig.host.signal(session, epoch, 'TERM')
  expect(await rig.exitOf(session)).toMatchObject({ code: null, signal: 'TERM' })
  await eventually(() => [pid, ...sleepers].every(isGone))
})

test('nothing outlives the program, not even what detached itself', async () => {
  const rig = await startRig()
  const script = 'sleep 1000 & echo $!; setsid sh -c "echo \\$\\$; exec sleep 1000" & read go; exit 5'
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: [script], stdin: true })
  const lines = linesOf(rig, session)
  const left = [Number((await lines.next()).line), Number((await lines.next()).line)]
  await rig.host.input(session, epoch, Buffer.from('go\n'))
  expect(await rig.exitOf(session)).toMatchObject({ code: 5, signal: null })
  await eventually(() => left.every(isGone))
})

test('a program that ignores TERM is ended by KILL, with all it started', async () => {
  const rig = await startRig()
  const script = 'trap "" TERM; setsid sh -c "echo \\$\\$; exec sleep 1000" & echo $$; while :; do sleep 1; done'
  const { session, epoch, pid } = await rig.start({ launcher: 'shell', argv: [script] })
  const lines = linesOf(rig, session)
  const pids = [Number((await lines.next()).line), Number((await lines.next()).line)]
  expect(pids).toContain(pid)
  rig.host.signal(session, epoch, 'TERM')
  rig.host.signal(session, epoch, 'KILL')
  expect(await rig.exitOf(session)).toMatchObject({ signal: 'KILL' })
  await eventually(() => pids.every(isGone))
})

test('freeze stops the program and everything it started; thaw lets the same processes go on', async () => {
  const rig = await startRig()
  const script =
    'setsid sh -c "echo \\$\\$; while :; do sleep 1; done" & echo $$; while read line; do echo "got $line"; done'
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: [script], stdin: true })
  const lines = linesOf(rig, session)
  const pids = [Number((await lines.next()).line), Number((await lines.next()).line)]
  rig.host.freeze(session, epoch)
  await eventually(() => pids.every(isStill))
  await rig.host.input(session, epoch, Buffer.from('while frozen\n'))
  rig.host.thaw(session, epoch)
  expect(await lines.next()).toEqual({ stream: 1, line: 'got while frozen' })
  await eventually(() => !pids.some(isStill))
  rig.host.signal(session, epoch, 'KILL')
  await rig.exitOf(session)
  await eventually(() => pids.every(isGone))
})

test('a paused PC stands still, refuses new work, and goes on when its owner says so', async () => {
  const rig = await startRig()
  const { session, epoch, pid } = await rig.start({ argv: ['cat'], stdin: true })
  rig.host.pauseAll(true)
  await eventually(() => isStill(pid))
  await expect(rig.start({})).rejects.toThrow('the owner of this PC paused it')
  // The peer's thaw answers the leash, not the owner.
  rig.host.thaw(session, epoch)
  rig.host.freeze(session, epoch)
  rig.host.pauseAll(false)
  await expect(rig.start({})).resolves.toMatchObject({ epoch: 1 })
  expect(isStill(pid)).toBe(true)
  rig.host.thaw(session, epoch)
  await eventually(() => !isStill(pid))
})

test('the same order twice is one run, an older epoch is refused, a newer one ends the older', async () => {
  const rig = await startRig()
  const session = sessionId()
  const first = await rig.start({ session, epoch: 3, argv: ['sleep', '1000'] })
  expect(await rig.start({ session, epoch: 3, argv: ['sleep', '1000'] })).toEqual(first)
  await expect(rig.start({ session, epoch: 2 })).rejects.toThrow('epoch 2 is over; this PC has seen epoch 3')
  const second = await rig.start({ session, epoch: 4, argv: ['sleep', '1000'] })
  expect(await rig.exitOf(session, 3)).toMatchObject({ signal: 'KILL' })
  expect(isGone(first.pid)).toBe(true)
  expect(isGone(second.pid)).toBe(false)
})

test('a newer epoch ends an older run that is still being prepared', async () => {
  const rig = await startRig()
  const here = makeFolder(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, 'x'.repeat(2000)])))
  const input = await rig.blobs.create((await packFolder(here)).stream)
  const session = sessionId()
  rig.host.run(orderOf({ session, epoch: 1, argv: ['sleep', '1000'], input }))
  const second = await rig.start({ session, epoch: 2, argv: ['sleep', '1000'] })
  expect(await rig.until((told) => (told.t === 'notStarted' && told.epoch === 1 ? told.reason : undefined))).toBe(
    'a newer run of this session took its place'
  )
  expect(isGone(second.pid)).toBe(false)
  expect(rig.host.state.children).toBe(1)
})

test('a discarded run leaves neither process nor file', async () => {
  const rig = await startRig()
  const { session, epoch, pid } = await rig.start({
    launcher: 'shell',
    argv: ['echo hello; mkdir -m 500 locked; sleep 1000']
  })
  await linesOf(rig, session).next()
  rig.host.discard(session, epoch)
  await eventually(() => isGone(pid))
  await eventually(() => !existsSync(join(rig.dataDir, 'runs', session)))
  expect(rig.host.state.children).toBe(0)
  await expect(rig.read(session)).rejects.toMatchObject({ code: 'UNKNOWN_SESSION' })
  expect(rig.told.filter((told) => told.t === 'exited')).toEqual([])
})
