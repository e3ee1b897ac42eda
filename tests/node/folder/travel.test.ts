import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  applyResult,
  changes,
  loadManifest,
  manifestOf,
  packFolder,
  packResult,
  saveManifest,
  unpackFolder
} from '../../../node/folder/index.ts'
import type { Manifest } from '../../../node/folder/index.ts'
import { afterTick, bytesOf, contentsOf, freshFolder, hostileArchive, makeFolder, streamOf } from './made.ts'
import type { Content } from './made.ts'

const NAMES = { runner: 'den', session: '0123456789abcdef' }

/** A folder here, and its copy at the runner. */
async function sent(
  contents: Record<string, Content>
): Promise<{ here: string; there: string; base: Manifest; before: Manifest }> {
  const here = makeFolder(contents)
  await afterTick()
  const packed = await packFolder(here)
  const there = join(freshFolder(), 'work')
  const before = await unpackFolder(streamOf(await bytesOf(packed.stream)), there)
  return { here, there, base: packed.manifest, before }
}

async function resultOf(before: Manifest, there: string): Promise<Buffer> {
  return await bytesOf((await packResult(before, there))!.stream)
}

test('a folder arrives as it was: bytes, x bits, times below a second, links, long and odd names', async () => {
  const odd = ['ä ö/ü€😀', 'with space', '-rf', 'new\nline', `${'long/'.repeat(40)}end`, 'n'.repeat(200)]
  const { here, there } = await sent({
    'run.sh': { text: '#!/bin/sh\n', mode: 0o755 },
    secret: { text: 'x', mode: 0o600 },
    empty: '',
    'empty-folder': null,
    large: 'z'.repeat(3_000_000),
    'inside/link': { link: '../run.sh' },
    outside: { link: '/etc/passwd' },
    dangling: { link: 'nowhere' },
    ...Object.fromEntries(odd.map((name) => [name, name]))
  })
  expect(contentsOf(there)).toEqual(contentsOf(here))
  for (const path of ['run.sh', 'secret', 'large', 'inside', ...odd]) {
    const [one, other] = [lstatSync(join(here, path)), lstatSync(join(there, path))]
    expect([path, other.mode, Math.abs(other.mtimeMs - one.mtimeMs) < 0.01]).toEqual([path, one.mode, true])
  }
})

test('the newer of two files is the newer one on the other side, also within a second', async () => {
  const here = makeFolder({ source: 's', object: 'o' })
  utimesSync(join(here, 'object'), 1_700_000_000.2, 1_700_000_000.2)
  utimesSync(join(here, 'source'), 1_700_000_000.7, 1_700_000_000.7)
  const there = join(freshFolder(), 'work')
  await unpackFolder(streamOf(await bytesOf((await packFolder(here)).stream)), there)
  expect(statSync(join(there, 'source')).mtimeMs - statSync(join(there, 'object')).mtimeMs).toBeCloseTo(500, 1)
})

test('.git and what ignore files name stay here; inner files, negation and .omegaignore count', async () => {
  const { there } = await sent({
    '.git/config': 'mine',
    'lib/.git': 'gitdir: elsewhere',
    '.gitignore': '*.o\n/build/\nlogs/*\n!logs/keep\n',
    '.omegaignore': 'huge/\n!wanted.o\n',
    'a.c': 'c',
    'a.o': 'o',
    'wanted.o': 'o',
    'build/out': 'x',
    'lib/build/kept': 'x',
    'lib/.gitignore': 'private\n',
    'lib/private': 'x',
    private: 'x',
    'logs/gone': 'x',
    'logs/keep': 'x',
    'huge/data': 'x'
  })
  expect(Object.keys(contentsOf(there))).toEqual([
    '.gitignore',
    '.omegaignore',
    'a.c',
    'lib',
    'lib/.gitignore',
    'lib/build',
    'lib/build/kept',
    'logs',
    'logs/keep',
    'private',
    'wanted.o'
  ])
})

