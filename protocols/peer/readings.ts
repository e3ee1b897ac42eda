/**
 * What peers have and give: this peer's readings, told when they moved, those of the others, and the placement view, of
 * which each row comes from membership and a peer's readings.
 */
import {
  adPauseMs,
  decodeAdDynamic,
  decodeAdStatic,
  encodeAdDynamic,
  encodeAdStatic,
  isSmallMesh,
  shouldAdvertise
} from '../gossip/index.ts'
import type { AdDynamic, AdStatic, Entry } from '../gossip/index.ts'
import { PlacementView } from '../placement/index.ts'
import type { Offer } from '../placement/index.ts'
import type { Clock, PeerId, Random, SessionId } from '../ports.ts'
import type { SessionRecord } from '../session/index.ts'
import type { Board } from './board.ts'
import type { Links } from './links.ts'

/** In a large mesh each pause is longer by a random share of up to this. */
const PATIENCE_MAX = 0.25
/** Second runs that one PC tells of; its own screen shows all of them. */
const FORKS_TOLD = 16

export interface AdView {
  static: AdStatic | undefined
  dynamic: AdDynamic | undefined
  /** Clock.mono() when the newest dynamic part arrived. */
  at: number
}

interface Ad extends AdView {
  readonly peer: PeerId
  /** Ids of the applications there. */
  apps?: ReadonlySet<string>
  /** The view has not been told of it. */
  isNew: boolean
}

interface Parts {
  self: PeerId
  clock: Clock
  random: Random
  board: Board
  links: Links
  sessions: {
    readonly admission: { paused: boolean; draining: boolean; offer: Offer }
    readonly forks: ReadonlyMap<SessionId, number>
    granted(): Offer
    running(): SessionRecord[]
  }
}

export class Readings {
  readonly #parts: Parts
  readonly #ads = new Map<PeerId, Ad>()
  readonly #view = new PlacementView()
  /** Whose rows in the view are to be written before it is looked at: readings come far more often. */
  #untold: Ad[] = []
  #advertisedAt = -Infinity
  #patience = 1
  #advertised: AdDynamic | undefined
  #own: { static: AdStatic | undefined; dynamic: AdDynamic | undefined } = { static: undefined, dynamic: undefined }

  constructor(parts: Parts) {
    this.#parts = parts
  }

  of(peer: PeerId): AdView | undefined {
    return this.#ads.get(peer)
  }

