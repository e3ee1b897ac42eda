/**
 * The Network port of one simulated program: dials, links and frames over the fabric. Nothing is told from inside a call,
 * and nothing at all after the program stopped or was killed.
 */
import { encodeFrame } from '../protocols/codec.ts'
import { FRAME_MAX, PLANE_ACCESS } from '../protocols/ports.ts'
import type { DownReason, Network, NetworkHandler, PeerId, Plane } from '../protocols/ports.ts'
import type { SimProcess } from './clock.ts'
import type { Fabric, Station } from './fabric.ts'
import { LinkEnd } from './link.ts'
import type { Cargo } from './link.ts'
import { sizeOf } from './size.ts'

/** A PC that does not answer is given up after this. */
export const DIAL_TIMEOUT_MS = 5000
/** SECURITY.md 1.4: so long may a stranger stay without showing a certificate. */
const PROBATION_MS = 2000
/** Trips of a TCP, Noise and yamux handshake before the called side knows who calls. */
const HANDSHAKE_TRIPS = 5

type Standing = 'member' | 'probation'
interface Failure {
  why: DownReason
  detail: string
}

export class SimNetwork implements Network {
  readonly self: PeerId
  readonly fabric: Fabric
  readonly station: Station
  readonly #process: SimProcess
  readonly #ends = new Map<PeerId, LinkEnd>()
  readonly #dials = new Set<PeerId>()
  #handler: NetworkHandler | undefined
  #stopped = false

  constructor(fabric: Fabric, station: Station, process: SimProcess) {
    this.fabric = fabric
    this.station = station
    this.self = station.peer
    this.#process = process
    station.program = this
  }

  get running(): boolean {
    return this.#process.alive && !this.#stopped
  }

  get paused(): boolean {
    return this.#process.paused
  }
  get pausedUntilMs(): number {
    return this.#process.pausedUntilMs
  }

  attach(handler: NetworkHandler): void {
    this.#handler = handler
  }

  addresses(): readonly string[] {
    return [this.station.address]
  }

  dial(peer: PeerId, addresses: readonly string[]): void {
    if (!this.running || this.#ends.has(peer) || this.#dials.has(peer)) return
    this.#dials.add(peer)
    this.#try(peer, [...addresses], { why: 'error', detail: 'no address is known' })
  }

  send(peer: PeerId, plane: Plane, frame: Uint8Array): boolean {
    if (frame.length > FRAME_MAX)
      throw new RangeError(`a frame has at most ${FRAME_MAX} bytes, this one ${frame.length}`)
    return this.#post(peer, plane, { load: frame.slice(), bytes: frame.length, kind: plane, atMs: 0 })
  }

  /** One message in a hundred, or each with `wire`, goes through the codec all the same. */
  hand(peer: PeerId, plane: Plane, message: object): boolean {
    const bytes = sizeOf(message)
    const { t } = message as { t?: unknown }
    const kind = typeof t === 'string' ? t : plane
    const { tap } = this.fabric
    const end = this.#ends.get(peer)
    if (tap !== undefined && end?.state === 'open' && this.running) {
      const fate = tap.sent(this.station, end.far.net.station, plane, kind, message)
      if (fate === 'reset') {
        this.breakLink(peer)
        return true
      }
    }
    if (bytes <= FRAME_MAX && !this.fabric.encodesNext())
      return this.#post(peer, plane, { load: message, bytes, kind, atMs: 0 })
    const frame = encodeFrame(message)
    if (frame.length !== bytes)
      throw new Error(`"${kind}" on plane ${plane} takes ${frame.length} bytes and was reckoned to take ${bytes}`)
    return this.#post(peer, plane, { load: frame, bytes, kind, atMs: 0 })
  }

  #post(peer: PeerId, plane: Plane, cargo: Cargo): boolean {
    const end = this.#ends.get(peer)
    if (!this.running || end?.state !== 'open') return false
    if (!this.takes(end, plane)) return false
    const liar = this.fabric.liars.get(this.station)
    return liar === undefined ? end.send(plane, cargo) : liar.says(plane, cargo).every((lie) => end.send(plane, lie))
  }

  close(peer: PeerId, _why: string): void {
    const end = this.#ends.get(peer)
    if (!this.running || end?.state !== 'open') return
    end.close('closed')
    this.#forget(end, 'closed')
  }

