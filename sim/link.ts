/**
 * One end of a simulated connection. Each plane is a stream of its own: frames in order, bounded, delayed by latency, jitter
 * and bandwidth. While the way is blocked frames wait as in a TCP buffer; when the other side has forgotten the
 * connection, the next frame brings a reset.
 */
import { PLANES, QUEUE_MAX } from '../protocols/ports.ts'
import type { DownReason, Plane, Random } from '../protocols/ports.ts'
import type { Entry } from './clock.ts'
import type { LinkShape } from './fabric.ts'
import type { SimNetwork } from './network.ts'
import { createRandom } from './random.ts'

/** Linux gives an unanswered connection up after about this long. */
const GIVE_UP_MS = 15 * 60_000
/** Longest pause between two attempts to send again. */
const RESEND_MAX_MS = 30_000
/** Linux sends a lost segment again after this, then after twice as long. */
const RESEND_MIN_MS = 200

/** What travels: the bytes of a frame, or a message that the other end takes as it is. */
export interface Cargo {
  load: object
  /** As a frame. */
  bytes: number
  /** What kind of message it is, for the trace and for those who watch. */
  kind: string
  /** When it is at the other end, once it is on the cable. */
  atMs: number
}

interface Lane {
  plane: Plane
  frames: Cargo[]
  queuedBytes: number
  lastAtMs: number
  timer: Entry | undefined
  /** The timer's. */
  due: () => void
  /** A send was refused: tell when there is room. */
  refused: boolean
}

export class LinkEnd {
  state: 'opening' | 'open' | 'closed' = 'opening'
  standing: 'member' | 'probation' = 'member'
  /** The other end. */
  far!: LinkEnd
  readonly net: SimNetwork
  readonly inbound: boolean
  readonly #lanes: Partial<Record<Plane, Lane>> = {}
  readonly #random: Random
  readonly #latencyMs: number
  /** Of this PC when the connection was made; it does not survive a change. */
  readonly #address: string
  #freeAtMs = 0
  /** Bytes that arrived, but whose receipt could not come back. */
  #unreceipted: { lane: Lane; bytes: number }[] = []
  #giveUp: Entry | undefined

  constructor(net: SimNetwork, to: SimNetwork, inbound: boolean) {
    this.net = net
    this.inbound = inbound
    const { fabric, station } = net
    this.#address = station.address
    this.#latencyMs = fabric.latencyMs(station, to.station)
    this.#random = createRandom(fabric.seed, 'jitter', station.index, to.station.index, fabric.timeline.fired)
  }

  get latencyMs(): number {
    return this.#latencyMs
  }

  send(plane: Plane, cargo: Cargo): boolean {
    const { bytes } = cargo
    const lane = this.#lane(plane)
    if (lane.queuedBytes + bytes > QUEUE_MAX[plane]) {
      lane.refused = true
      return false
    }
    const { fabric } = this.net
    const { timeline } = fabric
    const shape = fabric.shapeOf(this.net.station, this.far.net.station)
    this.#freeAtMs = Math.max(this.#freeAtMs, timeline.nowMs) + bytes / shape.bytesPerMs
    const arrivesMs = this.#freeAtMs + this.#travelMs(shape)
    if (shape.datagrams !== undefined && plane !== 'hello') return this.#throw(lane, cargo, arrivesMs, shape.datagrams)
    lane.lastAtMs = Math.max(lane.lastAtMs, arrivesMs)
    lane.queuedBytes += bytes
    cargo.atMs = lane.lastAtMs
    lane.frames.push(cargo)
    if (lane.frames.length === 1) this.#arm(lane)
    return true
  }

  /** Latency, jitter, now and then a long tail; a lost segment costs a time-out, and some cost the connection. */
  #travelMs(shape: LinkShape): number {
    const latencyMs = shape === this.net.fabric.shape ? this.#latencyMs : shape.latencyMs
    let ms = latencyMs + this.#random.float() * shape.jitterMs
    // cubed: most are short
    if (this.#chance(shape.tailRatio)) ms += this.#random.float() ** 3 * shape.tailMs!
    if (this.#chance(shape.stallRatio)) {
      ms += RESEND_MIN_MS * 2 ** Math.floor(4 * this.#random.float())
      if (this.#chance(shape.resetRatio)) this.#breakIn(ms)
    }
    return ms
  }

  #chance(ratio: number | undefined): boolean {
    return ratio !== undefined && ratio > 0 && this.#random.float() < ratio
  }

  #breakIn(ms: number): void {
    this.net.fabric.timeline.at(ms, () => this.state === 'open' && this.net.breakLink(this.far.net.self))
  }

