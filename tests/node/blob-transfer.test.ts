import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import type { BlobRef, Log } from '../../protocols/ports.ts'
import { openBlobCache } from '../../node/adapters/blob-cache.ts'
import type { BlobCache } from '../../node/adapters/blob-cache.ts'
import { fetchBlob, findBlob, serveBlobs } from '../../node/blob-transfer.ts'
import type { SimMesh } from '../../sim/mesh.ts'
import { driven, formed, pass, peerOf } from './virtual.ts'

const folders: string[] = []
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true })
})
const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** A mesh in which each PC has a cache of its own on the real disk, and serves it. */
async function withCaches(seed: number, peers = 3): Promise<{ mesh: SimMesh; caches: BlobCache[] }> {
  const mesh = formed(seed, peers)
  const caches: BlobCache[] = []
  for (let n = 0; n < peers; n++) {
    const dataDir = mkdtempSync(join(tmpdir(), 'omega-blobs-'))
    folders.push(dataDir)
    caches.push(await openBlobCache({ dataDir, log }))
    serveBlobs(peerOf(mesh, n), caches[n]!)
  }
  return { mesh, caches }
}
const content = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 10)) & 255))
async function put(cache: BlobCache, bytes: Buffer): Promise<BlobRef> {
  const hash = createHash('sha256').update(bytes).digest('hex')
  await cache.put(hash, Readable.from([bytes], { objectMode: false }))
  return { hash, bytes: bytes.length }
}
async function read(cache: BlobCache, hash: string): Promise<Buffer> {
  return await buffer((await cache.open(hash)).content)
}
const ids = (mesh: SimMesh, ...list: number[]): string[] => list.map((n) => mesh.pc(n).id)

test('a blob comes whole from the first source that has it, over many windows', async () => {
  const { mesh, caches } = await withCaches(1)
  const bytes = content(1_500_000)
  const blob = await put(caches[2]!, bytes)
  await driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, blob, ids(mesh, 0, 1, 2)))
  expect((await read(caches[0]!, blob.hash)).equals(bytes)).toBe(true)
})

test('what is here already is not fetched, and an empty blob is a blob', async () => {
  const { mesh, caches } = await withCaches(2, 2)
  const here = await put(caches[0]!, content(10))
  await driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, here, []))
  const empty = await put(caches[1]!, Buffer.alloc(0))
  await driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, empty, ids(mesh, 1)))
  expect(caches[0]!.has(empty.hash)).toBe(true)
})

test('a link that breaks on the way costs time and nothing else', async () => {
  const { mesh, caches } = await withCaches(3, 2)
  const bytes = content(2_000_000)
  const blob = await put(caches[1]!, bytes)
  const fetching = fetchBlob(peerOf(mesh, 0), caches[0]!, blob, ids(mesh, 1))
  for (let i = 0; i < 3; i++) {
    await pass(mesh, 15)
    mesh.pc(0).station.program!.breakLink(mesh.pc(1).id)
  }
  await driven(mesh, fetching, { withinMs: 120_000 })
  expect((await read(caches[0]!, blob.hash)).equals(bytes)).toBe(true)
})

test('when nobody has it, or nobody is linked, the error names each that was asked and why not', async () => {
  const { mesh, caches } = await withCaches(4)
  const nowhere = { hash: 'ab'.repeat(32), bytes: 5 }
  await expect(driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, nowhere, ids(mesh, 1, 2)))).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringMatching(/pc1: .*that content is not here.*; pc2: .*that content is not here/)
  })
  await expect(driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, nowhere, []))).rejects.toThrow(
    'no peer that has them can be reached'
  )
  expect(caches[0]!.has(nowhere.hash)).toBe(false)
})

test('content that is not what its name says, or longer than said, is thrown away and the next source is asked', async () => {
  const { mesh, caches } = await withCaches(5)
  const bytes = content(100_000)
  const blob = await put(caches[2]!, bytes)
  const liar = peerOf(mesh, 1)
  liar.channels.serve('blob', (channel) => {
    channel.write(content(100_000).fill(0))
    channel.end()
  })
  await driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, blob, ids(mesh, 1, 2)))
  expect((await read(caches[0]!, blob.hash)).equals(bytes)).toBe(true)
  const short = { hash: (await put(caches[2]!, content(50_000))).hash, bytes: 1000 }
  await expect(driven(mesh, fetchBlob(peerOf(mesh, 0), caches[0]!, short, ids(mesh, 2)))).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE'
  })
  expect(caches[0]!.has(short.hash)).toBe(false)
})

test('a source that dies in the middle is replaced by the next', async () => {
  const { mesh, caches } = await withCaches(6)
  const bytes = content(4_000_000)
  const blob = await put(caches[1]!, bytes)
  await put(caches[2]!, bytes)
  const fetching = fetchBlob(peerOf(mesh, 0), caches[0]!, blob, ids(mesh, 1, 2))
  await pass(mesh, 20)
  mesh.kill(1)
  await driven(mesh, fetching, { withinMs: 120_000 })
  expect((await read(caches[0]!, blob.hash)).equals(bytes)).toBe(true)
})

test('who has a blob is found by asking, whatever the others answer', async () => {
  const { mesh, caches } = await withCaches(7, 4)
  const blob = await put(caches[3]!, content(10))
  peerOf(mesh, 1).rpc.serve('blob', (_from, _arg, answer) => answer(undefined, null))
  peerOf(mesh, 2).rpc.serve('blob', () => {})
  expect(await driven(mesh, findBlob(peerOf(mesh, 0), blob.hash, ids(mesh, 0, 1, 2, 3)))).toBe(mesh.pc(3).id)
  expect(await driven(mesh, findBlob(peerOf(mesh, 0), 'cd'.repeat(32), ids(mesh, 1, 2)))).toBeUndefined()
})

test('a question for a blob that is no hash is answered with no', async () => {
  const { mesh } = await withCaches(8, 2)
  for (const arg of [null, 7, '../../etc/passwd', { hash: 'x' }]) {
    const answer = new Promise((resolve, reject) =>
      peerOf(mesh, 0).rpc.ask(mesh.pc(1).id, 'blob', arg, 1000, (error, value) =>
        error === undefined ? resolve(value) : reject(error)
      )
    )
    expect(await driven(mesh, answer)).toEqual({ here: false })
  }
  const channel = peerOf(mesh, 0).channels.open(mesh.pc(1).id, 'blob', { hash: '../../etc/passwd' })
  let why: string | undefined
  channel.onClose((reason) => (why = reason))
  await pass(mesh, 50)
  expect(why).toBe('that content is not here')
})