  stop(done: () => void): void {
    this.#stopped = true
    for (const end of this.#ends.values()) end.close('closed')
    this.#ends.clear()
    if (this.station.program === this) this.station.program = undefined
    this.#process.setTimeout(done, 0)
  }

  /** The program was killed, with its PC or alone. */
  killed(): void {
    for (const end of this.#ends.values()) end.abandon(this.station.powered)
    this.#ends.clear()
    if (this.station.program === this) this.station.program = undefined
  }

  /** The fabric's: the way to that peer is free again. */
  resume(peer: PeerId, blockedMs: number): void {
    this.#ends.get(peer)?.resume(blockedMs)
  }

  /** Breaks the link as a bad cable would: both ends see a reset, what is under way is lost. */
  breakLink(peer: PeerId): void {
    const end = this.#ends.get(peer)
    if (end === undefined) return
    end.far.net.lose(end.far, 'reset')
    this.lose(end, 'reset')
  }

  /** Discovery speaks. */
  see(peer: PeerId, addresses: readonly string[]): void {
    if (this.paused) return void this.#process.setTimeout(() => this.see(peer, addresses), 0)
    this.#trace('seen', peer)
    this.#handler?.seen(peer, addresses)
  }

  /** May this plane be used on that link now? Asks the gate again while the peer is in probation. */
  takes(end: LinkEnd, plane: Plane): boolean {
    if (end.standing === 'probation') this.#askAgain(end)
    return end.standing === 'member' || PLANE_ACCESS[plane] === 'probation'
  }

  receive(end: LinkEnd, plane: Plane, cargo: Cargo): void {
    if (!this.running) return
    const { load, bytes, kind } = cargo
    this.fabric.liars.get(this.station)?.hears(plane, cargo)
    const from = end.far.net
    const { trace, timeline } = this.fabric
    trace.text(kind)
    trace.number(timeline.nowMs)
    trace.whole(from.station.index * 65_536 + this.station.index)
    trace.whole(bytes)
    this.fabric.count(plane, bytes)
    if (!(load instanceof Uint8Array)) this.#handler?.message!(from.self, plane, load)
    else {
      if (plane === 'hello') trace.bytes(load)
      this.#handler?.frame(from.self, plane, load)
    }
    if (end.standing === 'probation') this.#askAgain(end)
  }

  tellDrain(end: LinkEnd, plane: Plane): void {
    this.#soon(() => this.#handler?.drain(end.far.net.self, plane))
  }

  /** The link ended from outside: the far side said goodbye, or the way was lost for good. */
  lose(end: LinkEnd, why: DownReason): void {
    if (end.state === 'closed' || !this.running) return
    const wasOpen = end.state === 'open'
    end.abandon(false)
    if (this.#ends.get(end.far.net.self) !== end) return
    if (wasOpen) this.#forget(end, why)
    else this.#ends.delete(end.far.net.self)
  }

  /** Tries the next address; with none left the dial has failed for the reason of the last. */
  #try(peer: PeerId, addresses: string[], last: Failure): void {
    const address = addresses.shift()
    if (address === undefined) return this.#soon(() => this.#dialFailed(peer, last))
    const next = (failure: Failure, afterMs: number): void => {
      this.#process.setTimeout(() => this.#dials.has(peer) && this.#try(peer, addresses, failure), afterMs)
    }
    const silence = { why: 'timeout', detail: `${address}: no answer within ${DIAL_TIMEOUT_MS} ms` } as const
    const there = this.fabric.at(address)
    if (there === undefined || there === this.station) return next(silence, DIAL_TIMEOUT_MS)
    const tripMs = this.fabric.latencyMs(this.station, there)
    const { timeline } = this.#process
    let openMs = DIAL_TIMEOUT_MS
    const arrived = (): void => {
      if (!this.#dials.has(peer)) return
      // Its system has taken the call: a program that stands still answers when it goes on.
      const stallMs = Math.max(0, (there.program?.pausedUntilMs ?? 0) - timeline.nowMs)
      if (!this.fabric.reachesBothWays(this.station, there) || stallMs > openMs) return next(silence, openMs)
      if (stallMs > 0) {
        openMs -= stallMs
        return void this.#process.setTimeout(arrived, stallMs)
      }
      const failure = this.#call(peer, there, address)
      if (failure !== undefined) next(failure, tripMs)
    }
    this.#process.setTimeout(arrived, tripMs * HANDSHAKE_TRIPS)
  }

  /** The handshake is through: a link, or why not. */
  #call(peer: PeerId, there: Station, address: string): Failure | undefined {
    const { program } = there
    if (program === undefined || !program.running)
      return { why: 'refused', detail: `${address}: nothing listens there` }
    if (there.peer !== peer) return { why: 'error', detail: `${address}: another peer is there, ${there.peer}` }
    if (this.#ends.has(peer)) {
      this.#dials.delete(peer)
      return undefined
    }
    if (program.paused) return { why: 'timeout', detail: `${address}: no answer` }
    const own = this.#handler?.gate(peer) ?? 'deny'
    const theirs = program.#handler?.gate(this.self) ?? 'deny'
    if (own === 'deny') return { why: 'denied', detail: `${address}: this peer is not let in` }
    if (theirs === 'deny') return { why: 'denied', detail: `${address}: we are not let in` }
    // of a former run of this peer, or one that this side has given up already; its end is told first
    const stale = program.#ends.get(this.self)
    if (stale !== undefined) program.lose(stale, 'reset')
    this.#soon(() => this.#link(program, own, theirs, address))
    return undefined
  }

  /** The called side has the link at once, the calling side one trip later. */
  #link(program: SimNetwork, own: Standing, theirs: Standing, address: string): void {
    const peer = program.self
    if (!program.running || program.paused || this.#ends.has(peer) || program.#ends.has(this.self)) {
      if (this.#ends.has(peer)) this.#dials.delete(peer)
      else this.#dialFailed(peer, { why: 'reset', detail: `${address}: closed while opening` })
      return
    }
    const near = new LinkEnd(this, program, false)
    const far = new LinkEnd(program, this, true)
    near.far = far
    far.far = near
    near.standing = own
    far.standing = theirs
    this.#ends.set(peer, near)
    program.#ends.set(this.self, far)
    program.#opened(far, this.station.address)
    this.#process.setTimeout(() => {
      this.#dials.delete(peer)
      if (near.state !== 'opening')
        return this.#dialFailed(peer, { why: 'reset', detail: `${address}: closed while opening` })
      if (this.fabric.passes(program.station, this.station)) return this.#opened(near, address)
      near.abandon(false)
      this.#ends.delete(peer)
      this.#dialFailed(peer, { why: 'timeout', detail: `${address}: no answer` })
    }, near.latencyMs)
  }

