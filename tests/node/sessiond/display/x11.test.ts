import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { authorityFile, watchWindows } from '../../../../node/sessiond/display/x11.ts'

const COOKIE = Buffer.from('00112233445566778899aabbccddeeff', 'hex')

/** A display that answers each piece it is sent with the next of these. */
async function display(answers: readonly Buffer[]): Promise<{ path: string; sockets: Socket[]; heard: Buffer[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'omega-x11-'))
  const path = join(folder, 'X')
  const sockets: Socket[] = []
  const heard: Buffer[] = []
  let next = 0
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      heard.push(bytes)
      const answer = answers[next++]
      if (answer !== undefined) socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { path, sockets, heard }
}

function welcome(root: number): Buffer {
  const vendor = Buffer.from('A vendor')
  const body = Buffer.alloc(32 + vendor.length + 8 + 40)
  body.writeUInt16LE(vendor.length, 16)
  body[20] = 1
  body[21] = 1
  vendor.copy(body, 32)
  body.writeUInt32LE(root, 32 + vendor.length + 8)
  const head = Buffer.alloc(8)
  head[0] = 1
  head.writeUInt16LE(body.length / 4, 6)
  return Buffer.concat([head, body])
}

function reply(fill: (bytes: Buffer) => void, extra = 0): Buffer {
  const bytes = Buffer.alloc(32 + 4 * extra)
  bytes[0] = 1
  bytes.writeUInt32LE(extra, 4)
  fill(bytes)
  return bytes
}

const ATOM = 77
const named = reply((bytes) => bytes.writeUInt32LE(ATOM, 8))
const windows = (count: number): Buffer => reply((bytes) => bytes.writeUInt32LE(count, 16), count)
const changed = (atom: number): Buffer => {
  const bytes = Buffer.alloc(32)
  bytes[0] = 28
  bytes.writeUInt32LE(atom, 8)
  return bytes
}

test('the number of windows is told at once, and again when the list changes', async () => {
  const { path, sockets, heard } = await display([welcome(0x2a), named, windows(0), windows(3)])
  const told: number[] = []
  let came: () => void = () => {}
  const watch = await watchWindows(path, COOKIE, (count) => {
    told.push(count)
    came()
  })
  expect(told).toEqual([0])
  const next = new Promise<void>((resolve) => (came = resolve))
  // In two pieces, and after a change of something else.
  const news = Buffer.concat([changed(ATOM + 1), changed(ATOM)])
  sockets[0]!.write(news.subarray(0, 40))
  sockets[0]!.write(news.subarray(40))
  await next
  expect(told).toEqual([0, 3])
  expect(watch.windows).toBe(3)
  expect(heard[0]!.includes(COOKIE)).toBe(true)
  watch.close()
})

test('a display that lets nobody in says why', async () => {
  const why = Buffer.from('no such cookie!!')
  const head = Buffer.alloc(8)
  head[1] = why.length
  head.writeUInt16LE(why.length / 4, 6)
  const { path } = await display([Buffer.concat([head, why])])
  await expect(watchWindows(path, COOKIE, () => {})).rejects.toThrow('no such cookie!!')
})

test('a reply that is too long, and an end without an answer, are errors and no wait', async () => {
  const long = reply(() => {})
  long.writeUInt32LE(0xffffffff, 4)
  const first = await display([welcome(1), long])
  await expect(watchWindows(first.path, COOKIE, () => {})).rejects.toThrow('a reply of')
  const second = await display([])
  const waiting = watchWindows(second.path, COOKIE, () => {})
  while (second.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
  second.sockets[0]!.destroy()
  await expect(waiting).rejects.toThrow('cannot be watched')
})

test('an authority file has the cookie for any display', () => {
  expect(authorityFile(COOKIE).toString('hex')).toBe(
    `ffff${'0000'}${'0000'}0012${Buffer.from('MIT-MAGIC-COOKIE-1').toString('hex')}0010${COOKIE.toString('hex')}`
  )
})
