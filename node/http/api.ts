/**
 * What the doors (HTTP, WebSocket, local socket) ask of the peer: the one way from a command to the mesh. node/peer.ts
 * provides it. Every method that fails rejects with a MeshError whose message can be shown to a person.
 */
import type { Readable } from 'node:stream'
import type { TerminalSize } from '../terminal-size.ts'
import type { SpecInput } from '../../protocols/session/index.ts'
import type { AppsView, EventView, NodeDetail, NodeView, SessionView, StatusView, TieView } from './views.ts'

export type Role = 'admin' | 'user' | 'viewer'

/** Who asks. `local`: the PC's own user over the local socket, an admin. */
export interface Principal {
  name: string
  role: Role
  via: 'local' | 'browser' | 'token'
}

export interface Created {
  session: SessionView
  /** Copies of the record on disk when it was accepted. */
  durability: number
}

/** The life of a session as its watcher sees it; output is the session log from an offset on. */
export interface Attachment {
  /** Log frames as they come: stream 1 stdout, 2 stderr, 3 the size of the terminal (terminal-size.ts). `offset` is the log offset after this frame. Ends when the session has ended and all output was given. */
  output: AsyncIterable<{ stream: 1 | 2 | 3; bytes: Uint8Array; offset: number }>
  /** Resolves when the bytes may be followed by more (backpressure). Rejects when the session takes no input. */
  writeStdin(bytes: Uint8Array): Promise<void>
  endStdin(): void
  signal(name: 'INT' | 'TERM' | 'KILL' | 'HUP' | 'QUIT'): void
  /** How large a terminal this watcher can show; nobody's terminal gets larger than all who watch it can. */
  resize(size: TerminalSize): void
  /** Final record; resolves after the last output. Rejects PEER_UNREACHABLE when the runner is gone and nobody takes over. */
  ended: Promise<SessionView>
  /** Progress in words while waiting ("placing", "moved to den"), for stderr of a person. */
  onProgress(listener: (text: string) => void): void
  close(): void
}

/** One who looks at a display: what it sends, what is sent to it, and its end. */
export interface DisplayLine {
  source: AsyncIterable<Uint8Array>
  /** Resolves when more may follow. Rejects PEER_UNREACHABLE. */
  write(bytes: Uint8Array): Promise<void>
  close(): void
}

export interface AttachOptions {
  from: number
  follow: boolean
  stdin: boolean
  /** Of an array, that one's output alone. */
  task?: number
  /** Of a terminal, and from 0 on: begins with what it shows, and none of what it showed long ago. */
  screen?: boolean
}

/** Small replicated map (users, logins): on disk here before `put` resolves, gossiped to every member. */
export interface Ledger {
  get(key: string): Uint8Array | undefined
  list(prefix: string): ReadonlyArray<readonly [string, Uint8Array]>
  put(key: string, value: Uint8Array): Promise<void>
  /** Leaves a tombstone that wins over older values. */
  remove(key: string): Promise<void>
}

export type Change = 'status' | 'nodes' | 'sessions' | 'events'

export interface PeerApi {
  readonly peerId: string
  /** Ed25519 over the bytes with the device key. */
  sign(bytes: Uint8Array): Uint8Array
  /** True when `peerId` is a member now and signed these bytes. */
  verifyMember(peerId: string, bytes: Uint8Array, signature: Uint8Array): boolean
  readonly ledger: Ledger
  status(): StatusView
  nodes(): NodeView[]
  /** Asks that PC itself; from a PC that is away, the last known part with its age. UNKNOWN_NODE otherwise. `id`: peer id or name. */
  node(id: string): Promise<NodeDetail>
  /** Where the pages of the other live members are (HTTPS): there a page goes on when this peer dies. */
  pages(): { peerId: string; name: string; url: string }[]
  /** Programs with windows, and where they are installed. */
  apps(): AppsView
  /** A view is never changed, but replaced. */
  sessions(): SessionView[]
  /** From a keeper. `id` may be an unambiguous beginning (6 digits or more). UNKNOWN_SESSION otherwise. */
  session(id: string): Promise<SessionView>
  events(): EventView[]
  /** What was refused, dropped or broke since the start, by name. */
  counts(): Readonly<Record<string, number>>
  /** Resolves when the record is on disk at `min(2, live)` keepers. */
  create(spec: SpecInput, who: Principal): Promise<Created>
  /** Resolves when the stop is recorded; repeat gives the same answer. */
  stop(id: string, who: Principal): Promise<SessionView>
  /** On the word of this person that the PCs it waits for are off. BAD_REQUEST where it waits for none. */
  takeOver(id: string, who: Principal): Promise<SessionView>
  /** Who decides about strict sessions on two PCs. */
  tie(): TieView
  /** `anchor`: peer id or name, with the rule of that name. */
  setTie(rule: TieView['rule'], anchor: string | undefined, who: Principal): Promise<TieView>
  /** Discards the older runs of it that PCs keep frozen; the session itself goes on. BAD_REQUEST when there is none. */
  discardForks(id: string, who: Principal): Promise<SessionView>
  /** `from`: log offset, 0 is the oldest kept. */
  attach(id: string, options: AttachOptions): Promise<Attachment>
  /** The windows of a session. Rejects BAD_REQUEST where it has none. */
  display(id: string): Promise<DisplayLine>
  hasBlob(hash: string): boolean
  /** Streams to the blob cache; rejects when the content is not of that hash or longer than allowed. */
  putBlob(hash: string, content: Readable): Promise<{ bytes: number }>
  /** From here or from whichever member has it. */
  getBlob(hash: string): Promise<{ bytes: number; content: Readable }>
  invite(options: { uses: number; ttlMs: number }): Promise<{ invite: string; expiresAt: number; uses: number }>
  openDoor(forMs: number): Promise<void>
  closeDoor(): Promise<void>
  /** Makes this PC a member. Refused while sessions live here. Resolves when it is active in the new mesh. */
  join(invite: string): Promise<StatusView>
  /** The person here agrees to join the mesh of an offer of `status().offers`. */
  accept(offerId: string): Promise<StatusView>
  /** Stop looking and make a mesh of one now. */
  found(): Promise<StatusView>
  leave(): Promise<StatusView>
  pause(nodeId: string | undefined, who: Principal): Promise<NodeView>
  resume(nodeId: string | undefined, who: Principal): Promise<NodeView>
  /** Drains and ends the process after the answer. */
  down(options: { keepSessions: boolean }): Promise<void>
  /** Called at most each 100 ms, with what changed since. Returns the function that stops it. */
  onChange(listener: (changes: ReadonlySet<Change>) => void): () => void
}
