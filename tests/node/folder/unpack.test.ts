import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { unpackFolder } from '../../../node/folder/index.ts'
import { pathTrouble, repositoryPart } from '../../../node/folder/paths.ts'
import { contentsOf, freshFolder, hostileArchive, makeFolder, streamOf } from './made.ts'

test.each([
  ['an absolute path', [{ name: '/tmp/omega-evil', content: 'x' }]],
  ['a path upwards', [{ name: '../evil', content: 'x' }]],
  ['a path upwards further in', [{ name: 'a/../../evil', content: 'x' }]],
  ['a path with nothing between its slashes', [{ name: 'a//evil', content: 'x' }]],
  [
    'a file through a link',
    [
      { name: 'out', type: 'symlink', linkname: '..' },
      { name: 'out/evil', content: 'x' }
    ]
  ],
  [
    'a link through a link',
    [
      { name: 'out', type: 'symlink', linkname: '..' },
      { name: 'out/evil', type: 'symlink', linkname: 'x' }
    ]
  ],
  [
    'a file in the place of a link',
    [
      { name: 'out', type: 'symlink', linkname: '../evil' },
      { name: 'out', content: 'x' }
    ]
  ],
  [
    'a folder in the place of a link',
    [
      { name: 'out', type: 'symlink', linkname: '..' },
      { name: 'out', type: 'directory' }
    ]
  ],
  [
    'a link in the place of a folder',
    [
      { name: 'out/a', content: 'x' },
      { name: 'out', type: 'symlink', linkname: '..' }
    ]
  ],
  ['a hard link', [{ name: 'evil', type: 'link', linkname: '/etc/passwd' }]],
  ['a device', [{ name: 'evil', type: 'character-device', devmajor: 1, devminor: 3 }]],
  ['a pipe', [{ name: 'evil', type: 'fifo' }]],
  [
    'a file twice',
    [
      { name: 'a', content: 'x' },
      { name: 'a', content: 'y' }
    ]
  ],
  [
    'a file below a file',
    [
      { name: 'a', content: 'x' },
      { name: 'a/b', content: 'y' }
    ]
  ],
  ['a path too deep', [{ name: `${'d/'.repeat(201)}f`, content: 'x' }]]
] as const)('%s is refused and nothing is outside', async (_what, entries) => {
  const parent = freshFolder()
  const dir = join(parent, 'work')
  await expect(unpackFolder(await hostileArchive(entries as never), dir)).rejects.toMatchObject({
    code: 'WIRE_INVALID'
  })
  expect(existsSync(join(parent, 'evil'))).toBe(false)
  expect(existsSync('/tmp/omega-evil')).toBe(false)
  expect(existsSync('/tmp/evil')).toBe(false)
})

