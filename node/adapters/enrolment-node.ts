/**
 * A libp2p node for enrolment alone: a throw-away key, its own Noise prologue, one protocol, small limits. It shares
 * nothing with the node of the mesh, so that what strangers do here cannot touch it. And frames on its streams: a u32
 * length, then at most 4 KiB, read by events within a bound.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { guardedYamux } from './muxer.ts'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from 'libp2p'
import { MeshError } from '../../protocols/errors.ts'
import { JOIN_PROLOGUE, JOINING_LIMITS } from '../../protocols/joining/index.ts'

/** Connections at once, those in their handshake included. */
export const CONNECTIONS_MAX = 8
/** For the handshake, and for each step in which no person is asked. */
export const STEP_TIMEOUT_MS = 10_000
/** Frames of a conversation are six; one that is not taken yet may wait behind another. */
const FRAMES_WAITING_MAX = 8
const HEADER_BYTES = 4
/** A graceful close that the other side does not answer is cut short. */
const CLOSE_MS = 1000

export async function createJoinNode(listen: readonly string[]): Promise<Libp2p> {
  return await createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    addresses: { listen: [...listen] },
    transports: [
      tcp({
        dialOpts: { noDelay: true },
        listenOpts: { noDelay: true },
        // Sockets that have not finished their handshake count too; beyond it the OS queue is left to fill.
        maxConnections: 2 * CONNECTIONS_MAX,
        backlog: CONNECTIONS_MAX
      })
    ],
    connectionEncrypters: [noise({ prologueBytes: new TextEncoder().encode(JOIN_PROLOGUE) })],
    streamMuxers: [guardedYamux({ maxInboundStreams: 2, maxOutboundStreams: 2 })],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: CONNECTIONS_MAX,
      inboundUpgradeTimeout: STEP_TIMEOUT_MS,
      maxParallelDials: 4
    },
    connectionMonitor: { enabled: false }
  })
}

export interface FrameHandler {
  /** One frame after the other: the next comes when the promise of the last is done. */
  frame(bytes: Uint8Array): Promise<void> | void
  /** Once; no frame follows. `error`: not a clean end. */
  closed(error: Error | undefined): void
}

export interface FrameStream {
  send(frame: Uint8Array): void
  /** Lets what was sent go out, then ends the stream. */
  end(): Promise<void>
  abort(error: Error): void
}

/** Must be called in the tick in which the stream was handed over, or its first bytes are lost. */
export function frameStream(stream: Stream, handler: FrameHandler): FrameStream {
  let rest = Buffer.alloc(0)
  const waiting: Uint8Array[] = []
  let isBusy = false
  let ended: { error: Error | undefined } | undefined
  let isOver = false

  function onMessage(event: { data: { subarray(): Uint8Array } }): void {
    rest = Buffer.concat([rest, event.data.subarray()])
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(0)
      if (length > JOINING_LIMITS.enrolFrameBytes)
        return tooMuch(`a frame of ${length} bytes, at most ${JOINING_LIMITS.enrolFrameBytes}`)
      if (rest.length < HEADER_BYTES + length) break
      if (waiting.length >= FRAMES_WAITING_MAX) return tooMuch(`more than ${FRAMES_WAITING_MAX} frames at once`)
      waiting.push(new Uint8Array(rest.subarray(HEADER_BYTES, HEADER_BYTES + length)))
      rest = rest.subarray(HEADER_BYTES + length)
    }
    void pump()
  }
  async function pump(): Promise<void> {
    if (isBusy) return
    isBusy = true
    for (let frame = waiting.shift(); frame !== undefined; frame = waiting.shift()) await handler.frame(frame)
    isBusy = false
    if (ended === undefined || isOver) return
    isOver = true
    handler.closed(ended.error)
  }
  function onEnd(error: Error | undefined): void {
    ended ??= { error }
    void pump()
  }
  function tooMuch(what: string): void {
    rest = Buffer.alloc(0)
    waiting.length = 0
    stream.abort(new MeshError('WIRE_LIMIT', `enrolment: ${what}`))
  }

  stream.addEventListener('message', onMessage)
  stream.addEventListener('remoteCloseWrite', () => onEnd(undefined))
  stream.addEventListener('close', (event) => onEnd(event.error))
  return {
    send(frame) {
      if (stream.writeStatus !== 'writable') return
      const head = Buffer.alloc(HEADER_BYTES)
      head.writeUInt32BE(frame.length)
      stream.send(Buffer.concat([head, frame]))
    },
    async end() {
      await stream.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((error: Error) => stream.abort(error))
    },
    abort: (error) => stream.abort(error)
  }
}

/** "192.168.1.5:7778" or "[fd00::5]:7778" of "/ip4/192.168.1.5/tcp/7778/…"; undefined for other kinds. */
export function hostPortOf(multiaddr: string): string | undefined {
  const [, kind, host, transport, port] = multiaddr.split('/')
  if (transport !== 'tcp' || host === undefined || port === undefined) return undefined
  return kind === 'ip6' ? `[${host}]:${port}` : `${host}:${port}`
}

/** The way back; host names become /dns/. Undefined for text that is no host and port. */
export function multiaddrOf(hostPort: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):(\d{1,5})$/.exec(hostPort)
  if (match === null || Number(match[3]) > 65_535) return undefined
  if (match[1] !== undefined) return `/ip6/${match[1]}/tcp/${match[3]}`
  const kind = /^\d+\.\d+\.\d+\.\d+$/.test(match[2]!) ? 'ip4' : 'dns'
  return `/${kind}/${match[2]}/tcp/${match[3]}`
}
