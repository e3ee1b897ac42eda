/**
 * The link to one peer: its connections (two when both sides dialled), one framed stream a plane and direction, and what
 * waits to be sent. A link promises that frames of a plane arrive in order and that none is lost before `down`: when a
 * connection or stream that carries frames breaks, the whole link is over.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { PLANES, PLANE_ACCESS, QUEUE_MAX, planeProtocol } from '../../protocols/ports.ts'
import type { DownReason, PeerId, Plane } from '../../protocols/ports.ts'
import { FrameQueue, FrameReader } from './frames.ts'

/** Handed to a stream at once; what it cannot send yet it keeps, so this is also the bound of that. */
const SEND_BYTES = 64 * 1024 + 4
const OPEN_TIMEOUT_MS = 5000
/** For what was handed over before `close` to leave. */
const CLOSE_MS = 500
/** The end of a stream comes a moment before the end of its connection, with frames of other planes in between. */
const LAST_FRAMES_MS = 500

/** What a link tells its network. */
export interface LinkOwner {
  frame(link: Link, plane: Plane, bytes: Uint8Array): void
  drain(link: Link, plane: Plane): void
  /** The link cannot go on; the owner calls `end`. */
  broke(link: Link, why: DownReason): void
  garbage(link: Link, plane: Plane): void
}

interface Outgoing {
  queue: FrameQueue
  stream: Stream | undefined
  opening: boolean
}

export class Link {
  readonly peer: PeerId
  readonly upAtMs: number
  /** False until the peer counts as a member. */
  admitted = false
  over = false
  readonly #owner: LinkOwner
  readonly #connections = new Set<Connection>()
  /** Those that carry frames; losing one of them loses frames. */
  readonly #carrying = new Set<Connection>()
  readonly #outgoing = new Map<Plane, Outgoing>()
  /** Streams of member planes that came before the peer was a member. Paused, so at most a window of bytes each. */
  readonly #held = new Map<Stream, () => void>()
  #flushArmed = false

  constructor(peer: PeerId, owner: LinkOwner, upAtMs: number) {
    this.peer = peer
    this.#owner = owner
    this.upAtMs = upAtMs
  }

  get connections(): number {
    return this.#connections.size
  }

  add(connection: Connection): void {
    this.#connections.add(connection)
  }

  /** True while the link can go on without that connection. */
  remove(connection: Connection): boolean {
    this.#connections.delete(connection)
    return this.#connections.size > 0 && !this.#carrying.has(connection)
  }

  admit(): void {
    if (this.admitted) return
    this.admitted = true
    for (const [stream, listen] of this.#held) {
      if (stream.status !== 'open') continue
      listen()
      stream.resume()
    }
    this.#held.clear()
  }

  /** `stream`: opened by the other side for that plane. */
  receive(plane: Plane, stream: Stream, connection: Connection): void {
    this.#carrying.add(connection)
    const reader = new FrameReader()
    const onFrame = (frame: Uint8Array): boolean => {
      this.#owner.frame(this, plane, frame)
      return !this.over
    }
    const listen = (): void => {
      stream.addEventListener('message', ({ data }) => {
        if (this.over || reader.push(data.subarray(), onFrame)) return
        this.#owner.garbage(this, plane)
        stream.abort(new Error('not a frame'))
      })
    }
    stream.addEventListener('close', ({ error }) => this.#streamEnded(error))
    stream.addEventListener('remoteCloseWrite', () => this.#streamEnded(undefined))
    if (this.admitted || PLANE_ACCESS[plane] === 'probation') {
      listen()
      // One that came before this side's dial was done has waited, paused.
      if (stream.readStatus === 'paused') stream.resume()
      return
    }
    // Pausing is safe here and only here: outside of a 'message' listener.
    stream.pause()
    this.#held.set(stream, listen)
  }

  /** Uses a stream that is open already for the first frames of that plane. */
  adopt(plane: Plane, stream: Stream, connection: Connection): boolean {
    const out = this.#out(plane)
    if (out.stream !== undefined || out.opening) return false
    this.#opened(plane, out, stream, connection)
    return true
  }

  send(plane: Plane, frame: Uint8Array): boolean {
    const out = this.#out(plane)
    if (!out.queue.push(frame)) return false
    if (!this.#flushArmed) {
      this.#flushArmed = true
      // The end of this turn of the loop: frames of one turn leave together.
      setImmediate(() => {
        this.#flushArmed = false
        for (const each of PLANES) this.#flush(each)
      })
    }
    return true
  }

  /** Ends every connection: gently, so that what was sent still leaves, or at once. */
  end(gently: boolean): void {
    if (this.over) return
    if (gently) for (const plane of PLANES) this.#flush(plane)
    this.over = true
    for (const connection of this.#connections) {
      if (gently) closeGently(connection)
      else connection.abort(new Error('link ended'))
    }
  }

  #out(plane: Plane): Outgoing {
    let out = this.#outgoing.get(plane)
    if (out === undefined) {
      out = { queue: new FrameQueue(QUEUE_MAX[plane]), stream: undefined, opening: false }
      this.#outgoing.set(plane, out)
    }
    return out
  }

  #flush(plane: Plane): void {
    const out = this.#outgoing.get(plane)
    if (this.over || out === undefined || out.queue.isEmpty) return
    const { stream, queue } = out
    if (stream === undefined) return this.#open(plane, out)
    try {
      while (!queue.isEmpty && !stream.writableNeedsDrain) stream.send(queue.take(SEND_BYTES))
    } catch {
      return this.#lost('reset') // it closed between two events
    }
    if (queue.takeDrain()) setImmediate(() => this.over || this.#owner.drain(this, plane))
  }

  #open(plane: Plane, out: Outgoing): void {
    if (out.opening) return
    const connection = [...this.#connections].find((each) => each.status === 'open')
    if (connection === undefined) return // its end is on the way as an event
    out.opening = true
    this.#carrying.add(connection)
    connection.newStream(planeProtocol(plane), { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) }).then(
      (stream) => {
        out.opening = false
        if (this.over) return stream.abort(new Error('link ended'))
        this.#opened(plane, out, stream, connection)
      },
      () => this.#lost('reset')
    )
  }

  #opened(plane: Plane, out: Outgoing, stream: Stream, connection: Connection): void {
    out.stream = stream
    this.#carrying.add(connection)
    // The event, every time: the promise of onDrain() is good for one wait only.
    stream.addEventListener('drain', () => this.#flush(plane))
    stream.addEventListener('close', ({ error }) => this.#streamEnded(error))
    this.#flush(plane)
  }

  /** A gentle end is the other side's farewell: what it sent on other planes is still read. */
  #streamEnded(error: Error | undefined): void {
    if (error !== undefined) return this.#lost('reset')
    if (!this.over) setTimeout(() => this.#lost('closed'), LAST_FRAMES_MS)
  }

  #lost(why: DownReason): void {
    if (!this.over) this.#owner.broke(this, why)
  }
}

function closeGently(connection: Connection): void {
  connection.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((error: Error) => connection.abort(error))
}
