import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { STORE_QUEUE_MAX, openLevelStore } from '../../../node/adapters/level-store.ts'
import type { LevelStore } from '../../../node/adapters/level-store.ts'
import type { MeshError } from '../../../protocols/errors.ts'
import type { StoreOp } from '../../../protocols/ports.ts'
import { storeContract } from '../../contracts/store.ts'

const settle = (until: () => boolean, what: string): Promise<unknown> =>
  vi
    .waitUntil(until, { timeout: 10_000, interval: 2 })
    .catch(() => Promise.reject(new Error(`never happened: ${what}`)))

storeContract('LevelDB on disk', async () => {
  const root = mkdtempSync(join(tmpdir(), 'omega-store-'))
  let dir = join(root, 'a')
  let store = await openLevelStore(dir)
  const open = [store]
  return {
    store,
    settle: async (until, what) => void (await settle(until, what)),
    async restart() {
      await store.close()
      store = await openLevelStore(dir)
      open.push(store)
      return store
    },
    async powerCut() {
      // The files as they lie there now, without anything LevelDB would write when it closes.
      const next = `${dir}x`
      cpSync(dir, next, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
      dir = next
      store = await openLevelStore(dir)
      open.push(store)
      return store
    },
    async dispose() {
      for (const each of open) await each.close()
      rmSync(root, { recursive: true, force: true })
    }
  }
})

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'omega-store-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const write = (store: LevelStore, ops: StoreOp[], sync = true): Promise<MeshError | undefined> =>
  new Promise((resolve) => store.write(ops, { sync }, resolve))
const load = (store: LevelStore, prefix = ''): Promise<Record<string, string>> =>
  new Promise((resolve, reject) =>
    store.load(prefix, (error, pairs) =>
      error === undefined
        ? resolve(Object.fromEntries(pairs.map(([key, value]) => [key, new TextDecoder().decode(value)])))
        : reject(error)
    )
  )

test('a second peer on the same folder is told who has it and what to do', async () => {
  const store = await openLevelStore(dir)
  await expect(openLevelStore(dir)).rejects.toMatchObject({
    code: 'STORE_LOCKED',
    message: expect.stringMatching(new RegExp(`${dir}.*omega down.*OMEGA_DATA_DIR`))
  })
  expect(await write(store, [{ put: 'k', value: bytes('v') }])).toBeUndefined()
  await store.close()
  const again = await openLevelStore(dir)
  expect(await load(again)).toEqual({ k: 'v' })
  await again.close()
})

test('a folder that cannot be made is named', async () => {
  const file = join(dir, 'file')
  writeFileSync(file, '')
  await expect(openLevelStore(join(file, 'store'))).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining(join(file, 'store'))
  })
})

test('a damaged folder is repaired once and keeps its values', async () => {
  const store = await openLevelStore(dir)
  await write(store, [{ put: 'k', value: bytes('v') }])
  await store.close()
  writeFileSync(join(dir, 'CURRENT'), 'garbage')
  const again = await openLevelStore(dir)
  expect(again.repaired).toBe(true)
  expect(await load(again)).toEqual({ k: 'v' })
  await again.close()
  const third = await openLevelStore(dir)
  expect(third.repaired).toBe(false)
  await third.close()
})

test('damage that LevelDB passes over in silence is said', async () => {
  const store = await openLevelStore(dir)
  for (const key of ['a', 'b', 'c']) await write(store, [{ put: key, value: bytes('v'.repeat(100)) }])
  await store.close()
  const log = join(
    dir,
    readdirSync(dir).find((name) => name.endsWith('.log'))!
  )
  const content = readFileSync(log)
  const middle = content.length >> 1
  content.fill(0x5a, middle, middle + 8)
  writeFileSync(log, content)
  const again = await openLevelStore(dir)
  expect(again.repaired).toBe(true)
  expect(await load(again)).toHaveProperty('a')
  expect(await load(again)).not.toHaveProperty('c')
  await again.close()
})

test('a folder that lost its list of files is repaired', async () => {
  const store = await openLevelStore(dir)
  await write(store, [{ put: 'k', value: bytes('v') }])
  await store.close()
  writeFileSync(join(dir, 'CURRENT'), 'MANIFEST-999999\n')
  const again = await openLevelStore(dir)
  expect(again.repaired).toBe(true)
  expect(await load(again)).toEqual({ k: 'v' })
  await again.close()
})

test('a folder that cannot be repaired is named with the way out', async () => {
  const store = await openLevelStore(dir)
  await write(store, [{ put: 'k', value: bytes('v') }])
  await store.close()
  // Neither the list of files nor a place to write a new one.
  writeFileSync(join(dir, 'CURRENT'), 'garbage')
  rmSync(join(dir, 'LOG'))
  for (const name of readdirSync(dir)) if (/MANIFEST|\.log$/.test(name)) rmSync(join(dir, name))
  for (let i = 1; i < 12; i++) {
    mkdirSync(join(dir, `MANIFEST-${String(i).padStart(6, '0')}`))
    mkdirSync(join(dir, `${String(i).padStart(6, '0')}.dbtmp`))
  }
  await expect(openLevelStore(dir)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(new RegExp(`${dir}.*move this folder away`))
  })
})

