/**
 * `omega run` behaves like the program itself although it runs on another PC: folder, streams, signals, exit code. And the
 * commands around it: submit, ps, show, logs, stop; room that is given away once only.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { Pulse, startMesh, stateOf } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 240_000 }
/** What both PCs give: room for two halves of a core, and for one session of 600 MiB. */
const OFFER = 'cpu=1,ram=1G'

let mesh: Mesh
let atlas: Peer
let den: Peer

beforeAll(async () => {
  mesh = await startMesh({ peers: ['atlas', 'den'], up: ['--offer', OFFER] })
  ;[atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
}, 240_000)
afterAll(async () => await mesh?.stop())

test('the folder goes there, what the program changed comes back, and nothing else', LONG, async () => {
  const cwd = folder('travels', {
    'data.txt': 'from atlas\n',
    'deep/er/nested.txt': 'nested\n',
    'gone.txt': 'to be deleted\n',
    'kept.txt': 'stays as it is\n',
    'run.sh': '#!/bin/sh\ncat data.txt deep/er/nested.txt\n',
    '.gitignore': 'secret.txt\nbuild/\n',
    '.omegaignore': 'local-only\n',
    'secret.txt': 'not for others\n',
    'local-only': 'never leaves\n',
    'build/old.o': 'left over\n'
  })
  chmodSync(join(cwd, 'run.sh'), 0o750)
  const keptAt = statSync(join(cwd, 'kept.txt')).mtimeMs
  const script = [
    'set -e',
    './run.sh',
    'stat -c %a run.sh data.txt',
    'find . -type f | sort',
    'echo "$OMEGA_PEER_NAME" >&2',
    'echo changed there >> data.txt',
    'mkdir -p build made/here; echo object > build/new.o; echo new > made/here/new.txt; chmod 700 made/here/new.txt',
    'rm gone.txt',
    'exit 7'
  ].join('\n')
  const ended = await atlas.omega(['run', '--on', 'den', '--', 'sh', '-c', script], { cwd })
  expect(ended).toMatchObject({ code: 7, stderr: 'den\n' })
  expect(ended.stdout.split('\n')).toEqual([
    'from atlas',
    'nested',
    '750',
    '644',
    ...['.gitignore', '.omegaignore', 'data.txt', 'deep/er/nested.txt', 'gone.txt', 'kept.txt', 'run.sh'].map(
      (f) => `./${f}`
    ),
    ''
  ])
  expect(readFileSync(join(cwd, 'data.txt'), 'utf8')).toBe('from atlas\nchanged there\n')
  expect(readFileSync(join(cwd, 'made/here/new.txt'), 'utf8')).toBe('new\n')
  expect(statSync(join(cwd, 'made/here/new.txt')).mode & 0o777).toBe(0o700)
  expect(readFileSync(join(cwd, 'build/new.o'), 'utf8')).toBe('object\n')
  expect(existsSync(join(cwd, 'gone.txt'))).toBe(false)
  expect(statSync(join(cwd, 'kept.txt')).mtimeMs).toBe(keptAt)
  for (const [name, text] of [
    ['secret.txt', 'not for others\n'],
    ['local-only', 'never leaves\n'],
    ['build/old.o', 'left over\n']
  ] as const) {
    expect(readFileSync(join(cwd, name), 'utf8')).toBe(text)
  }
  expect(readdirSync(cwd).filter((name) => name.includes('omega-'))).toEqual([])
  expect(readdirSync(den.workDir)).toEqual([])
})

test(
  'a file that changed on both sides stays as it is here, and the result is kept beside it and named',
  LONG,
  async () => {
    const cwd = folder('conflict', { 'shared.txt': 'before\n', 'other.txt': 'before\n' })
    const script = 'echo ready; read line; echo "there: $line" > shared.txt; echo there > other.txt'
    const running = atlas.spawn(['run', '--on', 'den', '--', 'sh', '-c', script], { cwd })
    await running.prints('ready')
    writeFileSync(join(cwd, 'shared.txt'), 'here meanwhile\n')
    running.child.stdin.end('go\n')
    const { code, stderr } = await running.end(60_000)
    expect(code).toBe(0)
    expect(readFileSync(join(cwd, 'shared.txt'), 'utf8')).toBe('here meanwhile\n')
    expect(readFileSync(join(cwd, 'other.txt'), 'utf8')).toBe('there\n')
    const beside = readdirSync(cwd).filter((name) => name.startsWith('shared.txt.omega-den-'))
    expect(beside).toHaveLength(1)
    expect(readFileSync(join(cwd, beside[0]!), 'utf8')).toBe('there: go\n')
    expect(stderr).toContain(`shared.txt changed here too: the result is beside it as ${beside[0]}`)
    expect(stderr).not.toContain('other.txt')
  }
)

test('with --no-files nothing travels either way', LONG, async () => {
  const cwd = folder('stays', { 'here.txt': 'here\n' })
  const ended = await atlas.omega(
    ['run', '--no-files', '--on', 'den', '--', 'sh', '-c', 'ls -A; echo x > there.txt; ls -A'],
    { cwd }
  )
  expect(ended).toMatchObject({ code: 0, stdout: 'there.txt\n' })
  expect(readdirSync(cwd)).toEqual(['here.txt'])
})

test('stdin reaches the program whole and in order, and its end too', LONG, async () => {
  const input = randomBytes(600_000).toString('hex')
  const ended = await atlas.omega(['run', '--no-files', '--on', 'den', '--', 'sha256sum'], { input })
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout.split(' ')[0]).toBe(createHash('sha256').update(input).digest('hex'))
})

