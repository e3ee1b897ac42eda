/** What goes wrong at the edge: each a clear line, nothing lost, nothing dead. */
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namespacesMissing, startMesh } from './harness/index.ts'
import type { Peer } from './harness/index.ts'

const LONG = { timeout: 300_000 }
const oneLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

test('a wrong command, a wrong flag and no peer are one clear line each', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
  const atlas = mesh.peer('atlas')
  const unknown = await atlas.omega(['flie'])
  expect(unknown.code).toBe(2)
  expect(unknown.stderr).toMatch(/unknown command 'flie'/)
  const flag = await atlas.omega(['ps', '--colour'])
  expect(flag.code).toBe(2)
  expect(flag.stderr).toMatch(/unknown option '--colour'/)
  const nobody = await atlas.omega(['nodes'])
  expect(nobody).toMatchObject({ code: 1, stdout: '' })
  expect(oneLine(nobody.stderr)).toContain('start it with `omega up`')
  const offer = await atlas.omega(['up', '--offer', 'cpu=150%,disk=3'])
  expect(offer.code).toBe(1)
  expect(offer.stderr).toMatch(/at most 100 %.*known are cpu and ram/s)
  const port = await atlas.omega(['up'], { env: { OMEGA_PORT: 'eighty' } })
  expect(oneLine(port.stderr)).toMatch(/OMEGA_PORT is "eighty"; a port is a number from 0 to 65535/)
})

test(
  'a port that somebody set and that is taken is an error; a second peer on one folder is refused',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
    const atlas = mesh.peer('atlas')
    const blocker = atlas.exec([
      process.execPath,
      '-e',
      "require('net').createServer().listen(18555, () => console.log('listening'))"
    ])
    await blocker.prints('listening')
    const taken = await atlas.omega(['up', '--new'], { env: { OMEGA_PORT: '18555' } })
    expect(taken.code).toBe(1)
    expect(taken.stderr).toMatch(/18555.*taken/s)
    blocker.kill('SIGKILL')
    await atlas.up(['--new'])
    const second = await atlas.omega(['up'], {
      env: { OMEGA_PORT: '0', OMEGA_LOCAL_PORT: '0', OMEGA_MESH_PORT: '0', OMEGA_JOIN_PORT: '0' }
    })
    expect(second.code).toBe(1)
    expect(oneLine(second.stderr)).toContain(atlas.dataDir)
    expect((await atlas.status()).phase).toBe('active')
  }
)

test.skipIf(namespacesMissing() !== undefined)(
  'a default port that is taken moves to the next free one and says so',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
    const atlas = mesh.peer('atlas')
    const blocker = atlas.exec([
      process.execPath,
      '-e',
      "require('net').createServer().listen(8443, () => console.log('listening'))"
    ])
    await blocker.prints('listening')
    await atlas.up(['--new'])
    expect((await atlas.status()).urls.some((url) => url.endsWith(':8444'))).toBe(true)
    expect(atlas.output()).toMatch(/port 8443.*taken/)
    blocker.kill('SIGKILL')
  }
)

test('a damaged store is repaired or named, and the peer comes back a member', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const den = mesh.peer('den')
  const { id } = await den.json<{ id: string }>(['submit', '--no-files', '--', 'true'])
  await den.killAll()
  const db = join(den.dataDir, 'db')
  for (const name of readdirSync(db)) {
    if (!/^(MANIFEST|CURRENT)/.test(name)) continue
    writeFileSync(join(db, name), Buffer.alloc(Math.max(64, statSync(join(db, name)).size), 0x5a))
  }
  await den.up()
  await mesh.allSeeAll()
  expect((await den.status()).notices.map((notice) => notice.code)).toContain('store-repaired')
  // The other keeper still has the record.
  const session = await mesh.until(async () => await den.json<{ id: string }>(['show', id]).catch(() => undefined), {
    what: 'the session on den'
  })
  expect(session.id).toBe(id)
})

test.skipIf(process.getuid?.() !== 0)(
  'a full disk refuses new work in words, and works again when there is room',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
    const atlas = mesh.peer('atlas')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320m,mode=0700', 'omega-test', atlas.dataDir])
    try {
      await atlas.up(['--new'])
      fill(atlas)
      const refused = await mesh.until(
        async (note) => {
          const { code, stderr } = await atlas.omega(['submit', '--no-files', '--', 'true'])
          note(stderr)
          return code === 1 ? stderr : undefined
        },
        { what: 'a refused submit' }
      )
      expect(oneLine(refused)).toMatch(/disk|space|written|ENOSPC/i)
      expect((await atlas.status()).phase).toBe('active')
      rmSync(join(atlas.dataDir, 'ballast'))
      await mesh.until(async () => (await atlas.omega(['run', '--no-files', '--', 'true'])).code === 0, {
        what: 'work after room was made'
      })
    } finally {
      await atlas.killAll()
      execFileSync('umount', ['-l', atlas.dataDir])
    }
  }
)

/** Leaves no byte on the small disk of the data folder. */
function fill(peer: Peer): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${join(peer.dataDir, 'ballast')}`, 'bs=64k'], { stdio: 'ignore' })
  } catch {
    // dd ends with an error when the disk is full: that is the point.
  }
}
