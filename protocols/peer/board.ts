/**
 * What everyone in the mesh is told: hosts gossip. What this peer says of itself carries the count of its lives as epoch, so
 * that a restart speaks above all it said before; the ledger is written by any member, newest by the writers' clocks.
 */
import { decodeCbor, encodeCbor, readOnce } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { createGossip, entries, entry, step as stepGossip } from '../gossip/index.ts'
import type { Entry, GossipEffect, GossipEvent, GossipState, GossipMessage } from '../gossip/index.ts'
import type { DownReason, PeerId, SessionId } from '../ports.ts'
import { compareVersion } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerPorts } from './context.ts'
import type { Effects } from './effects.ts'
import type { Journal } from './journal.ts'

/** Steps of a session that come closer together than this are told to the others as one: most sessions are short. */
const TELL_SESSIONS_MS = 100

export interface BoardHooks {
  /** A new version of anybody's entry, also of our own. A MeshError thrown for its content is counted. */
  entry(found: Entry): void
  expired(found: Entry): void
}

export class Board {
  readonly #ports: PeerPorts
  readonly #effects: Effects
  readonly #journal: Journal
  readonly #hooks: BoardHooks
  readonly #gossip: GossipState
  /** The latest that this peer said of itself, by key. */
  readonly #said = new Map<string, Uint8Array>()
  /** The newest word on sessions that the others have not been told yet. */
  readonly #untold = new Map<SessionId, SessionRecord>()
  #tellTimer: unknown
  #boots = 0
  #seq = 0

