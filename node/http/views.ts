/**
 * What the API and the page speak: plain JSON, field names stable. The page imports these types and nothing else of the
 * program. Every measured value carries its source peer and age: `ageMs` of the node it stands in.
 */
import type { SessionState, Why } from '../../protocols/session/index.ts'

export type Phase = 'starting' | 'looking' | 'active' | 'draining'

/** A value, or the reason why there is none. Never a zero that nobody measured. */
export type Reading<T> = { value: T } | { missing: string }

export interface StatusView {
  peerId: string
  name: string
  mesh: { id: string; name: string } | null
  phase: Phase
  version: string
  urls: string[]
  dataDir: string
  /** Seconds since the peer process started. */
  uptimeS: number
  members: { alive: number; total: number }
  sessions: { running: number; total: number }
  /** In words: what keeps this PC from doing its whole job, each with the way out. Empty when all is well. */
  notices: NoticeView[]
  /** Open doors of the whole mesh. */
  doors: DoorView[]
  /** While `phase` is `looking`: meshes with an open door that this PC may join. */
  offers: OfferView[]
  paused: boolean
  leash: { connected: boolean; children: number }
  /** Null on every real peer. */
  simulation: SimulationView | null
}
/** The PCs of this mesh are simulated: their time passes at another pace than the person's, and stands still at will. */
export interface SimulationView {
  seed: number
  peers: number
  /** Simulated milliseconds since the start, and the simulated date. Dates and ages of everything else are in this time. */
  nowMs: number
  wallMs: number
  /** Asked for, in simulated seconds a second; 0 is paused. */
  speed: number
  /** Reached lately; null before there is a measurement. */
  achieved: number | null
  /** Deliveries and timers that the simulator carried out, a second of the person. */
  eventsPerS: number
  /** Peer ids of the PCs that are switched off, and of those that are cut off, as they are, not as they are seen. */
  off: string[]
  cut: string[]
}
export interface NoticeView {
  code: string
  text: string
  fix: string
}
export interface DoorView {
  /** The member whose door it is. */
  peerId: string
  name: string
  untilMs: number
  /** PCs that stand at the door: their name and the six words both screens show. */
  knocks: { name: string; words: string; platform: string; state: 'waiting' | 'joined' | 'refused' }[]
}
export interface OfferView {
  id: string
  meshName: string
  memberName: string
  words: string
}

export interface NodeView {
  peerId: string
  name: string
  state: 'alive' | 'suspect' | 'dead' | 'left'
  /** In words: why this state, and as seen by whom. */
  reason: string
  self: boolean
  addresses: string[]
  /** When this view of the node last changed by word from the node itself; null: never heard since start. */
  lastSeenMs: number | null
  /** Age of the readings, ms; null when there are none. */
  ageMs: number | null
  version: string
  os: Reading<string>
  cpuModel: Reading<string>
  cores: Reading<number>
  /** 0 … 1 of all cores. */
  cpu: Reading<number>
  /** 0 … 1 a core. */
  perCore: Reading<number[]>
  load1: Reading<number>
  memoryBytes: Reading<number>
  memoryUsedBytes: Reading<number>
  diskBytes: Reading<number>
  diskFreeBytes: Reading<number>
  netRxBytesPerS: Reading<number>
  netTxBytesPerS: Reading<number>
  gpus: Reading<string[]>
  /** Programs with windows can run there. */
  displays: Reading<boolean>
  temperatureC: Reading<number>
  battery: Reading<string>
  bootedAtMs: Reading<number>
  /** Round trip of the last probe, ms. */
  rttMs: Reading<number>
  /** It keeps records and votes, and runs nothing. */
  witness: boolean
  offer: {
    cpuMilli: number
    memoryBytes: number
    grantedCpuMilli: number
    grantedMemoryBytes: number
    paused: boolean
  } | null
  /** Who works on this PC now (sessions of others), in words; '' when nobody does. */
  usedBy: string
  labels: Record<string, string>
  /** Last minute, oldest first, a value each 2 s; null is a gap. */
  history: { cpu: (number | null)[]; memory: (number | null)[] }
}

