/**
 * What every Network promises, in both shells. The harness makes peers of one mesh that can reach each other and lets
 * time pass; the suite attaches its own handlers and looks only at what they are told.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { FRAME_MAX, PLANES, QUEUE_MAX } from '../../protocols/ports.ts'
import type { DownReason, Network, NetworkHandler, PeerId, Plane } from '../../protocols/ports.ts'

export interface NetworkHarness {
  /** Running, not yet attached. */
  networks: Network[]
  /** An address in this network at which nobody answers. */
  deadAddress: string
  /** Lets time pass until the condition holds; rejects with `what` when it never does. */
  settle(until: () => boolean, what: string): Promise<void>
  /** Lets this much time pass. */
  pass(ms: number): Promise<void>
  /** Stops that peer and starts it again, same identity, at another address. Not yet attached. */
  restart(index: number): Promise<Network>
  dispose(): Promise<void> | void
}
/** Makes a mesh of that many peers. */
export type MakeNetworks = (count: number) => Promise<NetworkHarness> | NetworkHarness

/** How long a peer in probation may stay; SECURITY 1.4. */
const PROBATION_MS = 2000

export function networkContract(name: string, make: MakeNetworks): void {
  describe(`network: ${name}`, () => {
    let harness: NetworkHarness | undefined
    /** What a handler was told against the promises; a shell may catch what handlers throw. */
    const broken: string[] = []
    afterEach(async () => {
      await harness?.dispose()
      harness = undefined
      expect(broken.splice(0)).toEqual([])
    })
    const mesh = async (count: number): Promise<Watched[]> => {
      harness = await make(count)
      return harness.networks.map((network) => new Watched(network, broken))
    }
    const settle = (until: () => boolean, what: string): Promise<void> => harness!.settle(until, what)
    const link = async (a: Watched, b: Watched): Promise<void> => {
      a.network.dial(b.id, b.network.addresses())
      await settle(() => a.isUp(b) && b.isUp(a), 'both sides see the link')
    }

    test('a dial brings one link, seen once by both sides', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      a.network.dial(b.id, b.network.addresses())
      expect(a.events).toEqual([])
      await settle(() => a.isUp(b) && b.isUp(a), 'both sides see the link')
      a.network.dial(b.id, b.network.addresses())
      await harness!.pass(100)
      expect(a.ups).toEqual([{ peer: b.id, inbound: false }])
      expect(b.ups).toEqual([{ peer: a.id, inbound: true }])
      expect(a.dialFailures).toEqual([])
      expect(a.addressOf(b)).not.toBe('')
    })

    test('both dialling at the same moment is one link that carries frames both ways', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      a.network.dial(b.id, b.network.addresses())
      b.network.dial(a.id, a.network.addresses())
      await settle(() => a.isUp(b) && b.isUp(a), 'both sides see the link')
      await harness!.pass(100)
      for (let i = 0; i < 20; i++) {
        expect(a.network.send(b.id, 'mem', Uint8Array.of(1, i))).toBe(true)
        expect(b.network.send(a.id, 'mem', Uint8Array.of(2, i))).toBe(true)
      }
      await settle(() => a.on('mem').length === 20 && b.on('mem').length === 20, 'all frames arrive')
      expect([a.ups.length, b.ups.length, a.downs.length, b.downs.length]).toEqual([1, 1, 0, 0])
      a.network.close(b.id, 'test')
      await settle(() => a.downs.length === 1 && b.downs.length === 1, 'both sides see it go')
      await harness!.pass(100)
      expect([a.ups.length, b.ups.length, a.downs.length, b.downs.length]).toEqual([1, 1, 1, 1])
      expect([...a.dialFailures, ...b.dialFailures]).toEqual([])
    })

    test('frames of every plane arrive whole and in order', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      for (let i = 0; i < 50; i++) {
        for (const plane of PLANES) expect(a.network.send(b.id, plane, pattern(i * 7 + 1, i))).toBe(true)
      }
      await settle(() => PLANES.every((plane) => b.on(plane).length === 50), 'all frames arrive')
      for (const plane of PLANES) {
        b.on(plane).forEach((frame, i) => expect(frame).toEqual(pattern(i * 7 + 1, i)))
      }
    })

    test('a frame of FRAME_MAX arrives, a longer one is a bug of the sender and throws', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      expect(a.network.send(b.id, 'hello', pattern(FRAME_MAX, 3))).toBe(true)
      expect(() => a.network.send(b.id, 'hello', new Uint8Array(FRAME_MAX + 1))).toThrow(/65536/)
      await settle(() => b.on('hello').length === 1, 'the frame arrives')
      expect(b.on('hello')[0]).toEqual(pattern(FRAME_MAX, 3))
    })

    test('a frame is taken at the call: what the sender does to its bytes later does not travel', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      const frame = pattern(500, 5)
      a.network.send(b.id, 'gossip', frame)
      frame.fill(0)
      await settle(() => b.on('gossip').length === 1, 'the frame arrives')
      expect(b.on('gossip')[0]).toEqual(pattern(500, 5))
    })

    test('nothing is told inside a call', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      const before = a.events.length + b.events.length
      a.network.send(b.id, 'mem', pattern(10, 1))
      a.network.close(b.id, 'test')
      a.network.dial(b.id, [harness!.deadAddress])
      expect(a.events.length + b.events.length).toBe(before)
      await settle(() => a.downs.length === 1, 'down follows')
    })

    test('without a link nothing is taken', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      expect(a.network.send(b.id, 'mem', pattern(10, 1))).toBe(false)
      a.network.close(b.id, 'no link')
      await harness!.pass(50)
      expect(a.events).toEqual([])
    })

    test('a closed link is down on both sides once and can be dialled again', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      b.network.close(a.id, 'test')
      await settle(() => a.downs.length === 1 && b.downs.length === 1, 'both sides see it go')
      expect(a.network.send(b.id, 'mem', pattern(10, 1))).toBe(false)
      await link(b, a)
      expect(a.network.send(b.id, 'mem', pattern(10, 1))).toBe(true)
      await settle(() => b.on('mem').length === 1, 'the new link carries')
      expect([a.ups.length, a.downs.length, b.ups.length, b.downs.length]).toEqual([2, 1, 2, 1])
      expect(a.ups[1]!.inbound).toBe(true)
    })

    test('a dial that nobody answers fails once, with a reason', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      a.network.dial(b.id, [harness!.deadAddress])
      a.network.dial(b.id, [harness!.deadAddress])
      await settle(() => a.dialFailures.length > 0, 'the dial fails')
      await harness!.pass(100)
      expect(a.dialFailures).toHaveLength(1)
      expect(['refused', 'timeout']).toContain(a.dialFailures[0]!.why)
      expect(a.ups).toEqual([])
      a.network.dial(b.id, [])
      await settle(() => a.dialFailures.length === 2, 'a dial without an address fails too')
    })

    test('another peer at the address is not the peer that was dialled', async () => {
      const [a, b, c] = (await mesh(3)) as [Watched, Watched, Watched]
      a.network.dial(b.id, c.network.addresses())
      await settle(() => a.dialFailures.length === 1, 'the dial fails')
      expect(a.dialFailures[0]!.peer).toBe(b.id)
      expect(a.isUp(b)).toBe(false)
    })

    test('addresses are tried until one leads to the peer', async () => {
      const [a, b, c] = (await mesh(3)) as [Watched, Watched, Watched]
      a.network.dial(b.id, [harness!.deadAddress, ...c.network.addresses(), ...b.network.addresses()])
      await settle(() => a.isUp(b) && b.isUp(a), 'the link stands')
      expect(a.dialFailures).toEqual([])
    })

    test('three peers are three links, and closing one leaves the others', async () => {
      const [a, b, c] = (await mesh(3)) as [Watched, Watched, Watched]
      await link(a, b)
      await link(b, c)
      await link(c, a)
      a.network.close(b.id, 'test')
      await settle(() => a.downs.length === 1 && b.downs.length === 1, 'that link goes')
      expect(a.network.send(c.id, 'reg', pattern(9, 1))).toBe(true)
      expect(b.network.send(c.id, 'reg', pattern(9, 2))).toBe(true)
      await settle(() => c.on('reg').length === 2, 'the others carry')
      expect(c.downs).toEqual([])
      expect(c.frames.map((frame) => frame.from).sort()).toEqual([a.id, b.id].sort())
    })

    test('a denied peer gets no link here and no frame through', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      b.gates.set(a.id, 'deny')
      a.network.dial(b.id, b.network.addresses())
      // The dialler may see its connection open before the other side closes it.
      await settle(() => a.dialFailures.length + a.downs.length > 0, 'the dialler ends without a link')
      expect(a.network.send(b.id, 'hello', pattern(10, 1))).toBe(false)
      expect(b.ups).toEqual([])
      expect(b.frames).toEqual([])
    })

    test('a peer that this side denies is not linked when this side dials it', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      a.gates.set(b.id, 'deny')
      a.network.dial(b.id, b.network.addresses())
      await settle(() => a.dialFailures.length === 1, 'the dial fails')
      expect(a.dialFailures[0]!.why).toBe('denied')
      expect(a.ups).toEqual([])
    })

    test('a peer in probation is heard on hello only; the rest waits until gate says member, and is not lost', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      b.gates.set(a.id, 'probation')
      await link(a, b)
      a.network.send(b.id, 'mem', pattern(10, 1))
      a.network.send(b.id, 'sched', pattern(10, 2))
      a.network.send(b.id, 'hello', pattern(10, 3))
      await settle(() => b.on('hello').length === 1, 'hello arrives')
      await harness!.pass(200)
      expect(b.frames.map((frame) => frame.plane)).toEqual(['hello'])
      expect(b.network.send(a.id, 'mem', pattern(10, 4))).toBe(false)
      expect(b.network.send(a.id, 'hello', pattern(10, 5))).toBe(true)
      b.admitOnHello.add(a.id)
      a.network.send(b.id, 'hello', pattern(10, 6))
      await settle(() => b.on('mem').length === 1 && b.on('sched').length === 1, 'what waited arrives')
      expect(b.network.send(a.id, 'mem', pattern(10, 7))).toBe(true)
      await harness!.pass(PROBATION_MS + 500)
      expect(b.downs).toEqual([])
    })

    test('a peer that stays in probation is closed after two seconds', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      b.gates.set(a.id, 'probation')
      await link(a, b)
      await harness!.pass(PROBATION_MS + 100)
      await settle(() => a.downs.length === 1 && b.downs.length === 1, 'the link goes')
      expect(b.downs[0]).toEqual({ peer: a.id, why: 'denied' })
    })

    test('a full queue refuses, then drains once and loses nothing', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      const frameBytes = 8000
      let taken = 0
      while (a.network.send(b.id, 'sched', pattern(frameBytes, taken))) {
        taken += 1
        expect(taken * frameBytes).toBeLessThanOrEqual(QUEUE_MAX.sched)
      }
      expect(taken * frameBytes).toBeGreaterThan(QUEUE_MAX.sched / 2)
      expect(a.network.send(b.id, 'mem', pattern(10, 1))).toBe(true)
      await settle(() => a.drains.length > 0, 'the queue drains')
      expect(a.drains).toEqual([{ peer: b.id, plane: 'sched' }])
      expect(a.network.send(b.id, 'sched', pattern(frameBytes, taken++))).toBe(true)
      await settle(() => b.on('sched').length === taken && b.on('mem').length === 1, 'all that was taken arrives')
      b.on('sched').forEach((frame, i) => expect(frame).toEqual(pattern(frameBytes, i)))
      expect(a.drains).toHaveLength(1)
    })

    test('a stream of frames much longer than the queue passes whole, refill by refill', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      const total = 600
      let sent = 0
      const fill = (): void => {
        while (sent < total && a.network.send(b.id, 'chan', pattern(10_000, sent))) sent += 1
      }
      a.onDrain = fill
      fill()
      expect(sent).toBeLessThan(total)
      await settle(() => b.on('chan').length === total, 'all frames arrive')
      b.on('chan').forEach((frame, i) => expect(frame[0]).toBe(i & 0xff))
    })

    test('a stopped network says nothing more and the other side sees the link go', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      let stopped = false
      a.network.stop(() => (stopped = true))
      expect(stopped).toBe(false)
      await settle(() => stopped && b.downs.length === 1, 'stop is done and seen')
      const told = a.events.length
      expect(a.network.send(b.id, 'mem', pattern(10, 1))).toBe(false)
      a.network.dial(b.id, b.network.addresses())
      b.network.dial(a.id, [harness!.deadAddress])
      await settle(() => b.dialFailures.length === 1, 'a dial to it fails')
      expect(a.events.length).toBe(told)
    })

    test('a peer that comes back at another address is linked there', async () => {
      const [a, b] = (await mesh(2)) as [Watched, Watched]
      await link(a, b)
      const before = b.network.addresses()
      const back = new Watched(await harness!.restart(1), broken)
      expect(back.id).toBe(b.id)
      expect(back.network.addresses()).not.toEqual(before)
      await settle(() => a.downs.length === 1, 'the old link goes')
      a.network.dial(back.id, [...before, ...back.network.addresses()])
      await settle(() => a.ups.length === 2 && back.isUp(a), 'the new link stands')
      back.network.send(a.id, 'ctl', pattern(10, 1))
      await settle(() => a.on('ctl').length === 1, 'the new link carries')
    })
  })
}