  #throw(lane: Lane, cargo: Cargo, arrivesMs: number, how: NonNullable<LinkShape['datagrams']>): true {
    const { timeline } = this.net.fabric
    for (let copies = this.#chance(how.twiceRatio) ? 2 : 1; copies > 0; copies--) {
      if (this.#chance(how.lossRatio)) continue
      const lateMs = this.#random.float() ** 3 * how.lateMs
      timeline.at(arrivesMs + lateMs - timeline.nowMs, () => {
        const { far } = this
        if (far.state === 'open' && !far.net.paused && this.#wayIsFree() && far.net.takes(far, lane.plane))
          far.net.receive(far, lane.plane, cargo)
      })
    }
    return true
  }

  /** Says goodbye after what was handed over; the far side hears `why`. */
  close(why: DownReason): void {
    this.state = 'closed'
    const { timeline } = this.net.fabric
    const lastMs = Math.max(
      timeline.nowMs + this.#latencyMs,
      ...Object.values(this.#lanes).map((lane) => lane.lastAtMs)
    )
    timeline.at(lastMs - timeline.nowMs, () => this.#sayFarewell(why))
  }

  /** The program is gone: what has not left the PC is lost. With power the OS resets the connection, without nothing does. */
  abandon(powered: boolean): void {
    this.state = 'closed'
    for (const lane of Object.values(this.#lanes)) this.#drop(lane)
    if (powered) this.net.fabric.timeline.at(this.#latencyMs, () => this.#sayFarewell('reset'))
  }

  /** The way is free again after having been blocked that long. */
  resume(blockedMs: number): void {
    const { timeline } = this.net.fabric
    const resendMs = this.#random.float() * Math.min(blockedMs, RESEND_MAX_MS)
    for (const lane of Object.values(this.#lanes)) {
      if (lane.frames.length > 0 && lane.timer === undefined) lane.timer = timeline.at(resendMs, lane.due)
    }
    this.far.#receipt()
  }

  /** The far side took its decision on this connection: what waited there for it may pass now. */
  admitted(): void {
    for (const plane of PLANES) {
      const lane = this.far.#lanes[plane]
      if (lane !== undefined && lane.frames.length > 0 && lane.timer === undefined) this.far.#arm(lane)
    }
  }

  #lane(plane: Plane): Lane {
    let lane = this.#lanes[plane]
    if (lane === undefined) {
      const fresh: Lane = {
        plane,
        frames: [],
        queuedBytes: 0,
        lastAtMs: 0,
        timer: undefined,
        due: () => this.#deliver(fresh),
        refused: false
      }
      this.#lanes[plane] = lane = fresh
    }
    return lane
  }

  #arm(lane: Lane): void {
    const { timeline } = this.net.fabric
    lane.timer = timeline.at(lane.frames[0]!.atMs - timeline.nowMs, lane.due)
  }

  #deliver(lane: Lane): void {
    lane.timer = undefined
    const { far } = this
    const frame = lane.frames[0]
    if (frame === undefined) return
    if (!this.#wayIsFree()) return this.#waitForTheWay()
    if (far.state === 'closed') {
      this.#drop(lane)
      return this.#resetFromAfar()
    }
    if (far.net.paused) {
      // it waits in the buffer of the socket
      const { timeline } = this.net.fabric
      lane.timer = timeline.at(far.net.pausedUntilMs - timeline.nowMs, lane.due)
      return
    }
    if (far.state === 'opening' || !far.net.takes(far, lane.plane)) return
    lane.frames.shift()
    if (lane.frames.length > 0) this.#arm(lane)
    if (this.net.fabric.passes(far.net.station, this.net.station)) this.#release(lane, frame.bytes)
    else this.#unreceipted.push({ lane, bytes: frame.bytes })
    far.net.receive(far, lane.plane, frame)
  }

  /** Receipts of the other direction get through again. */
  #receipt(): void {
    for (const { lane, bytes } of this.#unreceipted.splice(0)) this.#release(lane, bytes)
  }

  #release(lane: Lane, bytes: number): void {
    lane.queuedBytes -= bytes
    if (!lane.refused || lane.queuedBytes >= QUEUE_MAX[lane.plane] / 2) return
    lane.refused = false
    if (this.state === 'open') this.net.tellDrain(this, lane.plane)
  }

  /** TCP tries for a quarter of an hour, then tells the program. */
  #waitForTheWay(): void {
    if (this.#giveUp !== undefined) return
    this.#giveUp = this.net.fabric.timeline.at(GIVE_UP_MS, () => {
      this.#giveUp = undefined
      const stuck = Object.values(this.#lanes).some((lane) => lane.frames.length > 0 && lane.timer === undefined)
      if (stuck) this.net.lose(this, 'timeout')
    })
  }

  #resetFromAfar(): void {
    const { fabric, station } = this.net
    fabric.timeline.at(this.#latencyMs, () => {
      if (fabric.passes(this.far.net.station, station)) this.net.lose(this, 'reset')
    })
  }

  /** Lost when the way is blocked; the far side then learns it from the answer to its next frame. */
  #sayFarewell(why: DownReason): void {
    if (this.net.station.powered && this.#wayIsFree()) this.far.net.lose(this.far, why)
  }

  #wayIsFree(): boolean {
    const to = this.far.net.station
    return to.powered && to.address === this.far.#address && this.net.fabric.passes(this.net.station, to)
  }

  #drop(lane: Lane): void {
    if (lane.timer !== undefined) this.net.fabric.timeline.clear(lane.timer)
    lane.timer = undefined
    lane.frames.length = 0
    lane.queuedBytes = 0
  }
}
