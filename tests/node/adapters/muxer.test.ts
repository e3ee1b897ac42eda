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