test('an archive that unfolds too far is given up there', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(64 << 20))
  expect(bomb.length).toBeLessThan(10_000)
  const dir = join(freshFolder(), 'a')
  await expect(unpackFolder(streamOf(bomb), dir, { bytes: 1 << 20, entries: 100 })).rejects.toMatchObject({
    code: 'TOO_LARGE'
  })
  const fat = await hostileArchive([{ name: 'fat', content: Buffer.alloc(2 << 20) }])
  await expect(unpackFolder(fat, join(freshFolder(), 'b'), { bytes: 1 << 20 })).rejects.toMatchObject({
    code: 'TOO_LARGE'
  })
  const many = await hostileArchive(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}`, content: '' })))
  await expect(unpackFolder(many, join(freshFolder(), 'c'), { entries: 100 })).rejects.toMatchObject({
    code: 'TOO_LARGE'
  })
  const deep = await hostileArchive([{ name: `${'d/'.repeat(150)}f`, content: '' }])
  await expect(unpackFolder(deep, join(freshFolder(), 'd'), { entries: 100 })).rejects.toMatchObject({
    code: 'TOO_LARGE'
  })
})

test('a frame that asks for a huge window is refused', async () => {
  const params = {
    [constants.ZSTD_c_windowLog]: 27,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    [constants.ZSTD_c_contentSizeFlag]: 0
  }
  const compress = createZstdCompress({ params })
  const chunks: Buffer[] = []
  compress.on('data', (chunk: Buffer) => chunks.push(chunk))
  compress.end(Buffer.alloc(1024))
  await new Promise((resolve) => compress.once('end', resolve))
  await expect(unpackFolder(streamOf(Buffer.concat(chunks)), join(freshFolder(), 'a'))).rejects.toMatchObject({
    code: 'WIRE_INVALID'
  })
})

test('random and cut bytes are refused by name, never by a crash', async () => {
  const good = await hostileArchive([
    { name: 'a', content: 'x'.repeat(5000) },
    { name: 'b/c', content: 'y' }
  ])
  const bytes = Buffer.concat((await good.toArray()) as Buffer[])
  for (let cut = 0; cut < bytes.length; cut += 7)
    await expect(unpackFolder(streamOf(bytes.subarray(0, cut)), join(freshFolder(), 'a'))).rejects.toMatchObject({
      code: 'WIRE_INVALID'
    })
  for (let at = 0; at < bytes.length; at += 11) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 0x41
    // The frame's checksum is not in these archives, so a flip may pass: then it is some folder, and inside.
    await unpackFolder(streamOf(flipped), join(freshFolder(), 'a')).catch((error) =>
      expect(error).toMatchObject({ name: 'MeshError' })
    )
  }
})

test('special permissions do not arrive, and a folder nobody may enter is still within reach', async () => {
  const dir = join(freshFolder(), 'a')
  const entries = [
    { name: 'shut', type: 'directory', mode: 0o011 },
    { name: 'shut/file', content: 'x', mode: 0o4755 }
  ] as const
  await unpackFolder(await hostileArchive(entries as never), dir)
  expect(lstatSync(join(dir, 'shut')).mode & 0o7777).toBe(0o711)
  expect(lstatSync(join(dir, 'shut/file')).mode & 0o7777).toBe(0o755)
})

test('names that differ only in case both arrive where the file system tells them apart', async () => {
  const dir = join(freshFolder(), 'a')
  await unpackFolder(
    await hostileArchive([
      { name: 'Read.me', content: 'A' },
      { name: 'read.ME', content: 'b' },
      { name: 'X/f', content: '1' },
      { name: 'x/f', content: '2' }
    ]),
    dir
  )
  expect(contentsOf(dir)).toMatchObject({ 'Read.me': 'A', 'read.ME': 'b', 'X/f': '1', 'x/f': '2' })
})

test('only an empty folder is unpacked into', async () => {
  const dir = makeFolder({ there: 'x' })
  await expect(unpackFolder(await hostileArchive([{ name: 'a', content: 'x' }]), dir)).rejects.toMatchObject({
    code: 'BAD_REQUEST'
  })
  expect(contentsOf(dir)).toEqual({ there: 'x' })
})

test('names are judged by what each OS makes of them', () => {
  for (const bad of ['', '/', 'a/', 'a/./b', '..', 'a\0', 'x'.repeat(256)])
    expect(pathTrouble(bad, 'linux'), bad).toBeDefined()
  for (const good of ['a', 'a/b', '..a', 'con', 'a:b', 'a\\b', 'end.'])
    expect(pathTrouble(good, 'linux'), good).toBeUndefined()
  for (const bad of ['con', 'a/NUL.txt', 'a:b', 'a\\..\\b', 'end.', 'end '])
    expect(pathTrouble(bad, 'win32'), bad).toBeDefined()
  for (const path of ['.git', '.GIT/x', 'a/.git/b', 'a/.git. /b', 'GIT~1/x', '.g\u200cit/x'])
    expect(repositoryPart(path), path).toBeDefined()
  for (const path of ['.gitignore', 'git/x', 'a/.github/b']) expect(repositoryPart(path), path).toBeUndefined()
})