test('what cannot travel is named and left out', async () => {
  const here = makeFolder({ file: 'x' })
  const server = createServer().listen(join(here, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  execFileSync('mkfifo', [join(here, 'pipe')])
  const packed = await packFolder(here)
  await bytesOf(packed.stream)
  server.close()
  expect([...packed.manifest.entries.keys()]).toEqual(['file'])
  expect(packed.manifest.skipped.map(({ path }) => path)).toEqual(['pipe', 'socket'])
})

test('a folder above the limit is refused with its size, its largest parts and the ways out', async () => {
  const here = makeFolder({ 'data/a': 'x'.repeat(3000), 'data/b': 'x'.repeat(2000), 'src/c': 'x'.repeat(500), d: 'x' })
  const failure = packFolder(here, { limitBytes: 4096 })
  await expect(failure).rejects.toMatchObject({ code: 'TOO_LARGE' })
  await expect(failure).rejects.toThrow(
    /5\.4 KiB, at most 4\.0 KiB can travel; largest: data\/ 4\.9 KiB, src\/ 500 bytes, d 1 bytes\..*\.omegaignore.*--no-files/
  )
  await expect(packFolder(here, { entriesMax: 3 })).rejects.toThrow(/more than 3 files/)
  await expect(packFolder(join(here, 'nowhere'))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  expect((await packFolder(here, { limitBytes: 4096, ignore: ['data'] })).bytes).toBe(501)
})

test('changes are found by content, not by times, and nothing that is still there counts as deleted', async () => {
  const { there, before } = await sent({
    same: 'x',
    touched: 'x',
    edited: 'x',
    gone: 'x',
    'folder/inner': 'x',
    link: { link: 'same' },
    mode: 'x'
  })
  expect(await changes(before, there)).toEqual({ changed: new Map(), deleted: [], skipped: [] })
  utimesSync(join(there, 'touched'), 1, 1)
  writeFileSync(join(there, 'edited'), 'y')
  chmodSync(join(there, 'mode'), 0o755)
  rmSync(join(there, 'gone'))
  rmSync(join(there, 'folder'), { recursive: true })
  rmSync(join(there, 'link'))
  symlinkSync('touched', join(there, 'link'))
  mkdirSync(join(there, 'made/deep'), { recursive: true })
  const file = join(freshFolder(), 'base')
  await saveManifest(file, before)
  const found = await changes(await loadManifest(file), there)
  expect([...found.changed.keys()].sort()).toEqual(['edited', 'link', 'made', 'made/deep', 'mode'])
  expect(found.deleted.sort()).toEqual(['folder', 'folder/inner', 'gone'])
})

test('a result replaces what is as it was, makes what is new, deletes what went', async () => {
  const { here, there, base, before } = await sent({
    'run.sh': { text: 'old', mode: 0o755 },
    same: 's',
    gone: 'g',
    'dir/gone': 'g',
    swapped: 'file',
    turned: null
  })
  writeFileSync(join(there, 'run.sh'), 'new')
  rmSync(join(there, 'gone'))
  rmSync(join(there, 'dir'), { recursive: true })
  rmSync(join(there, 'swapped'))
  rmSync(join(there, 'turned'), { recursive: true })
  makeFolder({ 'out/deep/made': 'm', 'swapped/inside': 'i', turned: 'now a file', link: { link: 'same' } }, there)
  const applied = await applyResult(streamOf(await resultOf(before, there)), here, base, NAMES)
  expect(contentsOf(here)).toEqual(contentsOf(there))
  expect(statSync(join(here, 'run.sh')).mode & 0o777).toBe(0o755)
  expect(applied).toEqual({
    written: ['link', 'out/deep/made', 'run.sh', 'swapped/inside', 'turned'],
    deleted: ['gone', 'dir/gone', 'dir'],
    conflicts: [],
    refused: []
  })
})

test('what changed here meanwhile is never touched: the result is beside it', async () => {
  const { here, there, base, before } = await sent({
    both: 'old',
    'only-here': 'old',
    dropped: 'old',
    vanished: 'old',
    alike: 'old',
    'sub/f': 'old'
  })
  makeFolder(
    {
      both: 'theirs',
      vanished: 'theirs',
      alike: 'same words',
      fresh: 'theirs',
      'sub/f': 'theirs',
      'blocked/inner': 'theirs'
    },
    there
  )
  rmSync(join(there, 'dropped'))
  makeFolder(
    { both: 'mine', 'only-here': 'mine', dropped: 'mine', alike: 'same words', fresh: 'mine', blocked: 'mine' },
    here
  )
  rmSync(join(here, 'vanished'))
  const result = await resultOf(before, there)
  const applied = await applyResult(streamOf(result), here, base, NAMES)
  expect(contentsOf(here)).toEqual({
    alike: 'same words',
    blocked: 'mine',
    'blocked.omega-den-01234567': null,
    'blocked.omega-den-01234567/inner': 'theirs',
    both: 'mine',
    'both.omega-den-01234567': 'theirs',
    dropped: 'mine',
    fresh: 'mine',
    'fresh.omega-den-01234567': 'theirs',
    'only-here': 'mine',
    sub: null,
    'sub/f': 'theirs',
    'vanished.omega-den-01234567': 'theirs'
  })
  expect(applied.conflicts).toEqual([
    { path: 'dropped', keptAs: null },
    { path: 'blocked', keptAs: 'blocked.omega-den-01234567' },
    { path: 'both', keptAs: 'both.omega-den-01234567' },
    { path: 'fresh', keptAs: 'fresh.omega-den-01234567' },
    { path: 'vanished', keptAs: 'vanished.omega-den-01234567' }
  ])
  // A second result for the same files finds its names taken and overwrites nothing.
  const again = await applyResult(streamOf(result), here, base, NAMES)
  expect(again.conflicts.find(({ path }) => path === 'both')).toEqual({
    path: 'both',
    keptAs: 'both.omega-den-01234567.2'
  })
  expect(readFileSync(join(here, 'both.omega-den-01234567'), 'utf8')).toBe('theirs')
})

test('a file that stayed here because it is ignored is replaced only when it is older than the journey', async () => {
  const { here, there, base, before } = await sent({
    '.gitignore': '*.bin\n',
    'built.bin': 'from before',
    'edited.bin': 'from before'
  })
  makeFolder({ 'built.bin': 'built there', 'edited.bin': 'built there' }, there)
  writeFileSync(join(here, 'edited.bin'), 'edited meanwhile')
  const applied = await applyResult(streamOf(await resultOf(before, there)), here, base, NAMES)
  expect(applied.written).toEqual(['built.bin'])
  expect(applied.conflicts).toEqual([{ path: 'edited.bin', keptAs: 'edited.bin.omega-den-01234567' }])
})

test('.omegaignore keeps results there too', async () => {
  const { here, there, base, before } = await sent({ '.omegaignore': 'cache/\n', a: 'a' })
  makeFolder({ 'cache/big': 'x', a: 'b' }, there)
  await applyResult(streamOf(await resultOf(before, there)), here, base, NAMES)
  expect(contentsOf(here)).toEqual({ '.omegaignore': 'cache/\n', a: 'b' })
})

test('a result cannot write through a link, out of the folder, or into a repository that is here', async () => {
  const outside = makeFolder({ victim: 'safe' })
  const { here, base } = await sent({ a: 'a', out: { link: outside }, '.git/config': 'mine' })
  const head = (deleted: string[]) => ({
    name: 'result.json',
    content: JSON.stringify({ v: 1, deleted: deleted.map((path) => ({ path })) })
  })
  const archive = await hostileArchive([
    head(['../victim', '/etc/hostname', 'out/victim', '.git/config']),
    { name: 'files/out/victim', content: 'hostile' },
    { name: 'files/.git/hooks/post-checkout', content: 'hostile' },
    { name: 'files/.GIT/config', content: 'hostile' }
  ])
  const applied = await applyResult(archive, here, base, NAMES)
  expect(contentsOf(outside)).toEqual({ victim: 'safe' })
  // The link was here as it was sent: a folder took its place, nothing went through it.
  expect(contentsOf(here)).toMatchObject({ '.git/config': 'mine', out: null, 'out/victim': 'hostile', a: 'a' })
  expect(Object.keys(contentsOf(join(here, '.git')))).toEqual(['config'])
  const refused = ['../victim', '/etc/hostname', 'out/victim', '.git/config', '.git']
  expect(applied.refused.map(({ path }) => path)).toEqual(refused)
  expect(applied.deleted).toEqual([])
})

test('a repository that was made there comes back when there is none here', async () => {
  const { here, there, base, before } = await sent({ a: 'a' })
  makeFolder({ '.git/config': 'new', '.git/hooks/x': 'new', 'sub/.git/config': 'new' }, there)
  const applied = await applyResult(streamOf(await resultOf(before, there)), here, base, NAMES)
  expect(applied.written).toEqual(['.git/config', '.git/hooks/x', 'sub/.git/config'])
  expect(applied.refused).toEqual([])
})

test('a damaged result changes nothing', async () => {
  const { here, there, base, before } = await sent({ a: 'old', b: 'old' })
  makeFolder({ a: 'new', c: 'c'.repeat(100_000) }, there)
  rmSync(join(there, 'b'))
  const result = await resultOf(before, there)
  for (const broken of [result.subarray(0, result.length >> 1), Buffer.from('no archive'), Buffer.alloc(0)])
    await expect(applyResult(streamOf(broken), here, base, NAMES)).rejects.toMatchObject({ code: 'WIRE_INVALID' })
  await expect(
    applyResult(await hostileArchive([{ name: 'files/a', content: 'x' }]), here, base, NAMES)
  ).rejects.toMatchObject({ code: 'WIRE_INVALID' })
  expect(contentsOf(here)).toEqual({ a: 'old', b: 'old' })
})

test('nothing to bring back is no archive', async () => {
  const { there, before } = await sent({ a: 'a' })
  expect(await packResult(before, there)).toBeUndefined()
})

test('a file that changes while it is read travels with the size it had, and the folder still arrives', async () => {
  const here = makeFolder({ growing: 'x'.repeat(100_000), z: 'last' })
  const packed = await packFolder(here)
  writeFileSync(join(here, 'growing'), 'y')
  const there = join(freshFolder(), 'work')
  await unpackFolder(streamOf(await bytesOf(packed.stream)), there)
  expect(statSync(join(there, 'growing')).size).toBe(100_000)
  expect(readFileSync(join(there, 'z'), 'utf8')).toBe('last')
})

test('listing a folder with many files does not stall the process', async () => {
  const here = freshFolder()
  for (let i = 0; i < 2000; i++) writeFileSync(join(here, `f${i}`), 'x'.repeat(i % 5000))
  let turns = 0
  let packing = true
  const turn = () => {
    turns++
    if (packing) setImmediate(turn)
  }
  turn()
  const packed = await packFolder(here)
  const there = join(freshFolder(), 'work')
  const before = await unpackFolder(streamOf(await bytesOf(packed.stream)), there)
  expect(await packResult(before, there)).toBeUndefined()
  packing = false
  // The loop came round at least once for every other file: nothing went through them in one go.
  expect(turns).toBeGreaterThan(1000)
  expect((await manifestOf(there)).entries.size).toBe(2000)
})
