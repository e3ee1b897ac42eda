/** Where a session runs: what its watchers elsewhere read of it and send to it, over channels of kind `io`. */
import type { ChannelHandle, Peer } from '../protocols/peer/index.ts'
import type { SessionId } from '../protocols/ports.ts'
import { isTaskRun } from '../protocols/session/index.ts'
import type { PeerHost, Viewer } from './adapters/host.ts'
import { encodeOutput, inputCutter, SIGNALS } from './io-wire.ts'
import type { LogFrame } from './sessiond/log-format.ts'
import { serveTasks } from './task-place.ts'
import { encodeSize } from './terminal-size.ts'

/** A screen goes to its watcher in frames of this size. */
const SCREEN_FRAME_BYTES = 32 << 10

/** Lets other members watch what runs here. */
export function serveWatchers(peer: Peer, host: PeerHost): void {
  serveTasks(peer, host)
  peer.channels.serve('io', (channel) => void serveOne(peer, host, channel))
}

/**
 * The log of a run from an offset on. With `screen` what its terminal shows comes first, and of the log only what is after
 * that: the frames of the screen carry offset 0 until the last of them, because none of them can be gone on from. `over`: the
 * session has ended, and where a later owner told of the end of an earlier run, that run is meant.
 */
export async function* outputOf(
  host: PeerHost,
  session: SessionId,
  named: number,
  from: number,
  options: { follow: boolean; screen: boolean; over: boolean; signal: AbortSignal }
): AsyncGenerator<LogFrame> {
  const epoch = options.over ? await lastRun(host, session, named) : named
  let start = from
  if (options.screen) {
    const { bytes, offset, ...size } = await host.screen(session, epoch)
    yield { stream: 3, offset: bytes.length === 0 ? offset : 0, bytes: encodeSize(size, true) }
    for (let at = 0; at < bytes.length; at += SCREEN_FRAME_BYTES) {
      const part = bytes.subarray(at, at + SCREEN_FRAME_BYTES)
      yield { stream: 1, offset: at + part.length === bytes.length ? offset : 0, bytes: part }
    }
    start = offset
  }
  yield* host.output(session, epoch, start, options)
}

async function lastRun(host: PeerHost, session: SessionId, epoch: number): Promise<number> {
  const epochs = await host.epochs(session).catch(() => [])
  return epochs.filter((kept) => kept <= epoch && !isTaskRun(kept)).at(-1) ?? epoch
}

/** The runner's end: its log to the channel, what comes back to the child. */
async function serveOne(peer: Peer, host: PeerHost, channel: ChannelHandle): Promise<void> {
  const { id, epoch, from, follow, screen, over, confirm } = channel.meta
  if (typeof id !== 'string' || typeof epoch !== 'number' || typeof from !== 'number' || !(from >= 0))
    return channel.abort('no such session here')
  // Of a task nobody has a record; its log is here or it is not.
  if (!peer.sessions.records.all.has(id) && !(isTaskRun(epoch) && (await host.epochs(id)).includes(epoch)))
    return channel.abort('no such session here')
  const viewer = host.viewer(id, epoch)
  const taken = confirm === true ? new InputCount(channel) : undefined
  serveInput(host, channel, id, epoch, viewer, taken)
  let writable: () => void = () => {}
  const closed = new AbortController()
  const { signal } = closed
  channel.onWritable(() => writable())
  channel.onClose(() => {
    viewer.close()
    closed.abort()
    writable()
  })
  try {
    const options = { follow: follow === true, screen: screen === true, over: over === true, signal }
    for await (const frame of outputOf(host, id, epoch, from, options)) {
      if (signal.aborted) return
      if (!channel.write(encodeOutput(frame)) && !signal.aborted)
        await new Promise<void>((resolve) => (writable = resolve))
    }
    channel.end()
  } catch (error) {
    channel.abort((error as Error).message)
  }
}

/** Tells the watcher what need not be sent again should this channel break. */
class InputCount {
  readonly #channel: ChannelHandle
  #bytes = 0

  constructor(channel: ChannelHandle) {
    this.#channel = channel
  }

  add(bytes: number): void {
    if (bytes === 0) return
    this.#bytes += bytes
    this.#channel.write(encodeOutput({ stream: 4, offset: this.#bytes, bytes: new Uint8Array() }))
  }
}

function serveInput(
  host: PeerHost,
  channel: ChannelHandle,
  id: SessionId,
  epoch: number,
  viewer: Viewer,
  taken: InputCount | undefined
): void {
  const cutter = inputCutter()
  let taking = Promise.resolve()
  channel.onData((bytes) => {
    try {
      for (const frame of cutter.push(bytes)) {
        if (frame.k === 'signal') {
          const name = SIGNALS.find((signal) => signal === frame.name)
          if (name !== undefined) host.signal(id, epoch, name)
          continue
        }
        if (frame.k === 'size') {
          viewer.resize({ columns: frame.columns, rows: frame.rows })
          continue
        }
        const payload = frame.k === 'input' ? frame.bytes.slice() : undefined
        // A program that has closed its input goes on; what was sent is lost, as in a pipe.
        taking = taking
          .then(() => (payload === undefined ? host.endInput(id, epoch) : host.input(id, epoch, payload)))
          .catch(() => {})
          .then(() => taken?.add(payload?.length ?? 0))
      }
    } catch (error) {
      return channel.abort((error as Error).message)
    }
    taking = taking.then(() => channel.consumed(bytes.length))
  })
}
