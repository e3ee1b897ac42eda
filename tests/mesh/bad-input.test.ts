/**
 * What goes wrong on one PC: a slip of the fingers, a port or a data folder that is taken, a damaged store, a full disk, a
 * clock that is off. Each is one clear line; nothing is lost and nothing dies.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { NoticeView, SessionView, StatusView } from '../../node/http/views.ts'
import { namespacesMissing, startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'
import { until } from './harness/index.ts'

const LONG = { timeout: 400_000 }

test('a wrong command, flag, name or folder is one clear line, and the peer goes on', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
  const atlas = mesh.peer('atlas')
  await refuses(atlas, ['status'], 1, 'no peer runs on this PC')
  await refuses(atlas, ['up', '--offer', 'cpu=200%,gold=1', '--label', 'x'], 1, /200%.*gold=1.*key=value/)
  await refuses(atlas, ['up', '--join', 'omega-invite:nonsense'], 1, /joining failed: .*invite/)
  await refuses(atlas, ['up'], 1, 'OMEGA_PORT is "many"', { OMEGA_PORT: 'many' })
  await atlas.up(['--new'])

  const itself = () => atlas.processes().filter(({ command }) => / up |sessiond/.test(command))
  const before = itself()
  await refuses(atlas, ['frobnicate'], 2, "unknown command 'frobnicate'")
  await refuses(atlas, ['run', '--cpus', '2', '--', 'true'], 2, "unknown option '--cpus'")
  await refuses(atlas, ['run', '--cpu', 'two', '--', 'true'], 1, '--cpu two: give cores')
  await refuses(atlas, ['submit', '--memory', 'lots', '--', 'true'], 1, '--memory lots: give a size')
  await refuses(atlas, ['submit', '--restart', 'sometimes', '--', 'true'], 2, '--restart')
  await refuses(atlas, ['submit', '--on', 'nobody', '--', 'true'], 1, 'no PC of this mesh is called "nobody"')
  await refuses(atlas, ['run'], 2, "missing required argument 'command'")
  await refuses(atlas, ['show', 'ffffff'], 1, 'no session begins with ffffff')
  await refuses(atlas, ['invite', '--open', 'soon'], 1, '--open soon: give a duration')
  await refuses(atlas, ['join', 'omega-invite:nonsense'], 1, 'invite')
  await refuses(atlas, ['--url', 'https://127.0.0.1:1', 'status'], 1, 'https://127.0.0.1:1 cannot be reached')
  // A second peer on the same data folder.
  await refuses(atlas, ['up'], 1, `another Omega peer is using the data folder ${atlas.dataDir}`, freePorts(atlas))
  expect(await atlas.status()).toMatchObject({ phase: 'active' })
  expect(await atlas.omega(['run', '--no-files', '--', 'echo', 'works'])).toMatchObject({ code: 0, stdout: 'works\n' })
  expect(itself()).toEqual(before)
})

test(
  'a port that was asked for and is taken is an error; a default one that is taken moves and says so',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    const asked = { OMEGA_PORT: '18443', OMEGA_LOCAL_PORT: '18442', OMEGA_MESH_PORT: '17777', OMEGA_JOIN_PORT: '17778' }
    const squatter = await squat(atlas, Object.values(asked).map(Number))
    for (const [setting, port] of Object.entries(asked)) {
      await refuses(atlas, ['up'], 1, new RegExp(`port ${port}.*taken.*${setting}`), { [setting]: port })
    }
    squatter.kill('SIGKILL')

    if (mesh.lan.kind === 'loopback') return
    const second = await squat(atlas, [8443, 8442, 7777, 7778])
    await atlas.up(['--new'])
    expect(atlas.output()).toMatch(/!! +port 8443 for HTTPS: taken by another program\n.*the next free port is used/)
    const { urls } = await atlas.status()
    expect(urls).toContain(`https://${atlas.address}:8444`)
    await mesh.until(() => atlas.output().includes(`page     https://${atlas.address}:8444`), {
      what: 'printed address of the page'
    })
    // Everything else follows it there.
    const { invite } = await atlas.json<{ invite: string }>(['invite'])
    await den.up(['--join', invite])
    await mesh.allSeeAll()
    second.kill('SIGKILL')
  }
)

test('a damaged store is repaired and said, and what it held comes back from the other PCs', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const ids: string[] = []
  for (const text of ['one', 'two', 'three']) {
    const { id } = await den.json<SessionView>([
      'submit',
      '--no-files',
      '--cpu',
      '0.1',
      '--on',
      'den',
      '--',
      'echo',
      text
    ])
    await mesh.until(async () => (await atlas.session(id)).state === 'finished', {
      what: `end of ${text}`
    })
    ids.push(id)
  }
  const db = join(den.dataDir, 'db')
  const damages: Record<string, () => void> = {
    'bytes in every table and log': () => {
      for (const name of readdirSync(db).filter((file) => /\.(ldb|log)$/.test(file))) scratch(join(db, name))
    },
    'the list of its files': () => {
      for (const name of readdirSync(db).filter((file) => file.startsWith('MANIFEST'))) scratch(join(db, name), 0)
    },
    'the pointer to that list': () => writeFileSync(join(db, 'CURRENT'), 'nonsense\n')
  }
  const back = async (note: (seen: unknown) => void) => {
    const { sessions } = await den.ask<{ sessions: SessionView[] }>('/api/v1/sessions')
    note(sessions.map((session) => session.state))
    return ids.every((id) => sessions.some((session) => session.id === id && session.state === 'finished'))
  }
  for (const [what, damage] of Object.entries(damages)) {
    await den.killPeerProcess()
    damage()
    await den.up()
    await mesh.allSeeAll()
    const notice = await mesh.until(
      async () => (await den.status()).notices.find(({ code }) => code.startsWith('store-')),
      { what: `notice after damage to ${what}` }
    )
    expect(notice.text).toMatch(/damaged/)
    await mesh.until(back, { what: `three sessions on den after damage to ${what}` })
    expect((await den.omega(['logs', ids[1]!])).stdout).toBe('two\n')
    await works(mesh, atlas, den)
  }
  // Gone altogether: it is still a member, and the others believe what it says of itself now.
  await den.killPeerProcess()
  rmSync(db, { recursive: true })
  await den.up()
  await mesh.allSeeAll()
  await mesh.until(back, { what: 'three sessions on den after its store was gone' })
  const heard = async (note: (seen: unknown) => void) => {
    const [node, { uptimeS }] = [(await atlas.nodes()).find(({ name }) => name === 'den'), await den.status()]
    note(`reading of ${node?.ageMs} ms, up for ${uptimeS} s`)
    return node?.ageMs != null && node.ageMs < (uptimeS - 1) * 1000
  }
  await mesh.until(heard, { what: 'reading of den that is younger than its start' })
  await works(mesh, atlas, den)
  // Beyond repair: a line that says what and what to do, and the folder is left as it is.
  await den.killAll()
  rmSync(db, { recursive: true })
  writeFileSync(db, 'no folder')
  await refuses(den, ['up'], 1, new RegExp(`${db}.*OMEGA_DATA_DIR|${db}.*move`))
  expect(readFileSync(db, 'utf8')).toBe('no folder')
})

test.skipIf(process.getuid?.() !== 0)(
  'a full disk: submit says so, the peer lives, and works again when there is room',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320m,mode=700', 'tmpfs', atlas.dataDir])
    try {
      await atlas.up(['--new'])
      const { id: before } = await atlas.json<SessionView>(['submit', '--no-files', '--', 'echo', 'before'])
      await mesh.until(async () => (await atlas.session(before)).state === 'finished', {
        what: 'end of the first'
      })
      const filler = join(atlas.dataDir, 'filler')
      fill(filler)
      // What still fits into the last page of a file is taken, and is then on disk.
      const accepted: string[] = []
      const refusal = await mesh.until(
        async () => {
          const { code, stdout, stderr } = await atlas.omega([
            'submit',
            '--no-files',
            '--cpu',
            '0.01',
            '--env',
            `PAD=${'x'.repeat(8000)}`,
            '--',
            'true'
          ])
          if (code === 0) accepted.push(stdout.trim())
          return code === 0 ? undefined : { code, stderr }
        },
        { what: 'refusal on a full disk' }
      )
      expect(refusal).toEqual({ code: 1, stderr: expect.stringMatching(/^omega: [^\n]*(disk|space|room)[^\n]*\n$/) })
      await refuses(atlas, ['invite'], 1, /disk|space|room/)
      expect(await atlas.status()).toMatchObject({ phase: 'active' })
      expect((await atlas.omega(['logs', before])).stdout).toBe('before\n')
      const told = async (): Promise<NoticeView | undefined> =>
        (await atlas.status()).notices.find(({ code }) => code === 'disk')
      expect((await mesh.until(told, { what: 'notice of the full disk' })).fix).toContain(atlas.dataDir)

      rmSync(filler)
      await mesh.until(async () => (await told()) === undefined, { what: 'end of the notice' })
      const after = await until(() => atlas.json<SessionView>(['submit', '--no-files', '--', 'echo', 'after']), {
        what: 'accepted session after the disk has room'
      })
      await mesh.inState(atlas, after.id, 'finished')
      for (const id of accepted) expect(await atlas.session(id)).toMatchObject({ id })
      // With a second keeper a full disk at the submitter is no reason to refuse.
      await den.up(['--join', (await atlas.json<{ invite: string }>(['invite'])).invite])
      await mesh.allSeeAll()
      fill(filler)
      const pad = `PAD=${'x'.repeat(8000)}`
      const elsewhere = await mesh.until(
        async () => {
          const submitted = ['submit', '--no-files', '--env', pad, '--on', 'den', '--', 'echo', 'there']
          const session = await atlas.json<SessionView & { durability: number }>(submitted)
          return session.durability === 1 ? session : undefined
        },
        { what: 'session that only the other disk took' }
      )
      await mesh.inState(den, elsewhere.id, 'finished')
    } finally {
      await atlas.killAll()
      execFileSync('umount', ['-l', atlas.dataDir])
    }
  }
)

test('a clock five minutes off: all works and both say so; fifteen behind: refused with the reason', LONG, async () => {
  await using mesh = await startMesh({
    peers: ['atlas', { name: 'den', env: shifted(5) }, { name: 'lark', env: shifted(-15) }],
    join: 'none'
  })
  const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
  await atlas.up(['--new'])
  await den.up(['--join', (await atlas.json<{ invite: string }>(['invite'])).invite])
  await mesh.allSeeAll([atlas, den])
  for (const [peer, text] of [
    [atlas, 'the clock of den is 5 min ahead'],
    [den, 'the clock of atlas is 5 min behind']
  ] as const) {
    const told = async () => (await peer.status()).notices.find(({ code }) => code === 'clock')
    expect((await mesh.until(told, { what: `word about the clock on ${peer.name}` })).text).toBe(text)
  }
  await works(mesh, atlas, den)
  await works(mesh, den, atlas)

  await refuses(
    lark,
    ['up', '--join', (await atlas.json<{ invite: string }>(['invite'])).invite],
    1,
    /joining failed: .*clock/
  )
  expect((await atlas.json<StatusView>(['status'])).members).toEqual({ alive: 2, total: 2 })
})

interface Refused {
  code: number | null
  lines: string[]
}

/** The command ends with this code and one line for a person, which holds the text. */
async function refuses(
  peer: Peer,
  args: string[],
  code: number,
  text: string | RegExp,
  env: Record<string, string> = {}
): Promise<void> {
  const ended = await peer.omega(args, { env })
  const lines = ended.stderr.trimEnd().split('\n')
  const seen: Refused & { args: string[] } = { args, code: ended.code, lines }
  expect(seen).toEqual({ args, code, lines: [expect.stringMatching(/^omega: /)] })
  expect(lines[0]).toMatch(text)
}

