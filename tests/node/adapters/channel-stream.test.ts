import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pipe } from 'it-pipe'
import { expect, test } from 'vitest'
import { channelDuplex } from '../../../node/adapters/channel-stream.ts'
import type { ChannelEnd } from '../../../node/adapters/channel-stream.ts'

/** Two ends with a credit window each way, delivered in microtasks, like a channel between two peers. */
function channelPair(windowBytes: number): [TestEnd, TestEnd] {
  const a = new TestEnd(windowBytes)
  const b = new TestEnd(windowBytes)
  a.other = b
  b.other = a
  return [a, b]
}

class TestEnd implements ChannelEnd {
  other!: TestEnd
  /** Bytes this end may still send before the other reads. */
  credit: number
  peakUnread = 0
  aborted: string | undefined
  readonly windowBytes: number
  #unread = 0
  #waiting: Uint8Array[] = []
  #ending = false
  #ended = false
  #callbacks = {
    data: (_: Uint8Array): void => {},
    writable: (): void => {},
    end: (): void => {},
    close: (_?: string): void => {}
  }
  constructor(windowBytes: number) {
    this.windowBytes = windowBytes
    this.credit = windowBytes
  }
  write(bytes: Uint8Array): boolean {
    this.#waiting.push(bytes)
    queueMicrotask(() => this.#pump())
    return this.#waiting.length < 2
  }
  end(): void {
    this.#ending = true
    queueMicrotask(() => this.#pump())
  }
  abort(why: string): void {
    this.aborted = why
    queueMicrotask(() => this.other.#callbacks.close(why))
    queueMicrotask(() => this.#callbacks.close(why))
  }
  consumed(bytes: number): void {
    this.#unread -= bytes
    this.other.credit += bytes
    queueMicrotask(() => this.other.#pump())
  }
  onData(fn: (bytes: Uint8Array) => void): void {
    this.#callbacks.data = fn
  }
  onWritable(fn: () => void): void {
    this.#callbacks.writable = fn
  }
  onEnd(fn: () => void): void {
    this.#callbacks.end = fn
  }
  onClose(fn: (why?: string) => void): void {
    this.#callbacks.close = fn
  }
  #pump(): void {
    while (this.#waiting.length > 0 && this.credit > 0) {
      const first = this.#waiting[0]!
      const part = first.subarray(0, this.credit)
      if (part.length === first.length) this.#waiting.shift()
      else this.#waiting[0] = first.subarray(part.length)
      this.credit -= part.length
      this.other.#unread += part.length
      this.other.peakUnread = Math.max(this.other.peakUnread, this.other.#unread)
      this.other.#callbacks.data(part)
    }
    if (this.#waiting.length === 0) this.#callbacks.writable()
    if (this.#ending && !this.#ended && this.#waiting.length === 0) {
      this.#ended = true
      this.other.#callbacks.end()
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const collect = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}
const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) & 0xff))

test('what one end writes the other reads, whole and in order, both ways at once', async () => {
  const [a, b] = channelPair(10_000)
  const left = channelDuplex(a)
  const right = channelDuplex(b)
  const back = Buffer.from('the other way')
  const [, , there, here] = await Promise.all([
    left.sink([content.subarray(0, 7), content.subarray(7)]),
    right.sink([back]),
    collect(right.source),
    collect(left.source)
  ])
  expect(there.equals(content)).toBe(true)
  expect(here.equals(back)).toBe(true)
})

test('it-pipe carries it as an echo on the far end', async () => {
  const [a, b] = channelPair(50_000)
  const far = channelDuplex(b)
  const echo = pipe(far.source, far.sink)
  const near = channelDuplex(a)
  const [back] = await Promise.all([collect(near.source), near.sink([content])])
  await echo
  expect(back.equals(content)).toBe(true)
})

test('node streams carry it too', async () => {
  const [a, b] = channelPair(50_000)
  const received: Buffer[] = []
  const to = new Writable({
    highWaterMark: 1000,
    write: (chunk: Buffer, _, done) => void (received.push(chunk), setImmediate(done))
  })
  await Promise.all([
    channelDuplex(a).sink(Readable.from([content])),
    pipeline(Readable.from(channelDuplex(b).source, { objectMode: false }), to)
  ])
  expect(Buffer.concat(received).equals(content)).toBe(true)
})

test('a reader that does not come holds the writer, and what waits stays within the window', async () => {
  const [a, b] = channelPair(20_000)
  let pulled = 0
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      pulled += 1
      yield new Uint8Array(5000)
    }
  }
  const writing = channelDuplex(a).sink(endless())
  const { source } = channelDuplex(b)
  for (let i = 0; i < 20; i++) await turn()
  expect(pulled).toBeLessThanOrEqual(7)
  expect(b.peakUnread).toBeLessThanOrEqual(20_000)
  const before = pulled
  for (let i = 0; i < 4; i++) await source.next() // coming for the next gives credit for the last
  for (let i = 0; i < 20; i++) await turn()
  expect(pulled).toBeGreaterThan(before)
  expect(b.peakUnread).toBeLessThanOrEqual(20_000)
  await source.return()
  await expect(writing).rejects.toThrow('the reader stopped')
})

test('a broken channel ends the reader and a writer that waits, each with the reason', async () => {
  const [a, b] = channelPair(10)
  const left = channelDuplex(a)
  const writing = left.sink([new Uint8Array(100), new Uint8Array(100)])
  const reading = collect(left.source)
  await turn()
  b.abort('the program is gone')
  await expect(writing).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining('the program is gone')
  })
  await expect(reading).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  await expect(left.sink([new Uint8Array(1)])).rejects.toThrow('the program is gone')
})

test('a source that throws aborts the channel with its reason', async () => {
  const [a, b] = channelPair(1000)
  const reading = collect(channelDuplex(b).source)
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10)
    throw new Error('the file changed while it was read')
  }
  await expect(channelDuplex(a).sink(failing())).rejects.toThrow('the file changed')
  expect(a.aborted).toBe('the file changed while it was read')
  await expect(reading).rejects.toThrow('the file changed')
})

test('what had arrived before a break is still read', async () => {
  const [a, b] = channelPair(1000)
  const { source } = channelDuplex(b)
  a.write(new Uint8Array(10))
  await turn()
  a.abort('gone')
  await turn()
  expect((await source.next()).value).toHaveLength(10)
  await expect(source.next()).rejects.toThrow('gone')
})
