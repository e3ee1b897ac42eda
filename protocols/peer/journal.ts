/** What a peer tells the shell that hosts it: events for the screen, counters, and that something changed. */
import type { MeshError } from '../errors.ts'
import type { PeerEvent, PeerPorts } from './context.ts'

/** Events kept for the screen. */
const EVENTS_MAX = 500

export interface StampedEvent extends PeerEvent {
  seq: number
  at: number
}
export type Changed = 'status' | 'nodes' | 'sessions' | 'events' | 'ledger' | 'doors'

export class Journal {
  readonly events: StampedEvent[] = []
  readonly counters = new Map<string, number>()
  readonly #ports: Pick<PeerPorts, 'clock' | 'log'>
  readonly #listeners = new Set<(what: Changed) => void>()

  constructor(ports: Pick<PeerPorts, 'clock' | 'log'>) {
    this.#ports = ports
  }

  onChange(listener: (what: Changed) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  event(event: PeerEvent): void {
    const seq = (this.events.at(-1)?.seq ?? 0) + 1
    this.events.push({ ...event, seq, at: this.#ports.clock.wall() })
    if (this.events.length > EVENTS_MAX) this.events.shift()
    this.changed('events')
  }

  changed(what: Changed): void {
    for (const listener of this.#listeners) listener(what)
  }

  count(name: string, by = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by)
  }

  diskTold(error: MeshError | undefined): void {
    if (error === undefined) return
    this.count('store_failed')
    this.#ports.log.error('disk refused a write', { cause: error.message })
    this.changed('status')
  }
}