async function works(mesh: Mesh, from: Peer, on: Peer): Promise<void> {
  const ran = await mesh.until(
    () => from.omega(['run', '--no-files', '--cpu', '0.1', '--on', on.name, '--', 'echo', 'works']),
    { what: 'run' }
  )
  expect(ran).toMatchObject({ code: 0, stdout: 'works\n' })
}

/** On loopback all peers have ports of their own already. */
function freePorts(peer: Peer): Record<string, string> {
  if (namespacesMissing() === undefined) return {}
  return Object.fromEntries(
    Object.keys(peer.env)
      .filter((key) => /^OMEGA_\w*PORT$/.test(key))
      .map((key) => [key, '0'])
  )
}

/** Listens on those ports at the peer's place. */
async function squat(peer: Peer, ports: number[]) {
  const script = `let left = ${ports.length}; for (const port of [${ports.join()}]) require('net').createServer().listen(port, () => --left || console.log('taken'))`
  const running = peer.exec([process.execPath, '-e', script])
  await running.prints('taken')
  return running
}

/** Bytes in the middle of a file become others. */
function scratch(file: string, at = Math.floor(statSync(file).size / 2)): void {
  const open = openSync(file, 'r+')
  writeSync(open, Buffer.alloc(48, 0x5a), 0, 48, at)
  closeSync(open)
}

/** Takes every free byte of the disk that the file is on. */
function fill(file: string): void {
  const open = openSync(file, 'a')
  for (let size = 1 << 20; size > 0;) {
    try {
      if (writeSync(open, Buffer.alloc(size, 1)) === 0) break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      size = size > 1 ? size >> 4 : 0
    }
  }
  closeSync(open)
}

/** A PC whose clock is ahead: only the wall clock, as when somebody set it. */
function shifted(minutes: number): Record<string, string> {
  const script = `const now = Date.now; Date.now = () => now() + ${minutes * 60_000}`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
}
