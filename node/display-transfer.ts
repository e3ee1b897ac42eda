/**
 * The display of a session, looked at from any peer: its bytes (RFB, RFC 6143) as a stream, over a channel of kind
 * `display` to the PC where it runs. Who may look is checked by the peer whose door was used, as for terminals.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import type { Writable } from 'node:stream'
import { pipe } from 'it-pipe'
import { MeshError } from '../protocols/errors.ts'
import type { ChannelHandle, Peer } from '../protocols/peer/index.ts'
import type { SessionId } from '../protocols/ports.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import { channelDuplex } from './adapters/channel-stream.ts'
import type { DisplayLine } from './http/api.ts'
import { displaySocket } from './sessiond/address.ts'

/** A display is there a moment after its session has started, on a busy PC some seconds. */
const READY_MS = 20_000
const AGAIN_MS = 50

/** Lets other members look at displays here. */
export function serveDisplays(peer: Peer, dataDir: string): void {
  peer.channels.serve('display', (channel) => void serveOne(peer, dataDir, channel))
}

async function serveOne(peer: Peer, dataDir: string, channel: ChannelHandle): Promise<void> {
  const { id, epoch } = channel.meta
  const duplex = channelDuplex(channel)
  try {
    if (typeof id !== 'string' || typeof epoch !== 'number') throw new MeshError('WIRE_INVALID', 'no such display')
    const socket = await openHere(peer, dataDir, id, epoch)
    const sent = pipe(socket, duplex.sink)
    const taken = pipe(duplex.source, async (source) => {
      for await (const bytes of source) await written(socket, bytes)
    })
    await Promise.race([sent, taken]).finally(() => socket.destroy())
    await Promise.allSettled([sent, taken])
  } catch (error) {
    channel.abort((error as Error).message)
  }
}

/** Rejects UNKNOWN_SESSION, HOST_FAILED. */
export async function openDisplay(peer: Peer, dataDir: string, record: SessionRecord): Promise<DisplayLine> {
  const { id, epoch, runner } = record
  if (record.spec.display === undefined) throw new MeshError('BAD_REQUEST', 'this session has no windows')
  if (runner === undefined) throw new MeshError('BUSY', 'it does not run anywhere yet')
  if (runner === peer.self) return lineOf(await openHere(peer, dataDir, id, epoch))
  return elsewhere(peer.channels.open(runner, 'display', { id, epoch }))
}

function elsewhere(channel: ChannelHandle): DisplayLine {
  const { source, sink } = channelDuplex(channel)
  const input = new PassThrough()
  // How the channel ends its reader is told.
  sink(input).catch(() => input.destroy())
  return {
    source,
    write: (bytes) => written(input, bytes),
    close() {
      input.destroy()
      channel.abort('nobody looks any more')
    }
  }
}

async function openHere(peer: Peer, dataDir: string, id: SessionId, epoch: number): Promise<Socket> {
  const untilMs = performance.now() + READY_MS
  for (;;) {
    const record = peer.sessions.records.all.get(id)
    const isHere = record?.runner === peer.self && record.epoch === epoch && record.spec.display !== undefined
    if (!isHere) throw new MeshError('UNKNOWN_SESSION', 'no such display here')
    try {
      return await connected(displaySocket(dataDir, id, epoch))
    } catch (error) {
      const isOver = performance.now() > untilMs || !(record.state === 'starting' || record.state === 'running')
      if (isOver) throw new MeshError('HOST_FAILED', `its display cannot be opened: ${(error as Error).message}`)
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.on('error', () => {})
  return socket
}

async function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  if (stream.destroyed) throw new MeshError('PEER_UNREACHABLE', 'the display is gone')
  if (stream.write(bytes)) return
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stream.off('drain', go).off('close', go)
      resolve()
    }
    stream.on('drain', go).on('close', go)
  })
}

function lineOf(socket: Socket): DisplayLine {
  return { source: socket, write: (bytes) => written(socket, bytes), close: () => void socket.destroy() }
}