test('a flipped bit in a stored value is noticed: the value is dropped and counted, the others load', async () => {
  const store = await openLevelStore(dir)
  await write(store, [
    { put: 'a', value: bytes('first') },
    { put: 'b', value: bytes('second') },
    { put: 'c', value: bytes('') }
  ])
  await store.close()
  const raw = new Level<string, Uint8Array>(dir, { valueEncoding: 'view' })
  const sealed = (await raw.get('a'))!
  sealed[sealed.length - 1]! ^= 0x10
  await raw.put('a', sealed)
  await raw.put('d', (await raw.get('b'))!) // a whole value under a key that is not its own
  await raw.put('e', Uint8Array.of(1, 2))
  await raw.close()
  const again = await openLevelStore(dir)
  expect(await load(again)).toEqual({ b: 'second', c: '' })
  expect(again.damagedValues).toBe(3)
  await again.close()
})

test('random damage to the files never crashes: it opens or says why not', async () => {
  const store = await openLevelStore(dir)
  for (let i = 0; i < 40; i++) await write(store, [{ put: `k${i}`, value: bytes('v'.repeat(i * 20)) }], i % 8 === 0)
  await store.close()
  let seed = 7
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  for (let round = 0; round < 12; round++) {
    const copy = join(dir, `copy${round}`)
    mkdirSync(copy)
    for (const name of readdirSync(dir)) if (!name.startsWith('copy')) cpSync(join(dir, name), join(copy, name))
    for (const name of readdirSync(copy).filter((each) => /MANIFEST|CURRENT|\.log$|\.ldb$/.test(each))) {
      const content = readFileSync(join(copy, name))
      if (content.length > 0) content[random(content.length)]! ^= 1 << random(8)
      writeFileSync(join(copy, name), content)
    }
    const outcome = await openLevelStore(copy).catch((error: MeshError) => error)
    if (outcome instanceof Error) {
      expect(outcome.code).toBe('STORE_FAILED')
      continue
    }
    for (const [key, value] of Object.entries(await load(outcome)))
      expect(value).toBe('v'.repeat(Number(key.slice(1)) * 20))
    await outcome.close()
  }
})

test('writes that wait together share one batch', async () => {
  const store = await openLevelStore(dir)
  const batches = vi.spyOn(Level.prototype, 'batch')
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) => write(store, [{ put: `k${i}`, value: bytes('v') }]))
  )
  expect(answers.every((answer) => answer === undefined)).toBe(true)
  expect(batches.mock.calls.length).toBeLessThan(5)
  batches.mockRestore()
  await store.close()
})

test('a write that fails answers STORE_FAILED, and a later one is tried again', async () => {
  const store = await openLevelStore(dir)
  await write(store, [{ put: 'old', value: bytes('v') }])
  const disk = vi.spyOn(Level.prototype, 'batch').mockRejectedValueOnce(new Error('IO error: No space left on device'))
  const refused = await write(store, [{ put: 'k', value: bytes('v') }])
  expect(refused).toMatchObject({ code: 'STORE_FAILED', message: expect.stringMatching(/No space left.*make room/) })
  expect(await load(store)).toEqual({ old: 'v' })
  disk.mockRestore()
  expect(await write(store, [{ put: 'k', value: bytes('w') }])).toBeUndefined()
  expect(await load(store)).toEqual({ k: 'w', old: 'v' })
  await store.close()
})

test('a queue that outgrows its bound refuses instead of growing', async () => {
  const store = await openLevelStore(dir)
  const value = new Uint8Array(8 << 20)
  const answers = await Promise.all(
    Array.from({ length: STORE_QUEUE_MAX / value.length + 3 }, () => write(store, [{ put: 'k', value }], false))
  )
  expect(answers.filter((answer) => answer?.code === 'STORE_FAILED').length).toBeGreaterThan(0)
  expect(await write(store, [{ put: 'after', value: bytes('v') }])).toBeUndefined()
  await store.close()
})

test('closing writes what waits, and nothing is taken afterwards', async () => {
  const store = await openLevelStore(dir)
  const pending = write(store, [{ put: 'k', value: bytes('v') }], false)
  await store.close()
  expect(await pending).toBeUndefined()
  expect(await write(store, [{ put: 'l', value: bytes('v') }])).toMatchObject({ code: 'STORE_FAILED' })
  await expect(load(store)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  const again = await openLevelStore(dir)
  expect(await load(again)).toEqual({ k: 'v' })
  await again.close()
})

/** A disk of its own of 4 MiB, where the test may make one. */
function smallDisk(at: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', at], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('a full disk refuses writes and keeps loads; with room again it goes on', async (context) => {
  const disk = join(dir, 'disk')
  mkdirSync(disk)
  if (!smallDisk(disk)) return context.skip('needs the right to mount a small disk')
  try {
    const store = await openLevelStore(join(disk, 'store'))
    await write(store, [{ put: 'old', value: bytes('v') }])
    let i = 0
    let refused: MeshError | undefined
    while (refused === undefined && i < 400) {
      const value = new Uint8Array(50_000).map(() => Math.random() * 256)
      refused = await write(store, [{ put: `big/${i++}`, value }])
    }
    expect(refused?.code).toBe('STORE_FAILED')
    expect((await write(store, [{ put: 'k', value: bytes('v') }]))?.code).toBe('STORE_FAILED')
    expect(await load(store, 'old')).toEqual({ old: 'v' })
    expect(store.trouble).toMatch(/space/)
    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    expect(await write(store, [{ put: 'k', value: bytes('v') }])).toBeUndefined()
    expect(store.trouble).toBeUndefined()
    await store.close()
    const again = await openLevelStore(join(disk, 'store'))
    expect(await load(again, 'k')).toEqual({ k: 'v' })
    expect(Object.keys(await load(again, 'big/')).length).toBeGreaterThanOrEqual(i - 1)
    await again.close()
  } finally {
    execFileSync('umount', ['-l', disk])
  }
})