/** A handler that remembers what it was told. */
class Watched implements NetworkHandler {
  readonly network: Network
  readonly id: PeerId
  readonly gates = new Map<PeerId, 'member' | 'probation' | 'deny'>()
  /** These become members when their next frame on hello arrives. */
  readonly admitOnHello = new Set<PeerId>()
  readonly ups: { peer: PeerId; inbound: boolean }[] = []
  readonly downs: { peer: PeerId; why: DownReason }[] = []
  readonly dialFailures: { peer: PeerId; why: DownReason }[] = []
  readonly frames: { from: PeerId; plane: Plane; bytes: Uint8Array }[] = []
  readonly drains: { peer: PeerId; plane: Plane }[] = []
  /** One word for each thing told, in order. */
  readonly events: string[] = []
  onDrain: () => void = () => {}
  readonly #links = new Map<PeerId, string>()
  readonly #broken: string[]

  constructor(network: Network, broken: string[]) {
    this.network = network
    this.#broken = broken
    this.id = network.self
    network.attach(this)
  }
  isUp(other: Watched): boolean {
    return this.#links.has(other.id)
  }
  addressOf(other: Watched): string {
    return this.#links.get(other.id) ?? ''
  }
  on(plane: Plane): Uint8Array[] {
    return this.frames.filter((frame) => frame.plane === plane).map((frame) => frame.bytes)
  }

