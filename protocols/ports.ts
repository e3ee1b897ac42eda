/**
 * The whole of what a protocol may ask of the world. Nothing under protocols/ touches a clock, randomness, disk, network
 * or process but through these, so that the simulator runs the very same code. Two shells provide them: node/adapters
 * and sim/; both pass the suites in tests/contracts. No port returns a Promise: completions are callbacks, called later,
 * never from inside the call that asked.
 */
import type { MeshError } from './errors.ts'

/** A libp2p peer id in its text form (`12D3KooW…`), which is the Ed25519 key of the PC. 32 key bytes on the wire (codec.ts). */
export type PeerId = string

/** SHA-256 of the genesis record, 64 lower-case hex digits. */
export type MeshId = string

/** 32 lower-case hex digits: the first half of SHA-256(submitter's key bytes, submitter's nonce). */
export type SessionId = string

export interface Clock {
  /** Milliseconds since some fixed point, including time the PC slept; never runs backwards. For durations and deadlines. */
  mono(): number
  /** Milliseconds since 1970-01-01 UTC; may jump. Only to show a person a date and to check certificate dates. */
  wall(): number
  /** Calls `fn` once, at least `delayMs` later. Equal deadlines fire in the order they were armed. */
  setTimeout(fn: () => void, delayMs: number): Timer
  clearTimeout(timer: Timer): void
  /**
   * `fn` is called when the PC slept, or may have: at the first look at `mono` after it, before that look returns, so that
   * nobody acts on a right of before. For as long as the clock lives.
   */
  onWake(fn: () => void): void
}
export type Timer = unknown

export interface Random {
  /** Uniform in 0 … 2^32-1. */
  u32(): number
  /** Uniform in [0, 1). */
  float(): number
  bytes(length: number): Uint8Array
}

/**
 * The streams between peers. One long-lived framed stream per (link, plane, direction); frames of one plane arrive in
 * order, planes are independent of each other. A frame is at most FRAME_MAX bytes.
 */
export const PLANES = ['hello', 'mem', 'gossip', 'sched', 'reg', 'ctl', 'chan'] as const
export type Plane = (typeof PLANES)[number]

/** Who may use each plane. `probation`: a peer whose certificate has not been seen yet; `member`: after hello. */
export const PLANE_ACCESS: Record<Plane, 'probation' | 'member'> = {
  hello: 'probation',
  mem: 'member',
  gossip: 'member',
  sched: 'member',
  reg: 'member',
  ctl: 'member',
  chan: 'member'
}

/** libp2p protocol id of a plane. The major version never changes meaning. */
export const planeProtocol = (plane: Plane): string => `/mesh/${plane}/1`

/** 64 KiB: more than the largest session record, small enough that a probe behind it waits under 1 ms on 1 GbE. */
export const FRAME_MAX = 64 * 1024

/** Bytes that may wait for one peer and plane before `send` refuses. Sums to 4 MiB a peer. */
export const QUEUE_MAX: Record<Plane, number> = {
  hello: 64 << 10,
  mem: 256 << 10,
  gossip: 256 << 10,
  sched: 1 << 20,
  reg: 1 << 20,
  ctl: 1 << 20,
  chan: 512 << 10
}

export type DownReason = 'closed' | 'reset' | 'refused' | 'timeout' | 'denied' | 'error'

export interface Network {
  readonly self: PeerId
  /** Called once, before anything else. */
  attach(handler: NetworkHandler): void
  /** Tries the addresses in order, in the background; answers with `up` or `dialFailed`. A dial while one runs or while the link stands is ignored. */
  dial(peer: PeerId, addresses: readonly string[]): void
  /**
   * Hands one frame to the link. False: no link, or the plane's queue is full (QUEUE_MAX); the frame was not taken.
   * True says nothing about arrival. Frames handed over before `down` may be lost.
   */
  send(peer: PeerId, plane: Plane, frame: Uint8Array): boolean
  /**
   * Only where both ends live in one memory (the simulator): `send` for a message that needs no encoding. Absent otherwise.
   * Nobody changes it any more; the other end gets it as `message`.
   */
  hand?(peer: PeerId, plane: Plane, message: object): boolean
  /** Closes the link; `down` follows. */
  close(peer: PeerId, why: string): void
  /** Addresses at which others can dial this peer now (multiaddr text; opaque to protocols). */
  addresses(): readonly string[]
  /** Releases everything; no handler is called afterwards. */
  stop(done: () => void): void
}
export interface NetworkHandler {
  /**
   * Asked after the remote key is proven and before a link counts. `deny`: the connection is closed. `probation`: only
   * plane hello is delivered and may be sent on, frames of other planes wait, and the link is closed with reason `denied`
   * after 2 s. Asked again after each frame on hello, at each send on another plane and when the 2 s are over, so that a
   * peer whose certificate has been accepted meanwhile counts as a member.
   */
  gate(peer: PeerId): 'member' | 'probation' | 'deny'
  /** First connection to the peer stands (both sides may have dialled; that is one link). */
  up(peer: PeerId, link: { inbound: boolean; address: string }): void
  /** Last connection to the peer is gone. `up` was called before. */
  down(peer: PeerId, why: DownReason): void
  dialFailed(peer: PeerId, why: DownReason, detail: string): void
  frame(peer: PeerId, plane: Plane, bytes: Uint8Array): void
  /** A message that came by `hand`, as the sender made it. */
  message?(peer: PeerId, plane: Plane, message: object): void
  /** After a refused `send`: the queue of that plane has fallen below half. */
  drain(peer: PeerId, plane: Plane): void
  /** Discovery introduces a peer of this mesh: a hint for addresses, never identity. */
  seen(peer: PeerId, addresses: readonly string[]): void
}