  constructor(
    ports: PeerPorts,
    effects: Effects,
    journal: Journal,
    members: { isAuthor(peer: PeerId): boolean; readonly population: number },
    hooks: BoardHooks
  ) {
    this.#ports = ports
    this.#effects = effects
    this.#journal = journal
    this.#hooks = hooks
    this.#gossip = createGossip({
      self: ports.network.self,
      crypto: ports.crypto,
      isMember: (peer) => members.isAuthor(peer),
      mayWrite: (_topic, _key, author) => members.isAuthor(author),
      population: () => members.population
    })
    effects.host('gossip', { timer: (tag) => this.#runGossip({ k: 'timer', tag }) })
  }

  // ---- what this peer says ----

  put(key: string, body: Uint8Array): void {
    this.#said.set(key, body)
    if (this.#boots === 0) return
    this.#runGossip({ k: 'put', key, epoch: this.#boots, seq: ++this.#seq, body })
  }

  publish(summary: SessionRecord): void {
    const untold = this.#untold.get(summary.id)
    if (untold !== undefined && compareVersion(untold, summary) > 0) return
    this.#untold.set(summary.id, summary)
    this.#tellTimer ??= this.#ports.clock.setTimeout(() => this.tellSessions(), TELL_SESSIONS_MS)
  }

  tellSessions(): void {
    this.#ports.clock.clearTimeout(this.#tellTimer)
    this.#tellTimer = undefined
    for (const summary of this.#untold.values()) {
      const { id, epoch } = summary
      const seq = orderOf(summary)
      const known = entry(this.#gossip, `sess/${id}`)
      const newer = known === undefined || known.epoch < epoch || (known.epoch === epoch && known.seq < seq)
      if (!newer) continue
      const body = encodeCbor(summary)
      readOnce(body, () => summary)
      this.#runGossip({ k: 'put', key: `sess/${id}`, epoch, seq, body })
    }
    this.#untold.clear()
  }

  forget(id: SessionId): void {
    this.#untold.delete(id)
    this.#runGossip({ k: 'forget', key: `sess/${id}` })
  }

  /** What this peer's own open door looks like to all; undefined: closed. */
  putDoor(door: Record<string, unknown> | undefined): void {
    this.put(`door/${this.#ports.network.self}`, door === undefined ? new Uint8Array() : encodeCbor(door))
  }

  /** Newest by the writers' clocks wins. `done` when it is on disk here. An empty value removes the key. */
  ledgerPut(key: string, value: Uint8Array, done: (error?: MeshError) => void): void {
    const full = `ledger/${key}`
    const known = entry(this.#gossip, full)
    const epoch = Math.max(this.#ports.clock.wall(), (known?.epoch ?? 0) + 1)
    this.#runGossip({ k: 'put', key: full, epoch, seq: 0, body: value })
    const bytes = entry(this.#gossip, full)?.bytes
    if (bytes === undefined) return done(new MeshError('BUSY', 'the ledger is full; remove old entries first'))
    this.#ports.store.write([{ put: `g/${full}`, value: bytes }], { sync: true }, done)
  }

  // ---- what is known ----

  ledger(key: string): Uint8Array | undefined {
    const body = entry(this.#gossip, `ledger/${key}`)?.body
    return body === undefined || body.length === 0 ? undefined : body
  }

  ledgerList(prefix: string): [string, Uint8Array][] {
    return entries(this.#gossip, 'ledger/')
      .filter((found) => found.key.startsWith(`ledger/${prefix}`) && found.body.length > 0)
      .map((found) => [found.key.slice('ledger/'.length), found.body])
  }

  doors(): [PeerId, unknown][] {
    return entries(this.#gossip, 'door/').flatMap((found): [PeerId, unknown][] => {
      if (found.body.length === 0) return []
      try {
        const door = decodeCbor(found.body)
        return typeof door === 'object' && door !== null ? [[found.author, door]] : []
      } catch {
        return []
      }
    })
  }

  // ---- what happens to it ----

  /** `also`: held besides what is on disk. */
  load(also: readonly Uint8Array[], done: (error?: MeshError) => void): void {
    this.#ports.store.load('g/', (error, pairs) => {
      if (error !== undefined) return done(error)
      this.#countBoot((bootError) => {
        if (bootError === undefined)
          this.#runGossip({ k: 'load', entries: [...pairs.map(([, bytes]) => bytes), ...also] })
        done(bootError)
      })
    })
  }
  start(): void {
    this.#runGossip({ k: 'start' })
  }
  linkUp(peer: PeerId): void {
    this.#runGossip({ k: 'link', peer, up: true })
  }
  linkDown(peer: PeerId, why: DownReason): void {
    this.#runGossip({ k: 'link', peer, up: false, why })
  }
  message(from: PeerId, msg: GossipMessage): void {
    this.#runGossip({ k: 'msg', from, msg })
  }

  #runGossip(event: GossipEvent): void {
    for (const effect of stepGossip(this.#gossip, event, this.#effects.env())) this.#gossipEffect(effect)
  }

  #gossipEffect(effect: GossipEffect): void {
    switch (effect.e) {
      case 'entry':
        return this.#entry(effect.entry)
      case 'expired':
        return this.#hooks.expired(effect.entry)
      case 'keep':
        return this.#ports.store.write([{ put: `g/${effect.key}`, value: effect.bytes }], { sync: false }, (error) =>
          this.#journal.diskTold(error)
        )
      case 'unkeep':
        return this.#ports.store.write([{ del: `g/${effect.key}` }], { sync: false }, (error) =>
          this.#journal.diskTold(error)
        )
      default:
        return this.#effects.carry('gossip', effect)
    }
  }

  #entry(found: Entry): void {
    if (
      found.author === this.#ports.network.self &&
      this.#said.has(found.key) &&
      (found.epoch > this.#boots || (found.epoch === this.#boots && found.seq > this.#seq))
    )
      return this.#outlive(found.epoch)
    try {
      this.#hooks.entry(found)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#journal.count(`bad_entry_${found.topic}`)
    }
  }

  /** The count of boots was lost with a disk: the others hold a version of an earlier life, and would for ever. */
  #outlive(epoch: number): void {
    this.#boots = epoch + 1
    this.#ports.store.write([{ put: 'boots', value: encodeCbor(this.#boots) }], { sync: true }, (error) =>
      this.#journal.diskTold(error)
    )
    for (const [key, body] of [...this.#said]) this.put(key, body)
  }

  /** Versions of what this peer says of itself start above those of its earlier lives. */
  #countBoot(done: (error?: MeshError) => void): void {
    const { store } = this.#ports
    store.load('boots', (error, pairs) => {
      if (error !== undefined) return done(error)
      const before = pairs[0] === undefined ? 0 : Number(decodeCbor(pairs[0][1]))
      this.#boots = (Number.isSafeInteger(before) ? before : 0) + 1
      store.write([{ put: 'boots', value: encodeCbor(this.#boots) }], { sync: true }, done)
    })
  }
}

/** All ids of our kind of keys begin with the same characters; the next ones order them. */
const ID_PREFIX = '12D3KooW'.length

/**
 * As gossip orders what several may write: by number, then by author. Records of the same number are ordered by their owners,
 * whoever tells of them, so the beginning of the owner's id is part of the number.
 */
function orderOf({ seq, owner }: SessionRecord): number {
  const at = (i: number): number => (owner.charCodeAt(ID_PREFIX + i) || 0) & 0x7f
  return (seq * 128 + at(0)) * 16_384 + at(1) * 128 + at(2)
}
