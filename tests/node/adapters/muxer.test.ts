import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { expect, test } from 'vitest'
import { guardedYamux } from '../../../node/adapters/muxer.ts'

const make = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [guardedYamux({})]
  })

test('a stream opened on a connection that closes in the same turn fails there and nowhere else', async () => {
  const [a, b] = await Promise.all([make(), make()])
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('uncaughtException', note)
  try {
    const connection = await a.dial(b.getMultiaddrs())
    const { muxer } = connection as unknown as {
      muxer: { maConn: { abort(e: Error): void }; onCreateStream(): unknown }
    }
    muxer.onCreateStream()
    muxer.maConn.abort(new Error('gone'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(uncaught).toEqual([])
  } finally {
    process.off('uncaughtException', note)
    await Promise.all([a.stop(), b.stop()])
  }
})

test('a window is topped up once half of it is used, and all data arrives', async () => {
  const [a, b] = await Promise.all([make(), make()])
  try {
    const sizes = [...Array<number>(50).fill(100), 3 << 20]
    const total = sizes.reduce((sum, size) => sum + size, 0)
    let updates = 0
    const arrived = new Promise<number>((resolve) => {
      void b.handle('/sink', (stream) => {
        const counted = stream as typeof stream & { sendFrame(header: { type: number; flag: number }): boolean }
        const send = counted.sendFrame
        counted.sendFrame = (header, ...rest) => {
          if (header.flag === 0) updates++
          return send.call(counted, header, ...rest)
        }
        let bytes = 0
        stream.addEventListener('message', ({ data }) => {
          bytes += data.byteLength
          if (bytes === total) resolve(updates)
        })
      })
    })
    const stream = await a.dialProtocol(b.getMultiaddrs(), '/sink')
    for (const size of sizes) if (!stream.send(new Uint8Array(size))) await stream.onDrain()
    expect(await arrived).toBeGreaterThan(0)
    expect(updates).toBeLessThanOrEqual(total / (128 << 10))
  } finally {
    await Promise.all([a.stop(), b.stop()])
  }
})