test('two megabytes of output come whole and in order, stdout and stderr apart', LONG, async () => {
  const script =
    'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "out $i ......................................................................................"; [ $((i % 100)) = 0 ] && echo "err $i" >&2; done'
  const { code, stdout, stderr } = await atlas.omega([
    'run',
    '--no-files',
    '--on',
    'den',
    '--',
    'sh',
    '-c',
    `${script}; true`
  ])
  expect(code).toBe(0)
  const lines = stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(20_000)
  expect(lines.findIndex((line, i) => !line.startsWith(`out ${i + 1} `))).toBe(-1)
  expect(stderr.trimEnd().split('\n')).toEqual(Array.from({ length: 200 }, (_, i) => `err ${(i + 1) * 100}`))
})

test('Ctrl-C reaches the program, and its answer is the exit code', LONG, async () => {
  const script = `trap 'echo caught; exit 42' INT; echo ready; while :; do sleep 0.1; done`
  const polite = atlas.spawn(['run', '--no-files', '--on', 'den', '--', 'sh', '-c', script])
  await polite.prints('ready')
  polite.kill('SIGINT')
  expect(await polite.end(60_000)).toMatchObject({ code: 42, stdout: 'ready\ncaught\n' })

  const plain = atlas.spawn(['run', '--no-files', '--on', 'den', '--', 'sh', '-c', 'echo ready; exec sleep 600'])
  await plain.prints('ready')
  plain.kill('SIGINT')
  expect((await plain.end(60_000)).code).toBe(128 + 2)
  await nothingRuns()
})

test('a program that is not there ends with 127 and one clear line', LONG, async () => {
  const { code, stdout, stderr } = await atlas.omega(['run', '--no-files', '--', 'no-such-program', 'x'])
  expect({ code, stdout }).toEqual({ code: 127, stdout: '' })
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toContain('no-such-program')
})

test('submit, ps, show, logs and stop', LONG, async () => {
  const go = join(den.workDir, 'go')
  const script = `trap 'echo bye; exit 3' TERM; echo one; echo oops >&2; exec 2> lost; while [ ! -e "$GO" ]; do sleep 0.1; done; echo two; while :; do sleep 0.1; done`
  const submitted = await atlas.json<SessionView & { durability: number }>([
    'submit',
    '--no-files',
    '--env',
    `GO=${go}`,
    '--on',
    'den',
    '--',
    'sh',
    '-c',
    script
  ])
  expect(submitted).toMatchObject({ durability: 2, submitter: (await atlas.status()).peerId })
  const { id } = submitted
  await mesh.inState(atlas, id, 'running')

  const listed = await den.json<SessionView[]>(['ps'])
  expect(listed).toMatchObject([{ id, state: 'running', command: expect.stringContaining('sh -c') }])
  const shown = await atlas.json<SessionView>(['show', id.slice(0, 8)])
  const denId = (await den.status()).peerId
  expect(shown).toMatchObject({ id, state: 'running', runner: denId, owner: denId })
  expect([...shown.keepers].sort()).toEqual([denId, (await atlas.status()).peerId].sort())
  expect(shown.placement?.sentence).toContain('den: asked for by name')
  expect(shown.placement?.candidates).toEqual([
    expect.objectContaining({ name: 'den' }),
    expect.objectContaining({ name: 'atlas', score: null, reason: '--on asks for den' })
  ])
  expect((await atlas.omega(['show', id])).stdout).toMatch(/why +den: asked for by name[^]*atlas: --on asks for den/)

  const followed = atlas.spawn(['logs', '-f', id])
  await followed.prints('one')
  await followed.prints('oops')
  writeFileSync(go, '')
  await followed.prints('two')
  await atlas.json(['stop', id])
  await mesh.inState(atlas, id, 'stopped')
  expect(await followed.end(60_000)).toMatchObject({ code: 0, stdout: 'one\ntwo\nbye\n', stderr: 'oops\n' })
  for (const peer of [atlas, den])
    expect(await peer.omega(['logs', id])).toMatchObject({ code: 0, stdout: 'one\ntwo\nbye\n', stderr: 'oops\n' })
  expect(await atlas.json<SessionView[]>(['ps'])).toEqual([])
  expect((await atlas.json<SessionView[]>(['ps', '--all'])).map((session) => session.id)).toContain(id)
  await nothingRuns()
})

