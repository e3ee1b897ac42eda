/**
 * PCs that place sessions with the very Placer and Worker of peers, over a model of a LAN: frames take a moment, readings
 * come once a second, a run takes the time that was drawn for it. No disk, no gossip, no failures.
 */
import type { PeerContext } from '../../protocols/peer/context.ts'
import { Placer } from '../../protocols/peer/placer.ts'
import { Worker } from '../../protocols/peer/worker.ts'
import { createAdmission, grant, granted, PlacementView, release } from '../../protocols/placement/index.ts'
import type { SchedFrame } from '../../protocols/placement/index.ts'
import type { PeerId, SessionId } from '../../protocols/ports.ts'
import type { SessionRecord } from '../../protocols/session/index.ts'
import { Timeline } from '../../sim/clock.ts'
import { createRandom } from '../../sim/random.ts'

export const SLOTS = 4
const OFFER = { cpuMilli: SLOTS * 1000, memoryBytes: 2 ** 40 }
/** One way, at least and at most. */
const LATENCY_MS = [0.2, 0.8] as const
const READINGS_MS = 1000
/** A session that waits looks again this often even when nothing it heard changed. */
const RETRY_MS = 30_000

export interface Task {
  id: SessionId
  /** Which PC submits it. */
  owner: number
  atMs: number
  runMs: number
}

interface Pc {
  id: PeerId
  placer: Placer
  worker: Worker
  admission: ReturnType<typeof createAdmission>
  view: PlacementView
  /** Sessions of this owner that wait for a place. */
  pending: Map<SessionId, SessionRecord>
}

export class Placing {
  readonly responses: number[] = []
  frames = 0
  waited = 0
  pulled = 0
  readonly #timeline = new Timeline()
  readonly #random = createRandom(2, 'mesh')
  readonly #pcs: Pc[]
  readonly #index: Map<PeerId, Pc>
  readonly #tasks: Map<SessionId, Task>

  constructor(peers: number, tasks: readonly Task[]) {
    this.#tasks = new Map(tasks.map((task) => [task.id, task]))
    this.#pcs = Array.from({ length: peers }, (_, i) => this.#pc(`pc${i}`))
    this.#index = new Map(this.#pcs.map((pc) => [pc.id, pc]))
    for (const pc of this.#pcs) {
      for (const other of this.#pcs) this.#read(other, pc)
      this.#timeline.at(this.#random.float() * READINGS_MS, () => this.#tellReadings(pc))
    }
    for (const task of tasks) this.#timeline.at(task.atMs, () => this.#submit(task))
  }

  run(): void {
    while (this.responses.length < this.#tasks.size) this.#timeline.run(READINGS_MS)
  }

  #pc(id: PeerId): Pc {
    const timeline = this.#timeline
    const random = createRandom(3, id)
    const view = new PlacementView()
    const admission = createAdmission(OFFER)
    const ctx = {
      self: id,
      view,
      ports: {
        random,
        clock: {
          mono: () => timeline.nowMs,
          setTimeout: (fn: () => void, ms: number) => timeline.at(ms, fn),
          clearTimeout: (timer: unknown) => {
            if (timer !== undefined) timeline.clear(timer as ReturnType<Timeline['at']>)
          }
        }
      },
      goneMs: () => undefined,
      send: (to: PeerId, _plane: string, frame: SchedFrame) => this.#send(id, to, frame)
    } as unknown as PeerContext
    const worker = new Worker(ctx, {
      admission,
      barred: () => undefined,
      answer: (to, frame) => (to === id ? placer.frame(id, frame) : void this.#send(id, to, frame))
    })
    const placer: Placer = new Placer(ctx, {
      admission,
      worker,
      pulled: (session) => {
        const record = pc.pending.get(session)
        if (record === undefined) return
        this.pulled++
        this.#place(pc, record)
      }
    })
    const pc: Pc = { id, placer, worker, admission, view, pending: new Map() }
    return pc
  }

  #submit(task: Task): void {
    const pc = this.#pcs[task.owner]!
    this.#place(pc, recordOf(task, pc.id))
  }

  #place(pc: Pc, record: SessionRecord): void {
    const waitedBefore = pc.pending.delete(record.id)
    pc.placer.place(record, (outcome) => {
      if (outcome.k === 'self') return this.#start(pc, record.id)
      if (outcome.k === 'binding') return pc.placer.bind(outcome.worker, record)
      if (outcome.k !== 'none') return
      if (!waitedBefore) this.waited++
      pc.pending.set(record.id, record)
      this.#timeline.at(RETRY_MS, () => {
        if (pc.pending.has(record.id)) this.#place(pc, record)
      })
    })
  }

  #send(from: PeerId, to: PeerId, frame: SchedFrame): boolean {
    this.frames++
    const [least, most] = LATENCY_MS
    this.#timeline.at(least + this.#random.float() * (most - least), () => this.#deliver(from, to, frame))
    return true
  }

  #deliver(from: PeerId, to: PeerId, frame: SchedFrame): void {
    const pc = this.#index.get(to)!
    if (frame.t === 'reserve') return pc.worker.reserve(from, frame)
    if (frame.t === 'cancel') return pc.worker.cancel(from, frame.id)
    if (frame.t !== 'bind') return pc.placer.frame(from, frame)
    const { id, spec } = frame.record
    if (!grant(pc.admission, id, spec, from, this.#timeline.nowMs))
      return void this.#send(to, from, { t: 'unbound', id, why: 'the room was given away meanwhile' })
    this.#send(to, from, { t: 'bound', id, epoch: 1 })
    this.#start(pc, id)
  }

  #start(pc: Pc, id: SessionId): void {
    const { atMs, runMs } = this.#tasks.get(id)!
    const used = granted(pc.admission, this.#timeline.nowMs)
    if (used.cpuMilli > OFFER.cpuMilli) throw new Error(`${pc.id} has given ${used.cpuMilli} of ${OFFER.cpuMilli}`)
    this.#timeline.at(runMs, () => {
      this.responses.push(this.#timeline.nowMs - atMs)
      release(pc.admission, id)
    })
  }

  #tellReadings(pc: Pc): void {
    for (const other of this.#pcs) {
      this.#read(pc, other)
      for (const record of [...other.pending.values()])
        if (other.placer.hasCandidate(record)) this.#place(other, record)
    }
    this.#timeline.at(READINGS_MS, () => this.#tellReadings(pc))
  }

  #read(of: Pc, by: Pc): void {
    const used = granted(of.admission, this.#timeline.nowMs)
    by.view.put({
      peer: of.id,
      name: of.id,
      alive: true,
      paused: false,
      draining: false,
      offerCpuMilli: OFFER.cpuMilli,
      offerMemoryBytes: OFFER.memoryBytes,
      grantedCpuMilli: used.cpuMilli,
      grantedMemoryBytes: used.memoryBytes,
      busy: used.cpuMilli / OFFER.cpuMilli,
      at: this.#timeline.nowMs,
      labels: {}
    })
  }
}

function recordOf({ id }: Task, owner: PeerId): SessionRecord {
  return {
    id,
    spec: {
      appUri: 'exec:work',
      args: [],
      env: {},
      cwd: '',
      user: 'ann',
      cpuMilli: 1000,
      memoryBytes: 2 ** 28,
      labels: {},
      restart: 'no',
      stdin: false
    },
    submitter: owner,
    keepers: [owner],
    desired: 'run',
    state: 'placing',
    epoch: 0,
    seq: 0,
    owner,
    tried: [],
    restarts: [],
    createdAt: 0,
    history: []
  }
}
