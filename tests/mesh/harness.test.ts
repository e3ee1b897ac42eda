/** The ground the other mesh tests stand on: places that reach each other, cut links, power cuts, a clean end. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namespacesMissing, startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const PORT = 18_080

test('a folder, its processes and its namespaces are gone after the end', async () => {
  const mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
  const { folder } = mesh.peer('atlas')
  await serve(mesh.peer('atlas'))
  await mesh.stop()
  expect(existsSync(folder)).toBe(false)
  expect(mesh.peer('atlas').processes()).toEqual([])
  expect(namespacesNow().filter((name) => mesh.lan.namespaces.includes(name))).toEqual([])
})

test('a power cut ends every process of that place, frozen and orphaned ones too, and no other', async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const orphan = "require('child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref()"
  await atlas.exec([process.execPath, '-e', orphan]).end(20_000)
  const frozen = atlas.exec(['sleep', '600'])
  const other = den.exec(['sleep', '600'])
  await mesh.until(() => atlas.processes().filter(isSleep).length === 2, { what: 'two sleeping processes' })
  frozen.kill('SIGSTOP')
  await atlas.killAll()
  expect((await frozen.ended).signal).toBe('SIGKILL')
  expect(atlas.processes()).toEqual([])
  expect(den.processes().filter(isSleep)).toHaveLength(1)
  other.kill('SIGKILL')
})

test('a command that does not end in time fails with what it printed', async () => {
  await using mesh = await startMesh({ peers: ['atlas'], join: 'none' })
  const running = mesh.peer('atlas').exec(['sh', '-c', 'echo begun; exec sleep 600'])
  await running.prints('begun')
  await expect(running.end(10)).rejects.toThrow('begun')
})

test.skipIf(namespacesMissing() !== undefined)(
  'a cut link passes nothing and a healed one does, also one way',
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    await serve(atlas)
    await reaches(mesh, den, atlas, true)
    atlas.cut()
    await reaches(mesh, den, atlas, false)
    atlas.heal()
    await reaches(mesh, den, atlas, true)
    mesh.lan.cutOneWay('atlas', 'den')
    await reaches(mesh, den, atlas, false)
    mesh.lan.healOneWay('atlas', 'den')
    await reaches(mesh, den, atlas, true)
  }
)

test.skipIf(namespacesMissing() !== undefined)(
  'each place has its own host name, and its own user when asked',
  async () => {
    await using mesh = await startMesh({ peers: [{ name: 'lark', uid: 23_456 }], join: 'none' })
    const lark = mesh.peer('lark')
    const { stdout } = await lark.exec(['sh', '-c', 'hostname; id -u; touch "$HOME/mine" && echo writable']).end(20_000)
    expect(stdout).toBe('lark\n23456\nwritable\n')
  }
)

const isSleep = ({ command }: { command: string }) => command.startsWith('sleep')

async function serve(peer: Peer): Promise<void> {
  const script = join(peer.workDir, 'serve.cjs')
  writeFileSync(
    script,
    `require('http').createServer((_, res) => res.end('here')).listen(${PORT}, () => console.log('ready'))`
  )
  await peer.exec([process.execPath, script]).prints('ready')
}

/** One connection a try, so that no kept-alive one answers for the link. */
async function reaches(mesh: Mesh, from: Peer, to: Peer, expected: boolean): Promise<void> {
  const ask = `fetch('http://${to.address}:${PORT}', { signal: AbortSignal.timeout(1000) }).then(() => process.exit(0), () => process.exit(9))`
  const what = `${expected ? 'way' : 'cut'} between ${from.name} and ${to.name}`
  await mesh.until(
    async (note) => {
      const { code } = await from.exec([process.execPath, '-e', ask]).end(20_000)
      note(`exit code ${code}`)
      return (code === 0) === expected
    },
    { what }
  )
}

function namespacesNow(): string[] {
  if (namespacesMissing() !== undefined) return []
  return execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
}
