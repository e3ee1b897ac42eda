/** What the parts of one peer share: its ports, whom it knows, and how it tells the shell that something changed. */
import type { BlobRef, Clock, Crypto, Host, Log, Network, PeerId, Plane, Random, SessionId, Store } from '../ports.ts'
import type { MeshError } from '../errors.ts'
import type { Message } from '../kernel.ts'
import type { PlacementView } from '../placement/index.ts'
import type { SessionRecord, Tie } from '../session/index.ts'

export interface PeerPorts {
  clock: Clock
  random: Random
  network: Network
  store: Store
  crypto: Crypto
  log: Log
  host: Host
  /** Brings a blob into the local cache from the first of the peers that has it. */
  fetchBlob(blob: BlobRef, sources: readonly PeerId[], done: (error?: MeshError) => void): void
}

export interface PeerEvent {
  kind: 'node' | 'session' | 'security' | 'peer'
  level: 'info' | 'warn'
  text: string
  subject: string | null
}

export interface PeerContext {
  readonly ports: PeerPorts
  readonly self: PeerId
  readonly view: PlacementView
  send(to: PeerId, plane: Plane, message: Message): boolean
  /** A frame gets there: over a link, or over one that is made for it. */
  reachable(peer: PeerId): boolean
  /** A link to it is needed, and will be. */
  link(peer: PeerId): void
  isAlive(peer: PeerId): boolean
  /** Milliseconds since the last word of a peer held for dead or left; undefined while it is alive or suspect. */
  goneMs(peer: PeerId): number | undefined
  alivePeers(): PeerId[]
  nameOf(peer: PeerId): string
  /** The newest that gossip knows of a session. */
  summary(id: SessionId): SessionRecord | undefined
  /** PCs that keep an older run of the session frozen, as they told last. */
  forksOf(id: SessionId): PeerId[]
  /** Who decides about a strict session that has only two keepers. */
  tie(): Tie
  /** Tells everyone how a session stands. */
  publish(summary: SessionRecord): void
  event(event: PeerEvent): void
  count(name: string): void
  changed(what: 'nodes' | 'sessions' | 'status', id?: SessionId): void
}
