/**
 * yamux, with two changes to @libp2p/yamux 8.0.3.
 *
 * It opens a stream from a microtask of its own, and when the connection has closed in between, the throw there ends the
 * whole process. A frame for a closed connection is dropped instead; the connection's own close event tells everyone.
 *
 * It answers every frame of data with a window update, so that a ping and its answer are six packets and wake each PC three
 * times. The window is topped up once half of it is used, as other implementations of yamux do.
 */
import { yamux } from '@libp2p/yamux'
import type { YamuxMuxerInit } from '@libp2p/yamux'
import { StreamState, YamuxStream } from '@libp2p/yamux/stream'

/** In bytes; the types keep them to themselves. */
interface Received {
  recvWindow: number
  recvWindowCapacity: number
}

const sendWindowUpdate = YamuxStream.prototype.sendWindowUpdate
YamuxStream.prototype.sendWindowUpdate = function (this: YamuxStream) {
  const { recvWindow, recvWindowCapacity } = this as unknown as Received
  // In the other states the update also opens the stream, or accepts it.
  if (this.state !== StreamState.Established || recvWindowCapacity * 2 <= recvWindow) sendWindowUpdate.call(this)
}

export function guardedYamux(init: YamuxMuxerInit): ReturnType<typeof yamux> {
  const make = yamux(init)
  return () => {
    const factory = make()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = create(connection)
      const send = muxer.send.bind(muxer)
      muxer.send = (data) => {
        try {
          return send(data)
        } catch (error) {
          if ((error as Error).name === 'StreamStateError') return false
          throw error
        }
      }
      return muxer
    }
    return factory
  }
}
