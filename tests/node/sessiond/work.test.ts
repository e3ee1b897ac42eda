import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blobPath } from '../../../node/adapters/blob-cache.ts'
import { applyResult, packFolder } from '../../../node/folder/index.ts'
import { afterTick, contentsOf, makeFolder } from '../folder/made.ts'
import type { Content } from '../folder/made.ts'
import { eventually, startRig } from './rig.ts'
import type { Rig } from './rig.ts'

async function send(rig: Rig, contents: Record<string, Content>) {
  const here = makeFolder(contents)
  await afterTick()
  const packed = await packFolder(here)
  const input = await rig.blobs.create(packed.stream)
  return { here, base: packed.manifest, input }
}

const filesOf = (rig: Rig, session: string): string[] => readdirSync(join(rig.dataDir, 'runs', session, '1'))

test('a program works in the folder that travelled; what it changed comes back', async () => {
  const rig = await startRig()
  const { here, base, input } = await send(rig, {
    'src/in.txt': 'words',
    'tool.sh': { text: '#!/bin/sh\ntr a-z A-Z <in.txt >../out.txt\nrm in.txt\n', mode: 0o755 }
  })
  const { session } = await rig.start({ argv: ['../tool.sh'], cwd: 'src', input })
  const exit = await rig.exitOf(session)
  expect(exit).toMatchObject({ code: 0, output: { files: 1 } })
  expect(exit.outputError).toBeUndefined()
  expect(rig.host.hasBlob(exit.output!.hash)).toBe(true)
  const { content, bytes } = await rig.blobs.open(exit.output!.hash)
  expect(bytes).toBe(exit.output!.bytes)
  const applied = await applyResult(content, here, base, { runner: 'den', session })
  expect(applied).toMatchObject({ written: ['out.txt'], deleted: ['src/in.txt'], conflicts: [] })
  expect(readFileSync(join(here, 'out.txt'), 'utf8')).toBe('WORDS')
  await eventually(() => !filesOf(rig, session).includes('work'))
})

test('nothing changed: nothing comes back', async () => {
  const rig = await startRig()
  const { input } = await send(rig, { a: 'a' })
  const { session } = await rig.start({ argv: ['cat', 'a'], input })
  expect((await rig.read(session)).out).toBe('a')
  const exit = await rig.exitOf(session)
  expect([exit.code, exit.output, exit.outputError]).toEqual([0, undefined, undefined])
})

test('a program that was ended by a signal brings back what it had changed', async () => {
  const rig = await startRig()
  const { here, base, input } = await send(rig, { a: 'a' })
  const { session } = await rig.start({ launcher: 'shell', argv: ['echo half > b; kill -KILL $$'], input })
  const exit = await rig.exitOf(session)
  expect(exit).toMatchObject({ signal: 'KILL', output: { files: 1 } })
  await applyResult((await rig.blobs.open(exit.output!.hash)).content, here, base, { runner: 'den', session })
  expect(contentsOf(here)).toEqual({ a: 'a', b: 'half\n' })
})

test('a folder that is not here, is damaged, or does not hold the start folder: not started, in words', async () => {
  const rig = await startRig()
  const { input } = await send(rig, { a: 'a'.repeat(5000), 'way/out': { link: '/tmp' } })
  await expect(rig.start({ input: { hash: 'f'.repeat(64), bytes: 1 } })).rejects.toThrow(
    /archive f+ cannot be read here/
  )
  await expect(rig.start({ input, cwd: 'nowhere' })).rejects.toThrow('there is no folder "nowhere" in what was sent')
  await expect(rig.start({ input, cwd: '..' })).rejects.toThrow(/leads out of the folder|no folder/)
  await expect(rig.start({ input, cwd: 'way/out' })).rejects.toThrow(/leads out of the folder/)
  await expect(rig.start({ input, cwd: '/tmp' })).rejects.toThrow(/must be inside/)
  const path = blobPath(rig.dataDir, input.hash)
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 0xff
  writeFileSync(path, bytes)
  await expect(rig.start({ input })).rejects.toThrow(/damaged/)
  await eventually(() => readdirSync(join(rig.dataDir, 'runs')).length === 0)
})

test('a result that is too large stays where it is, and the end says so', async () => {
  const rig = await startRig({ folderBytes: 10_000 })
  const { input } = await send(rig, { a: 'a' })
  const { session } = await rig.start({ launcher: 'shell', argv: ['head -c 20000 /dev/zero > big'], input })
  const exit = await rig.exitOf(session)
  expect(exit.code).toBe(0)
  expect(exit.output).toBeUndefined()
  expect(exit.outputError).toMatch(/19\.5 KiB, at most 9\.8 KiB can travel; largest: big 19\.5 KiB/)
  expect(existsSync(join(rig.dataDir, 'runs', session, '1', 'work', 'big'))).toBe(true)
  rig.host.discard(session, 1)
  await eventually(() => readdirSync(join(rig.dataDir, 'runs')).length === 0)
})

test('a result is in the cache of the next peer process too, for as long as the run is held', async () => {
  const rig = await startRig()
  const { input } = await send(rig, { a: 'a' })
  const { session } = await rig.start({ launcher: 'shell', argv: ['head -c 3000 /dev/urandom > b'], input })
  const exit = await rig.exitOf(session)
  const again = await startRig({}, rig.dataDir)
  await again.until((told) => (told.t === 'children' ? true : undefined))
  expect(again.host.hasBlob(exit.output!.hash)).toBe(true)
  again.host.discard(session, 1)
})
