/**
 * From which PC the simulated mesh is looked at. Nothing is shown that this PC does not know by its own gossip; when it is
 * switched off the next one that runs takes its place, as the page of a real mesh goes on at another peer.
 */
import { MeshError } from '../../protocols/errors.ts'
import type { Peer } from '../../protocols/peer/index.ts'
import type { PeerId } from '../../protocols/ports.ts'
import { MinuteHistory, STEP_MS } from '../../node/history.ts'
import type { EventView } from '../../node/http/views.ts'
import type { SimMesh } from '../mesh.ts'
import type { SimPc } from '../pc.ts'

const EVENTS_KEPT = 300

export class Seat {
  readonly #mesh: SimMesh
  #pc: SimPc
  /** The program whose events were copied so far, and up to which one. */
  #heard: { peer: Peer | undefined; seq: number } = { peer: undefined, seq: 0 }
  #seq = 0
  #events: EventView[] = []
  #history = new MinuteHistory()
  #historyAtMs = 0

  constructor(mesh: SimMesh) {
    this.#mesh = mesh
    // They are switched on one after the other: the first that is up, and nobody is gone yet.
    this.#pc = mesh.pcs.find((pc) => pc.peer?.phase === 'active') ?? mesh.pcs[0]!
  }

  get pc(): SimPc {
    if (this.#pc.peer === undefined) this.#move()
    return this.#pc
  }

  /** Throws NOT_ACTIVE while no PC runs. */
  get peer(): Peer {
    const { peer } = this.pc
    if (peer === undefined) throw new MeshError('NOT_ACTIVE', 'no simulated PC runs')
    return peer
  }

  /** Called often: what this PC has seen meanwhile. */
  look(): void {
    const { peer } = this.pc
    if (peer === undefined) return
    this.#copyEvents(peer)
    if (this.#mesh.nowMs < this.#historyAtMs) return
    this.#historyAtMs = this.#mesh.nowMs + STEP_MS
    this.#remember(peer)
  }

  /** Newest last. */
  get events(): readonly EventView[] {
    return this.#events
  }

  /** Something that a person did in the simulator, not a peer. */
  tell(text: string, pc: SimPc): void {
    this.#say(`${text}, by hand`, pc)
  }

  historyOf(peer: PeerId): { cpu: (number | null)[]; memory: (number | null)[] } {
    return this.#history.of(peer)
  }

  #move(): void {
    const from = this.#pc
    const { pcs } = this.#mesh
    const after = [...pcs.slice(from.index + 1), ...pcs.slice(0, from.index)]
    const next = after.find((pc) => pc.peer?.phase === 'active') ?? after.find((pc) => pc.running)
    if (next === undefined) return
    this.#pc = next
    this.#history = new MinuteHistory()
    // What it saw before is not told again as if it were new.
    this.#heard = { peer: next.peer, seq: next.peer?.events.at(-1)?.seq ?? 0 }
    this.#say(`${from.name} is gone; this page goes on as seen from ${next.name}`, next)
  }

  #say(text: string, pc: SimPc): void {
    this.#add({ at: this.#mesh.wallMs, kind: 'node', level: 'info', text, subject: pc.id })
  }

  #copyEvents(peer: Peer): void {
    if (this.#heard.peer !== peer) this.#heard = { peer, seq: 0 }
    for (const event of peer.events) if (event.seq > this.#heard.seq) this.#add(event)
    this.#heard.seq = peer.events.at(-1)?.seq ?? this.#heard.seq
  }

  #add(event: Omit<EventView, 'seq'>): void {
    this.#events.push({ ...event, seq: ++this.#seq })
    if (this.#events.length > EVENTS_KEPT) this.#events.shift()
  }

  #remember(peer: Peer): void {
    const readings = new Map<PeerId, { cpu: number | undefined; memory: number | undefined; ageMs: number }>()
    for (const member of peer.members()) {
      const ad = peer.ad(member.peer)
      const total = ad?.static?.memoryBytes
      const used = ad?.dynamic?.memoryUsedBytes
      const memory = total === undefined || used === undefined ? undefined : used / total
      const ageMs = ad === undefined ? Infinity : this.#mesh.nowMs - ad.at
      readings.set(member.peer, { cpu: ad?.dynamic?.cpu, memory, ageMs })
    }
    this.#history.step(readings)
  }
}
