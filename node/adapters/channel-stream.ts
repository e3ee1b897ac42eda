/**
 * Joins one end of a channel to async iterables, as the duplex that it-pipe and Node's streams understand. Backpressure is
 * real both ways: credit goes back to the sender when the reader comes for more, and the sink stops while the channel is full.
 */
import { MeshError } from '../../protocols/errors.ts'

/** One end of a channel, as the peer hands it out. Callbacks are set once, before the next event. */
export interface ChannelEnd {
  /** False: enough is waiting; go on at `onWritable`. The bytes were taken all the same. */
  write(bytes: Uint8Array): boolean
  end(): void
  abort(why: string): void
  /** Gives credit back for that many bytes. */
  consumed(bytes: number): void
  onData(fn: (bytes: Uint8Array) => void): void
  onWritable(fn: () => void): void
  onEnd(fn: () => void): void
  /** `why` is undefined when both sides had ended. */
  onClose(fn: (why?: string) => void): void
}

export interface ChannelDuplex {
  /** Bytes of the other side until it ends; throws PEER_UNREACHABLE with the reason when the channel breaks. For one reader. */
  source: AsyncGenerator<Uint8Array, void, undefined>
  /** Writes all of it, then ends this side. Rejects when the channel breaks; aborts the channel when `from` throws. */
  sink(from: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
}

/** Written at once before asking whether there is room. */
const SLICE_BYTES = 64 * 1024

/** Must be called in the turn in which the channel was handed over. */
export function channelDuplex(channel: ChannelEnd): ChannelDuplex {
  const arrived: Uint8Array[] = []
  let remoteEnded = false
  let closed: { why: string | undefined } | undefined
  let wakeReader = (): void => {}
  let wakeWriter = (): void => {}

  channel.onData((bytes) => {
    arrived.push(bytes)
    wakeReader()
  })
  channel.onEnd(() => {
    remoteEnded = true
    wakeReader()
  })
  channel.onWritable(() => wakeWriter())
  channel.onClose((why) => {
    closed = { why }
    wakeReader()
    wakeWriter()
  })

  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    let finished = false
    try {
      for (;;) {
        const bytes = arrived.shift()
        if (bytes !== undefined) {
          yield bytes
          if (closed === undefined) channel.consumed(bytes.length)
        } else if (remoteEnded || closed !== undefined) {
          finished = true
          if (closed?.why !== undefined) throw broken(closed.why)
          return
        } else {
          await new Promise<void>((resolve) => (wakeReader = resolve))
        }
      }
    } finally {
      if (!finished && closed === undefined) channel.abort('the reader stopped')
    }
  }

  async function write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      if (closed !== undefined) throw broken(closed.why ?? 'it was over before all was written')
      // Listening before writing: room may be told of inside the call.
      const room = new Promise<void>((resolve) => (wakeWriter = resolve))
      if (!channel.write(bytes.subarray(at, at + SLICE_BYTES)) && closed === undefined) await room
    }
  }

  return {
    source: read(),
    async sink(from) {
      try {
        for await (const bytes of from) await write(bytes)
      } catch (error) {
        if (closed === undefined) channel.abort((error as Error).message)
        throw error
      }
      if (closed === undefined) channel.end()
      else if (closed.why !== undefined) throw broken(closed.why)
    }
  }
}

function broken(why: string): MeshError {
  return new MeshError('PEER_UNREACHABLE', `the channel broke: ${why}`)
}
