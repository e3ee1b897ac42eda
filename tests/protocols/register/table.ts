/** Peers around one table: they hear each other at once, their disks are quick, and their clocks are moved by hand. */
import type { PeerId } from '../../../protocols/ports.ts'
import { createRegisters, decodeSlot, encodeSlot, step } from '../../../protocols/register/index.ts'
import type { RegisterEffect, RegisterEvent, RegisterFrame, RegisterState } from '../../../protocols/register/index.ts'
import { createRandom } from '../../../sim/random.ts'

export const ID = '00112233445566778899aabbccddeeff'
type Write = Extract<RegisterEffect, { e: 'write' }>

export class Seat {
  state: RegisterState
  readonly disk = new Map<string, Uint8Array>()
  readonly timers = new Map<string, number>()
  /** Everything it told its shell, sends and timers left out. */
  readonly told: RegisterEffect[] = []
  /** Writes that wait for `flush`, when the disk is held. */
  readonly held: Write[] = []
  holdDisk = false
  away = false
  #boots = 0
  readonly id: PeerId

  constructor(id: PeerId) {
    this.id = id
    this.state = createRegisters(this.nextBoot())
  }
  nextBoot(): string {
    return `${this.id.charCodeAt(0).toString(16)}${String(++this.#boots)}`.padStart(16, '0')
  }
  last<E extends RegisterEffect['e']>(e: E): Extract<RegisterEffect, { e: E }> | undefined {
    return this.told.findLast((effect) => effect.e === e) as Extract<RegisterEffect, { e: E }> | undefined
  }
}

export class Table {
  now = 1_000
  readonly seats: Seat[]
  /** Frames that went over the table. */
  readonly frames: { from: PeerId; to: PeerId; msg: RegisterFrame }[] = []
  readonly #queue: (() => void)[] = []
  readonly #random = createRandom(1)

  constructor(...ids: PeerId[]) {
    this.seats = ids.map((id) => new Seat(id))
  }

  seat(id: PeerId): Seat {
    return this.seats.find((seat) => seat.id === id)!
  }

  do(id: PeerId, event: RegisterEvent): void {
    this.#step(this.seat(id), event)
    while (this.#queue.length > 0) this.#queue.shift()!()
  }

  /** A register with these voters, made by the first of them, which holds it. */
  found(...voters: PeerId[]): void {
    const first = voters[0]!
    this.do(first, { k: 'create', id: ID })
    this.do(first, { k: 'want', id: ID, rank: 0 })
    this.do(first, { k: 'reshape', id: ID, voters, withinMs: 5_000 })
    this.pass(10)
  }

  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const due = this.seats
        .flatMap((seat) => [...seat.timers].map(([tag, at]) => ({ seat, tag, at })))
        .filter(({ seat, at }) => !seat.away && at <= end)
        .sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.now = Math.max(this.now, due.at)
      due.seat.timers.delete(due.tag)
      this.do(due.seat.id, { k: 'timer', tag: due.tag })
    }
    this.now = end
  }

  flush(id: PeerId, ok = true): void {
    for (const write of this.seat(id).held.splice(0)) this.#written(this.seat(id), write, ok)
    while (this.#queue.length > 0) this.#queue.shift()!()
  }

  restart(id: PeerId): void {
    const seat = this.seat(id)
    seat.state = createRegisters(seat.nextBoot())
    seat.timers.clear()
    seat.held.length = 0
    seat.away = false
    for (const [key, bytes] of seat.disk) this.do(id, { k: 'load', id: key, slot: slotOf(bytes) })
  }

  #step(seat: Seat, event: RegisterEvent): void {
    const env = { self: seat.id, now: this.now, wall: 0, random: this.#random }
    for (const effect of step(seat.state, event, env)) {
      switch (effect.e) {
        case 'send':
          this.#send(seat, effect.to, effect.msg as unknown as RegisterFrame)
          break
        case 'timer':
          seat.timers.set(effect.tag, this.now + effect.inMs)
          break
        case 'clear':
          seat.timers.delete(effect.tag)
          break
        case 'write':
          if (seat.holdDisk) seat.held.push(effect)
          else this.#queue.push(() => this.#written(seat, effect, true))
          break
        default:
          seat.told.push(effect)
      }
    }
  }

  #written(seat: Seat, { op, id, slot }: Write, ok: boolean): void {
    if (ok) seat.disk.set(id, encodeSlot(slot))
    this.#step(seat, { k: 'written', op, ok })
  }

  #send(from: Seat, to: PeerId, msg: RegisterFrame): void {
    this.frames.push({ from: from.id, to, msg })
    const seat = this.seats.find((each) => each.id === to)
    this.#queue.push(() => {
      if (seat !== undefined && !seat.away && !from.away) this.#step(seat, { k: 'msg', from: from.id, msg })
    })
  }
}

function slotOf(bytes: Uint8Array): ReturnType<typeof decodeSlot> | undefined {
  try {
    return decodeSlot(bytes)
  } catch {
    return undefined
  }
}
