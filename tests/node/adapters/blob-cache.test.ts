import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { blobPath, openBlobCache, storeBlob } from '../../../node/adapters/blob-cache.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const streamOf = (bytes: Buffer): Readable =>
  Readable.from([bytes.subarray(0, 7), bytes.subarray(7)], { objectMode: false })

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'omega-blobs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function bytesOf(content: Readable): Promise<Buffer> {
  return Buffer.concat((await content.toArray()) as Buffer[])
}

test('content put under its hash is there, also after a restart', async () => {
  const dataDir = freshFolder()
  const cache = await openBlobCache({ dataDir, log })
  const bytes = randomBytes(100_000)
  expect(await cache.put(hashOf(bytes), streamOf(bytes))).toMatchObject({ bytes: 100_000 })
  const made = await cache.create(streamOf(Buffer.from('made here')))
  expect(made).toEqual({ hash: hashOf(Buffer.from('made here')), bytes: 9 })
  const again = await openBlobCache({ dataDir, log })
  expect([again.has(hashOf(bytes)), again.has(made.hash), again.bytes]).toEqual([true, true, 100_009])
  expect(await bytesOf((await again.open(hashOf(bytes))).content)).toEqual(bytes)
})

test('content that is not what its name says, too long or broken off leaves nothing', async () => {
  const dataDir = freshFolder()
  const cache = await openBlobCache({ dataDir, log })
  const bytes = randomBytes(50_000)
  await expect(cache.put('0'.repeat(64), streamOf(bytes))).rejects.toMatchObject({ code: 'WIRE_INVALID' })
  await expect(cache.put(hashOf(bytes), streamOf(bytes), 49_999)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  const broken = new Readable({ read() {} })
  const put = cache.put(hashOf(bytes), broken)
  broken.push(bytes.subarray(0, 10_000))
  broken.destroy(new Error('the link went down'))
  await expect(put).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('the link went down')
  })
  await expect(cache.put('../../etc/passwd', streamOf(bytes))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(cache.open(hashOf(bytes))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  expect([cache.has(hashOf(bytes)), cache.bytes]).toEqual([false, 0])
  expect(readdirSync(join(dataDir, 'blobs', 'tmp'))).toEqual([])
})

test('what was not used for longest makes room; pinned content stays', async () => {
  const dataDir = freshFolder()
  const cache = await openBlobCache({ dataDir, log, maxBytes: 3000 })
  const [a, b, c, d, e] = Array.from({ length: 5 }, () => randomBytes(1000)) as [Buffer, Buffer, Buffer, Buffer, Buffer]
  for (const bytes of [a, b, c]) await cache.create(streamOf(bytes))
  ;(await cache.open(hashOf(a))).content.destroy()
  const unpin = cache.pin(hashOf(b))
  await cache.create(streamOf(d))
  expect([a, b, c, d].map((bytes) => cache.has(hashOf(bytes)))).toEqual([true, true, false, true])
  expect(existsSync(blobPath(dataDir, hashOf(c)))).toBe(false)
  cache.pin(hashOf(a))
  cache.pin(hashOf(d))
  await expect(cache.create(streamOf(e))).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('no room')
  })
  unpin()
  unpin()
  await cache.create(streamOf(e))
  expect([a, b, d, e].map((bytes) => cache.has(hashOf(bytes)))).toEqual([true, false, true, true])
})

test('what a crash left half written is removed at the next start, a living writer’s file is not', async () => {
  const dataDir = freshFolder()
  await openBlobCache({ dataDir, log })
  const folder = join(dataDir, 'blobs', 'tmp')
  writeFileSync(join(folder, 'peer-0123'), 'half')
  writeFileSync(join(folder, 'sessiond-4567'), 'being written')
  await openBlobCache({ dataDir, log })
  expect(readdirSync(folder)).toEqual(['sessiond-4567'])
})

test('what sessiond stored is adopted', async () => {
  const dataDir = freshFolder()
  const cache = await openBlobCache({ dataDir, log })
  const blob = await storeBlob(dataDir, streamOf(Buffer.from('a result')), { writer: 'sessiond' })
  expect(cache.has(blob.hash)).toBe(false)
  expect(cache.adopt(blob.hash)).toEqual(blob)
  expect((await bytesOf((await cache.open(blob.hash)).content)).toString()).toBe('a result')
  expect(cache.adopt('f'.repeat(64))).toBeUndefined()
})