/** GET /nodes/{id}: the whole reading of that PC, asked of it now. */
export interface NodeDetail extends NodeView {
  disks: Reading<
    {
      mount: string
      device: string
      bytes: number
      freeBytes: number
      readBytesPerS: number | null
      writeBytesPerS: number | null
    }[]
  >
  interfaces: Reading<
    {
      name: string
      addresses: string[]
      rxBytesPerS: number | null
      txBytesPerS: number | null
      rxBytes: number
      txBytes: number
      speedMbps: number | null
    }[]
  >
  /** What systeminformation reads, shown as it is: section -> field -> value. */
  hardware: Record<string, Record<string, string | number | boolean | null>[]>
  hardwareAgeMs: number | null
  hardwareMissing: string | null
}

export interface AppsView {
  /** By name. `nodes`: peer ids of the PCs that have it and can be reached. */
  apps: { id: string; name: string; nodes: string[] }[]
  /** PCs that are here and cannot show windows of programs, and why. */
  without: { peerId: string; name: string; why: string }[]
}

export interface SessionView {
  id: string
  state: SessionState
  appUri: string
  args: string[]
  /** Program and arguments as a person would type them, at most 200 characters. */
  command: string
  user: string
  submitter: string
  owner: string
  runner: string | null
  keepers: string[]
  epoch: number
  /** PCs that keep an older run of it frozen, until somebody discards it. */
  frozenOn: string[]
  /** Sentence: why there. */
  placement: Why | null
  reason: string
  cpuMilli: number
  memoryBytes: number
  restart: string
  mode: 'available' | 'strict'
  /** It runs in a terminal, where its PC has one. */
  terminal: boolean
  /** It has windows, seen over /sessions/{id}/display. */
  display: boolean
  /** Where there is no room, class 0 goes first and 4 last. */
  priority: number
  /** Of an array: how far it has come. `failing`: numbers of failed tasks as pairs of from and to, the first of them. */
  tasks: { total: number; done: number; failed: number; running: number; failing: number[] } | null
  /** Null when it is available. */
  strict: StrictView | null
  exit: { code: number | null; signal: string | null } | null
  output: { hash: string; bytes: number; files: number } | null
  createdAt: number
  startedAt: number | null
  endedAt: number | null
  history: { at: number; state: SessionState; by: string; cause: string }[]
}

/** What decides whether a strict session may run. Peer ids throughout. */
export interface StrictView {
  /** Who votes on the right to run it, as its owner read last. */
  voters: string[]
  /** Who has the right, as `from` said. Null in lists, and when nobody who knows can be asked. */
  lease: { holder: string | null; endsInMs: number; ageMs: number; from: string } | null
  /** PCs that are gone and without which it cannot go on: a person who knows that they are off may take it over here. */
  awaits: string[]
  /** The last such word. */
  takenOver: { by: string; at: string; when: number } | null
}

/** Who decides about a strict session while only two PCs keep it. */
export interface TieView {
  rule: 'runner' | 'anchor' | 'both'
  /** Peer id, with the rule `anchor`. */
  anchor: string | null
  /** PCs that keep records and vote, and run nothing: one of them makes the rule unnecessary. */
  witnesses: string[]
}

export interface EventView {
  /** Grows by one on this peer. */
  seq: number
  at: number
  kind: 'node' | 'session' | 'security' | 'peer'
  level: 'info' | 'warn'
  text: string
  /** Id of the node or session it is about. */
  subject: string | null
}

/** The whole of what the page draws. Sent whole on connect, then as deltas: lists by key, `null` removes. */
export interface LiveSnapshot {
  t: 'snapshot'
  seq: number
  status: StatusView
  nodes: NodeView[]
  sessions: SessionView[]
  events: EventView[]
  /** One-use hand-over ticket (60 s) and where to go with it when this peer dies. */
  handover: { ticket: string; urls: { peerId: string; name: string; url: string }[] } | null
}
export interface LiveDelta {
  t: 'delta'
  seq: number
  status?: StatusView
  nodes?: NodeView[]
  nodesGone?: string[]
  sessions?: SessionView[]
  sessionsGone?: string[]
  events?: EventView[]
  handover?: LiveSnapshot['handover']
}

export interface UserView {
  name: string
  role: 'admin' | 'user' | 'viewer'
}
export interface ApiError {
  error: { code: string; message: string }
}