  #opened(end: LinkEnd, address: string): void {
    end.state = 'open'
    const peer = end.far.net.self
    this.#trace('up', peer)
    if (end.standing === 'probation') {
      this.#process.setTimeout(() => {
        if (end.state !== 'open' || end.standing === 'member') return
        this.#askAgain(end)
        // asking may have made it a member
        if ((end.standing as string) === 'member') return
        end.close('closed')
        this.#forget(end, 'denied')
      }, PROBATION_MS)
    }
    this.#handler?.up(peer, { inbound: end.inbound, address })
    end.admitted()
  }

  #askAgain(end: LinkEnd): void {
    if (this.#handler?.gate(end.far.net.self) !== 'member') return
    end.standing = 'member'
    end.admitted()
  }

  #forget(end: LinkEnd, why: DownReason): void {
    const peer = end.far.net.self
    this.#ends.delete(peer)
    this.#soon(() => {
      this.#trace('down', peer)
      this.#handler?.down(peer, why)
    })
  }

  #dialFailed(peer: PeerId, { why, detail }: Failure): void {
    this.#dials.delete(peer)
    this.#trace('dialFailed', peer)
    this.#handler?.dialFailed(peer, why, detail)
  }

  #soon(fn: () => void): void {
    this.#process.setTimeout(() => {
      if (!this.#stopped) fn()
    }, 0)
  }

  #trace(what: string, peer: PeerId): void {
    const { trace, timeline, stations } = this.fabric
    trace.text(what)
    trace.number(timeline.nowMs)
    trace.number(this.station.index * 65_536 + (stations.get(peer)?.index ?? 65_535))
  }
}