  gate(peer: PeerId): 'member' | 'probation' | 'deny' {
    return this.gates.get(peer) ?? 'member'
  }
  up(peer: PeerId, link: { inbound: boolean; address: string }): void {
    if (this.#links.has(peer)) this.#broken.push('up came twice')
    this.#links.set(peer, link.address)
    this.ups.push({ peer, inbound: link.inbound })
    this.events.push('up')
  }
  down(peer: PeerId, why: DownReason): void {
    if (!this.#links.has(peer)) this.#broken.push(`down (${why}) without up`)
    this.#links.delete(peer)
    this.downs.push({ peer, why })
    this.events.push('down')
  }
  dialFailed(peer: PeerId, why: DownReason, detail: string): void {
    if (detail === '') this.#broken.push('a failed dial did not say what happened')
    this.dialFailures.push({ peer, why })
    this.events.push('dialFailed')
  }
  frame(peer: PeerId, plane: Plane, bytes: Uint8Array): void {
    if (!this.#links.has(peer)) this.#broken.push(`a frame on ${plane} outside of up and down`)
    if (plane === 'hello' && this.admitOnHello.has(peer)) this.gates.set(peer, 'member')
    this.frames.push({ from: peer, plane, bytes })
    this.events.push('frame')
  }
  drain(peer: PeerId, plane: Plane): void {
    this.drains.push({ peer, plane })
    this.events.push('drain')
    this.onDrain()
  }
  seen(): void {
    this.events.push('seen')
  }
}

/** Bytes that tell their own position, so that a lost or doubled frame shows. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (seed + i) & 0xff
  return bytes
}