test('show says why the chosen one, and why not the other, when both could', LONG, async () => {
  const { id } = await atlas.json<SessionView>(['submit', '--no-files', '--cpu', '0.1', '--', 'true'])
  const session = await mesh.inState(atlas, id, 'finished')
  expect(session.placement?.sentence).toMatch(/^(atlas|den): best of 2; /)
  expect(session.placement?.candidates[1]?.reason).toMatch(/^scored lower: .*cores free/)
  const never = await atlas.json<SessionView>(['submit', '--no-files', '--cpu', '3', '--', 'true'])
  const waiting = await mesh.inState(atlas, never.id, 'pending')
  expect(waiting.placement?.sentence).toMatch(/^no peer can take it now: .*offers 1 cores/)
  await atlas.json(['stop', never.id])
  await mesh.inState(atlas, never.id, 'stopped')
})

test(
  'what runs on a PC that its owner pauses stands still, nothing new comes, and it goes on afterwards',
  LONG,
  async () => {
    const pulse = new Pulse(mesh)
    const id = await pulse.submit(atlas, ['--on', 'den'])
    const { pid } = await pulse.first()
    await den.json(['node', 'pause'])
    await mesh.until(() => stateOf(pid) === 'frozen', { what: 'frozen program' })
    const refused = await atlas.json<SessionView>(['submit', '--no-files', '--cpu', '0.1', '--on', 'den', '--', 'true'])
    expect((await mesh.inState(atlas, refused.id, 'pending')).reason).toContain('den paused by its owner')
    await den.json(['node', 'resume'])
    await pulse.goesOn(pid)
    await mesh.inState(atlas, refused.id, 'finished')
    pulse.end()
    expect((await mesh.inState(atlas, id, 'finished')).exit).toEqual({ code: 0, signal: null })
  }
)

test('processor and memory are never given twice: the rest waits, then runs', LONG, async () => {
  for (const [what, ask, atOnce] of [
    ['cpu', ['--cpu', '0.5', '--memory', '64M'], 2],
    ['memory', ['--cpu', '0.1', '--memory', '600M'], 1]
  ] as const) {
    const [turns, go] = [join(den.workDir, `turns-${what}`), join(den.workDir, `go-${what}`)]
    const script = `echo start >> ${turns}; while [ ! -e ${go} ]; do sleep 0.1; done; sleep 0.3; echo end >> ${turns}`
    const submitted = await Promise.all(
      Array.from({ length: atOnce + 2 }, () =>
        atlas.json<SessionView>(['submit', '--no-files', ...ask, '--on', 'den', '--', 'sh', '-c', script])
      )
    )
    const states = async (): Promise<string[]> => {
      const offer = (await den.nodes()).find((node) => node.self)!.offer!
      expect(offer.grantedCpuMilli).toBeLessThanOrEqual(offer.cpuMilli)
      expect(offer.grantedMemoryBytes).toBeLessThanOrEqual(offer.memoryBytes)
      return (await Promise.all(submitted.map(({ id }) => atlas.session(id)))).map((session) => session.state).sort()
    }
    const full = [...Array<string>(2).fill('pending'), ...Array<string>(atOnce).fill('running')]
    const settled = async (note: (seen: unknown) => void) => {
      const seen = await states()
      note(seen)
      return seen.join() === full.join()
    }
    await mesh.until(settled, { what: `${atOnce} running and 2 pending (${what})` })
    writeFileSync(go, '')
    const done = async (note: (seen: unknown) => void) => {
      const seen = await states()
      note(seen)
      return seen.every((state) => state === 'finished')
    }
    await mesh.until(done, { what: `end of all (${what})`, withinMs: 120_000 })
    let now = 0
    let most = 0
    for (const turn of readFileSync(turns, 'utf8').trimEnd().split('\n'))
      most = Math.max(most, (now += turn === 'start' ? 1 : -1))
    expect({ what, most, left: now }).toEqual({ what, most: atOnce, left: 0 })
    for (const file of [turns, go]) rmSync(file)
  }
})

function folder(name: string, files: Record<string, string>): string {
  const top = join(atlas.workDir, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(top, path, '..'), { recursive: true })
    writeFileSync(join(top, path), text)
    chmodSync(join(top, path), 0o644)
  }
  return top
}

/** No program of a session is left on den. */
async function nothingRuns(): Promise<void> {
  const idle = async (note: (seen: unknown) => void) => {
    const { leash } = await den.status()
    note(leash)
    return leash.children === 0 && !den.processes().some(({ command }) => /^(sh -c|sleep)/.test(command))
  }
  await mesh.until(idle, { what: 'quiet den' })
}