export type StoreOp = { put: string; value: Uint8Array } | { del: string }

export interface Store {
  /** All pairs whose key starts with `prefix`, in key order (UTF-16 code units of ASCII keys). */
  load(
    prefix: string,
    done: (error: MeshError | undefined, pairs: ReadonlyArray<readonly [string, Uint8Array]>) => void
  ): void
  /**
   * Atomic batch, applied in call order. With `sync`, `done` without an error means: on disk, survives a power cut.
   * Sync batches of one tick share one flush.
   */
  write(ops: readonly StoreOp[], options: { sync: boolean }, done: (error?: MeshError) => void): void
}

export interface Crypto {
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array
  /** Ed25519 over the bytes with this peer's device key; 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
  /** `publicKey`: 32 bytes. False for any malformed input; never throws. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean
}

/** A fixed phrase plus fields, so that lines can be counted. */
export interface Log {
  debug(phrase: string, fields?: Record<string, unknown>): void
  info(phrase: string, fields?: Record<string, unknown>): void
  warn(phrase: string, fields?: Record<string, unknown>): void
  error(phrase: string, fields?: Record<string, unknown>): void
}

/** Content in the blob cache of a PC. */
export interface BlobRef {
  /** SHA-256 of the bytes, 64 hex digits. */
  hash: string
  bytes: number
}

/** What the peer asks of its own PC: children under the leash of sessiond, and the blob cache. */
export interface Host {
  attach(handler: HostHandler): void
  /** Starts a child; answers with `started` or `notStarted`. Idempotent on (session, epoch). */
  run(order: RunOrder): void
  /** To the child's whole process group. Unknown sessions are ignored. */
  signal(session: SessionId, epoch: number, signal: 'INT' | 'TERM' | 'KILL' | 'HUP' | 'QUIT' | 'USR1' | 'USR2'): void
  freeze(session: SessionId, epoch: number): void
  thaw(session: SessionId, epoch: number): void
  /**
   * A strict run (RunOrder.leaseUntil): its right now lasts until then, on Clock.mono. Without a newer word it is frozen at
   * that moment and killed a second later, also when this program hangs.
   */
  lease(session: SessionId, epoch: number, until: number): void
  /** The end of the run is on record: it need not be reported again. */
  acknowledge(session: SessionId, epoch: number): void
  /** Kills the child if it lives and forgets the run and its files. */
  discard(session: SessionId, epoch: number): void
  /** True when the blob is whole in the local cache. */
  hasBlob(hash: string): boolean
}

/** Columns, and rows, of a terminal at most. */
export const TERMINAL_MAX = 1000

export interface TerminalSpec {
  columns: number
  rows: number
  /** Where the PC has no terminals: it does not start there. Else it runs there with pipes. */
  required: boolean
}

/** Pixels, across and down, of a display at most. */
export const DISPLAY_MAX = 8192

/** A program with windows: it gets a display of its own, of this many pixels until somebody who looks at it has another. */
export interface DisplaySpec {
  width: number
  height: number
}

export const LAUNCHERS = ['exec', 'shell', 'app'] as const
export type Launcher = (typeof LAUNCHERS)[number]

export interface RunOrder {
  session: SessionId
  epoch: number
  launcher: Launcher
  /** exec: program and arguments. shell: one command line. app: an installed application by its id, and files to open. */
  argv: readonly string[]
  env: Readonly<Record<string, string>>
  /** Folder inside the unpacked input in which the program starts; '' is its top. Without `input`, an absolute path or '' for an empty folder of its own. */
  cwd: string
  input?: BlobRef
  /** True while somebody is attached who will send input; else stdin is at its end from the start. */
  stdin: boolean
  terminal?: TerminalSpec
  display?: DisplaySpec
  /** It is a task of that array, and sees the array's id for its session's. */
  partOf?: SessionId
  cpuMilli: number
  memoryBytes: number
  /** A strict run: it has the right to run until then (Clock.mono), and longer only by `lease`. */
  leaseUntil?: number
}

export interface Exit {
  /** Exit code 0 … 255, or null when a signal ended it. */
  code: number | null
  signal: string | null
  /** A strict run that did not end by itself: its right to run was over, and sessiond stopped it. */
  lapsed?: true
  /** Files that changed in the session's folder, packed; absent when none did or no folder travelled. */
  output?: BlobRef & { files: number }
  /** Why the output could not be packed, in words. */
  outputError?: string
  /** Offset after the last byte of the session log. */
  logBytes: number
}

export interface HostHandler {
  started(session: SessionId, epoch: number, pid: number): void
  notStarted(session: SessionId, epoch: number, reason: string): void
  exited(session: SessionId, epoch: number, exit: Exit): void
  /** sessiond is connected; these are all runs it holds. Until then nothing can run here. */
  children(list: readonly ChildReport[]): void
  /** sessiond is gone; it is being restarted. */
  lost(why: string): void
}
export interface ChildReport {
  session: SessionId
  epoch: number
  state: 'running' | 'frozen' | 'exited'
  pid: number
  exit?: Exit
}