  get view(): PlacementView {
    if (this.#untold.length > 0) this.#bringUp()
    return this.#view
  }

  /** PCs that keep an older run of the session frozen. */
  forksOf(id: SessionId): PeerId[] {
    return [...this.#ads].flatMap(([peer, ad]) => (ad.dynamic?.forks?.includes(id) === true ? [peer] : []))
  }

  /** What the sensors read. The dynamic part is told to others only when it moved, or as a heartbeat. */
  advertise(part: { static?: AdStatic; dynamic?: AdDynamic }): void {
    if (part.static !== undefined) {
      this.#own.static = part.static
      this.#parts.board.put(`ad.s/${this.#parts.self}`, encodeAdStatic(part.static))
    }
    if (part.dynamic === undefined) return
    this.#own.dynamic = part.dynamic
    const next = this.#withGrants(part.dynamic)
    const now = this.#parts.clock.mono()
    const { links, sessions } = this.#parts
    const elapsedMs = (now - this.#advertisedAt) / this.#patience
    if (!shouldAdvertise(this.#advertised, next, elapsedMs, links.population, sessions.admission.offer)) return
    this.#advertised = next
    this.#advertisedAt = now
    // PCs that were switched on together do not go on speaking together.
    this.#patience = isSmallMesh(links.population) ? 1 : 1 + PATIENCE_MAX * this.#parts.random.float()
    this.#parts.board.put(`ad.d/${this.#parts.self}`, encodeAdDynamic(next))
  }

  /** Grants, pause or drain changed: others should know before the next reading, as far as the mesh can carry it. */
  advertiseNow(): void {
    if (this.#own.dynamic === undefined) return
    const { links, clock } = this.#parts
    // Too soon: the next reading tells it.
    const isTooSoon = clock.mono() - this.#advertisedAt < adPauseMs(links.population)
    if (isTooSoon && !isSmallMesh(links.population)) return
    const next = this.#withGrants(this.#own.dynamic)
    this.#advertised = next
    this.#advertisedAt = this.#parts.clock.mono()
    this.#parts.board.put(`ad.d/${this.#parts.self}`, encodeAdDynamic(next))
  }

  /** A version came, by gossip or from here. Throws MeshError for bytes that are no readings. */
  came(topic: 'ad.s' | 'ad.d', found: Entry): void {
    const { author: peer } = found
    const ad = this.#adOf(peer)
    if (topic === 'ad.s') {
      ad.static = decodeAdStatic(found.body)
      if (ad.static.apps !== undefined) ad.apps = new Set(ad.static.apps.map(([id]) => id))
    } else {
      ad.dynamic = decodeAdDynamic(found.body)
      ad.at = this.#parts.clock.mono()
    }
    this.#tell(ad)
  }

  /** Nothing was heard of its load for too long. */
  expired(peer: PeerId): void {
    const ad = this.#ads.get(peer)
    if (ad !== undefined) ad.dynamic = undefined
  }

  forget(peer: PeerId): void {
    this.view.remove(peer)
    this.#ads.delete(peer)
  }

  /** Membership says something else of the peer. */
  memberChanged(peer: PeerId): void {
    const ad = this.#ads.get(peer)
    if (ad !== undefined) this.#tell(ad)
  }

  #tell(ad: Ad): void {
    if (ad.isNew || ad.static === undefined) return
    ad.isNew = true
    this.#untold.push(ad)
  }

  #bringUp(): void {
    for (const ad of this.#untold.splice(0)) {
      ad.isNew = false
      this.#viewRow(ad)
    }
  }

  /** One row of the placement view from membership and the peer's ad. */
  #viewRow(ad: Ad): void {
    const { peer, dynamic } = ad
    const known = this.#parts.links.member(peer)
    if (known === undefined || ad.static === undefined) return
    this.#view.put({
      peer,
      name: known.name,
      alive: peer === this.#parts.self || known.state === 'alive',
      paused: dynamic?.paused ?? false,
      draining: dynamic?.draining ?? false,
      offerCpuMilli: ad.static.offer.cpuMilli,
      offerMemoryBytes: ad.static.offer.memoryBytes,
      grantedCpuMilli: dynamic?.granted.cpuMilli ?? 0,
      grantedMemoryBytes: dynamic?.granted.memoryBytes ?? 0,
      busy: dynamic?.cpu ?? Number.NaN,
      at: ad.at,
      labels: ad.static.labels,
      displays: ad.static.displays ?? false,
      apps: ad.apps
    })
  }

  #adOf(peer: PeerId): Ad {
    let ad = this.#ads.get(peer)
    if (ad === undefined)
      this.#ads.set(peer, (ad = { peer, static: undefined, dynamic: undefined, at: -Infinity, isNew: false }))
    return ad
  }

  #withGrants(dynamic: AdDynamic): AdDynamic {
    const { admission, forks } = this.#parts.sessions
    const running = this.#parts.sessions.running()
    const users = [
      ...new Set(running.map((record) => `${record.spec.user} from ${this.#parts.links.nameOf(record.submitter)}`))
    ]
    const usedBy = users.join(', ').slice(0, 120)
    return {
      ...dynamic,
      granted: this.#parts.sessions.granted(),
      paused: admission.paused,
      draining: admission.draining,
      sessions: running.length,
      ...(usedBy === '' ? {} : { usedBy }),
      ...(forks.size === 0 ? {} : { forks: [...forks.keys()].slice(0, FORKS_TOLD) })
    }
  }
}
