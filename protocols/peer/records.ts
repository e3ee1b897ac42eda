/**
 * The records this peer keeps or owns: on disk here, on the other keepers, and newest version wins. `commit` answers once
 * enough copies are on disk; everything else about replication happens by itself when links come up.
 */
import { decodeAs, encodeCbor, readOnce, writeOnce } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { compareVersion, FINAL_STATES, RecordWire, RECORD_MAX_BYTES, summarize } from '../session/index.ts'
import type { RegFrame, SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'

/** An answer from a keeper's disk; slower than this and the caller goes on with what it has. */
const ANSWER_MS = 3_000
/** A keeper that has to fetch the files first may take as long as 256 MiB take on a slow link. */
const FILES_MS = 120_000
/** A PC that has just come back has its link in a moment. */
const DISCARD_RETRIES = 4
const DISCARD_RETRY_MS = 500
/** Final records kept here, and for how long. */
const FINAL_MAX = 2_000
const FINAL_KEEP_MS = 7 * 24 * 3_600_000
/** Keepers that did not answer about a session of this peer's earlier life are asked again after this. */
const CATCH_UP_MS = 5_000
/** What the disk refused is written again so often while it refuses. */
const REWRITE_MS = 1_000
/** Questions that may be open at once. */
const PENDING_MAX = 10_000

interface Pending {
  to: PeerId
  answer(frame: RegFrame | undefined): void
  timer: unknown
}

export interface RecordHooks {
  /** A newer version came from elsewhere: from now on this is how things stand, though the disk still writes it. */
  adopted(record: SessionRecord): void
  /** A stop was recorded. */
  stopWanted(record: SessionRecord, by: string): void
  /** An older version says that it has finished: its owner of then was parted from the one of now. */
  finishedBefore(ended: SessionRecord): void
  /** The older run kept frozen here is wanted no more. False: there is none. */
  discardWanted(id: SessionId): boolean
  /** It ended long ago, and its record is gone from here. */
  pruned(id: SessionId): void
}

export class Records {
  readonly all = new Map<SessionId, SessionRecord>()
  readonly #ctx: PeerContext
  readonly #hooks: RecordHooks
  readonly #pending = new Map<number, Pending>()
  /** Sessions whose newer version is on its way. */
  readonly #catching = new Set<SessionId>()
  /** Made from what everyone was told, for want of a PC that had it whole: that of the same version counts as newer. */
  readonly #hearsay = new WeakSet<SessionRecord>()
  /** What the disk has of these is older than what is here. */
  readonly #unwritten = new Set<SessionId>()
  #n = 0

  constructor(ctx: PeerContext, hooks: RecordHooks) {
    this.#ctx = ctx
    this.#hooks = hooks
  }

  /** Fills the table from disk. Damaged records are reported and left out: the other keepers still have them. */
  load(done: (error?: MeshError) => void): void {
    this.#ctx.ports.store.load('r/', (error, pairs) => {
      if (error !== undefined) return done(error)
      for (const [key, bytes] of pairs) {
        try {
          const record = readOnce(bytes, () => decodeAs(RecordWire, bytes, `record ${key}`))
          this.all.set(record.id, record)
        } catch (cause) {
          this.#ctx.ports.log.warn('session record unreadable', { key, cause: String(cause) })
        }
      }
      this.#prune()
      done()
    })
  }

  /**
   * Writes a new version here and at the keepers. `done` is called once with the number of copies on disk, of this version
   * or a newer one: as soon as there are `copies` of them, or when no more can come. `here`: it is on this PC's disk, or not.
   */
  commit(
    record: SessionRecord,
    copies: number,
    done: (onDisk: number, error?: MeshError) => void,
    here?: (error?: MeshError) => void
  ): void {
    const bytes = writeOnce(record)
    if (bytes.length > RECORD_MAX_BYTES) {
      const shorter = shortened(record)
      if (encodeCbor(shorter).length <= RECORD_MAX_BYTES) return this.commit(shorter, copies, done, here)
      const error = new MeshError(
        'TOO_LARGE',
        `the record of the session takes ${bytes.length} bytes; at most ${RECORD_MAX_BYTES} can be kept`
      )
      done(0, error)
      return here?.(error)
    }
    this.all.set(record.id, record)
    let onDisk = 0
    let waiting = 1
    let answered = false
    let failure: MeshError | undefined
    const settle = (stored: boolean, error?: MeshError): void => {
      waiting--
      if (stored) onDisk++
      failure ??= error
      if (answered || (onDisk < copies && waiting > 0)) return
      answered = true
      done(onDisk, onDisk === 0 ? failure : undefined)
    }
    for (const keeper of record.keepers) {
      if (keeper === this.#ctx.self || !this.#ctx.reachable(keeper)) continue
      waiting++
      const answered = (answer: RegFrame | undefined): void => {
        if (answer?.t === 'newer') this.#merge(answer.record)
        settle(answer?.t === 'ack' || answer?.t === 'newer')
      }
      this.#ask(keeper, { t: 'put', n: 0, record }, answered, record.spec.input === undefined ? ANSWER_MS : FILES_MS)
    }
    this.#write(record, bytes, (error) => {
      settle(error === undefined, error)
      here?.(error)
    })
  }

  /** A version this peer knows of without being its owner; kept if this peer is a keeper, else forgotten. */
  note(record: SessionRecord): void {
    if (record.keepers.includes(this.#ctx.self)) return this.#merge(record)
    // Its keepers tell of it only when this peer is gone.
    if (record.owner === this.#ctx.self) this.#ctx.publish(summarize(record))
    this.all.delete(record.id)
    this.#forget(record.id)
  }

  /** A version that a question has brought. */
  take(record: SessionRecord): void {
    this.#merge(record)
  }

  /** The newest version that this peer and the reachable peers of the list have, with a stop that any of them knows of. */
  newest(
    id: SessionId,
    peers: readonly PeerId[],
    done: (record: SessionRecord | undefined, answered: number) => void
  ): void {
    let waiting = 1
    let answered = 0
    let best = this.all.get(id)
    let stops = false
    const settle = (): void => {
      if (--waiting > 0) return
      // what came in the meantime counts as well, and a wish to stop for each version
      const mine = this.all.get(id)
      stops ||= mine?.desired === 'stop'
      const newest = best === undefined || (mine !== undefined && compareVersion(mine, best) >= 0) ? mine : best
      done(newest !== undefined && stops ? stopping(newest) : newest, answered)
    }
    for (const peer of new Set(peers)) {
      if (peer === this.#ctx.self || !this.#ctx.reachable(peer)) continue
      waiting++
      this.#ask(peer, { t: 'get', n: 0, id }, (answer) => {
        if (answer?.t === 'got') {
          answered++
          stops ||= answer.record?.desired === 'stop'
          if (answer.record !== null && (best === undefined || compareVersion(answer.record, best) > 0))
            best = answer.record
        }
        settle()
      })
    }
    settle()
  }

  /**
   * Everyone was told of a newer version than the one here: brings it, from whoever has it whole and can be reached, else
   * from what was told and the request, which never changes.
   */
  catchUp(told: SessionRecord): void {
    if (this.#catching.has(told.id)) return
    this.#catching.add(told.id)
    this.newest(told.id, [told.owner, ...told.keepers], (newest) => {
      this.#catching.delete(told.id)
      const mine = this.all.get(told.id) ?? (newest?.owner === this.#ctx.self ? newest : undefined)
      if (mine === undefined) return this.#catchUpLater(told)
      const isWhole = newest !== undefined && compareVersion(newest, told) >= 0
      const best = isWhole ? newest : completed(told, mine)
      if (!isWhole) this.#hearsay.add(best)
      this.#merge(best)
      // Who told of it may have lost it with its disk.
      if (!isWhole && best.owner !== this.#ctx.self) this.#send(best.owner, { t: 'put', n: 0, record: best })
    })
  }

  /** This peer told of it in an earlier life, and whoever keeps it did not answer. Of others' sessions it needs no record. */
  #catchUpLater(told: SessionRecord): void {
    if (told.owner !== this.#ctx.self || FINAL_STATES.has(told.state)) return
    this.#ctx.ports.clock.setTimeout(() => {
      const now = this.#ctx.summary(told.id)
      if (!this.all.has(told.id) && now !== undefined && compareVersion(now, told) === 0) this.catchUp(told)
    }, CATCH_UP_MS)
  }

  /** Records the wish to stop at a peer that owns or keeps the session. */
  askStop(peer: PeerId, id: SessionId, by: string, done: (recorded: boolean) => void): void {
    this.#ask(peer, { t: 'stop', n: 0, id, by }, (answer) => done(answer?.t === 'ack'))
  }

  /** A record is kept at that peer, too, or owned by it. */
  concern(peer: PeerId): boolean {
    for (const record of this.all.values()) if (record.keepers.includes(peer) || record.owner === peer) return true
    return false
  }

  /** Asks a peer that keeps an older run frozen to discard it; again when no answer comes, since its link may be just coming up. */
  askDiscard(peer: PeerId, id: SessionId, done: (discarded: boolean) => void, again = DISCARD_RETRIES): void {
    this.#ask(peer, { t: 'discard', n: 0, id }, (answer) => {
      if (answer !== undefined || again === 0) return done(answer?.t === 'ack')
      this.#ctx.ports.clock.setTimeout(() => this.askDiscard(peer, id, done, again - 1), DISCARD_RETRY_MS)
    })
  }

  linkUp(peer: PeerId): void {
    const list: [string, number, number, string][] = []
    for (const record of this.all.values()) {
      if (!record.keepers.includes(peer) && record.owner !== peer) continue
      list.push([record.id, record.epoch, record.seq, record.owner])
      // A list says nothing of it, and this peer may be none that the other would list it for.
      if (!record.keepers.includes(this.#ctx.self)) this.#remindOfStop(peer, record.id)
    }
    for (let i = 0; i < list.length; i += 400) this.#send(peer, { t: 'have', list: list.slice(i, i + 400) })
  }

  linkDown(peer: PeerId): void {
    for (const [n, pending] of [...this.#pending]) if (pending.to === peer) this.#answer(n, undefined)
  }

  frame(from: PeerId, frame: RegFrame): void {
    switch (frame.t) {
      case 'put':
        return this.#onPut(from, frame.n, frame.record)
      case 'get':
        this.#send(from, { t: 'got', n: frame.n, record: this.all.get(frame.id) ?? null })
        return
      case 'discard':
        this.#send(
          from,
          this.#hooks.discardWanted(frame.id)
            ? { t: 'ack', n: frame.n }
            : { t: 'nak', n: frame.n, why: 'no frozen run of it is kept here' }
        )
        return
      case 'have':
        return this.#onHave(from, frame.list)
      case 'stop':
        return this.stopHere(frame.id, frame.by, (recorded) =>
          this.#send(from, recorded ? { t: 'ack', n: frame.n } : { t: 'nak', n: frame.n, why: 'no such session here' })
        )
      default:
        if (this.#pending.get(frame.n)?.to === from) this.#answer(frame.n, frame)
    }
  }

  /** `desired: stop` on disk here; the owner acts on it. */
  stopHere(id: SessionId, by: string, done: (recorded: boolean) => void): void {
    const record = this.all.get(id)
    if (record === undefined) return done(false)
    const stopped = stopping(record)
    this.all.set(id, stopped)
    if (FINAL_STATES.has(record.state)) {
      // The session is over; what may remain is a second run that was frozen here, or one elsewhere that nobody has heard of.
      this.#hooks.stopWanted(stopped, by)
      // No disk may have taken the end yet.
      return this.#write(stopped, writeOnce(stopped), (error) => done(error === undefined))
    }
    if (record.desired === 'run') this.#remindOfStop(record.owner, id)
    this.#write(stopped, writeOnce(stopped), (error) => {
      done(error === undefined)
      this.#hooks.stopWanted(this.all.get(id) ?? stopped, by)
    })
  }

  #onPut(from: PeerId, n: number, record: SessionRecord): void {
    const mine = this.all.get(record.id)
    if (mine !== undefined && compareVersion(mine, record) > 0) {
      this.#send(from, { t: 'newer', n, record: mine })
      this.#heedOlder(record)
      return
    }
    const store = (): void =>
      this.#merge(record, (error) => {
        this.#send(from, error === undefined ? { t: 'ack', n } : { t: 'nak', n, why: error.message.slice(0, 600) })
        if (record.desired !== 'stop') this.#remindOfStop(from, record.id)
      })
    const input = record.spec.input
    const first = mine === undefined && input !== undefined && record.keepers.includes(this.#ctx.self)
    if (!first || FINAL_STATES.has(record.state) || this.#ctx.ports.host.hasBlob(input.hash)) return store()
    // An accepted session is not lost with its submitter: the files are here before this keeper says yes.
    this.#ctx.ports.fetchBlob(input, [from, record.submitter], (error) => {
      if (error === undefined) return store()
      this.#send(from, { t: 'nak', n, why: `the files could not be fetched: ${error.message}`.slice(0, 600) })
    })
  }

  #onHave(from: PeerId, list: readonly [SessionId, number, number, PeerId][]): void {
    for (const [id, epoch, seq, owner] of list) {
      const mine = this.all.get(id)
      const order = mine === undefined ? -1 : compareVersion(mine, { epoch, seq, owner })
      if (order > 0) this.#send(from, { t: 'put', n: 0, record: mine! })
      else this.#remindOfStop(from, id)
      if (order < 0 || (order === 0 && this.#hearsay.has(mine!)))
        this.#ask(from, { t: 'get', n: 0, id }, (answer) => {
          if (answer?.t === 'got' && answer.record !== null) this.#merge(answer.record)
        })
    }
  }

  /** Takes a version from elsewhere when it is newer, and says so. `done`: this disk has it, or a newer one. */
  #merge(record: SessionRecord, done?: (error?: MeshError) => void): void {
    const mine = this.all.get(record.id)
    const order = mine === undefined ? 1 : compareVersion(record, mine)
    if (order < 0) {
      this.#heedOlder(record)
      return done?.()
    }
    const stops = mine?.desired === 'stop' || record.desired === 'stop'
    const merged = stops ? stopping(record) : record
    const isNews = order > 0 || merged.desired !== mine?.desired || this.#hearsay.has(mine)
    // What came before may still be on its way to the disk, or was refused by it.
    if (!isNews) return done === undefined ? undefined : this.#write(mine!, writeOnce(mine!), done)
    this.all.set(record.id, merged)
    this.#write(merged, writeOnce(merged), done ?? (() => {}))
    // At once: an owner that is none any more must not take another step in the new owner's record.
    this.#hooks.adopted(merged)
    // Whoever has taken it over may not have started it yet.
    if (mine?.state === 'finished' && !FINAL_STATES.has(merged.state))
      this.#send(merged.owner, { t: 'put', n: 0, record: mine })
    if (merged !== record) this.#remindOfStop(record.owner, record.id)
    if (FINAL_STATES.has(merged.state)) this.#prune()
  }

  /** An older version may still bring the wish to stop, which holds for all of them, and how it has ended. */
  #heedOlder(older: SessionRecord): void {
    const { id, desired, state } = older
    if (state === 'finished') this.#hooks.finishedBefore(older)
    const mine = this.all.get(id)
    if (desired === 'stop' && mine?.desired === 'run' && !FINAL_STATES.has(mine.state))
      this.stopHere(id, 'a wish kept elsewhere', () => {})
  }

  /** The stop is recorded here; the other may not have heard of it. */
  #remindOfStop(peer: PeerId, id: SessionId): void {
    const mine = this.all.get(id)
    if (mine?.desired !== 'stop' || FINAL_STATES.has(mine.state) || peer === this.#ctx.self) return
    this.askStop(peer, id, `a wish kept at ${this.#ctx.nameOf(this.#ctx.self)}`.slice(0, 64), () => {})
  }

  #write(record: SessionRecord, bytes: Uint8Array, done: (error?: MeshError) => void): void {
    this.#ctx.ports.store.write([{ put: `r/${record.id}`, value: bytes }], { sync: true }, (error) => {
      if (error !== undefined) this.#writeLater(record.id)
      done(error)
    })
  }

  #forget(id: SessionId): void {
    this.#ctx.ports.store.write([{ del: `r/${id}` }], { sync: false }, (error) => {
      if (error !== undefined) this.#writeLater(id)
    })
  }

  /** Else the next life of this peer would take what is long over for how things stand. */
  #writeLater(id: SessionId): void {
    this.#unwritten.add(id)
    if (this.#unwritten.size > 1) return
    this.#ctx.ports.clock.setTimeout(() => {
      const ids = [...this.#unwritten]
      this.#unwritten.clear()
      for (const each of ids) {
        const record = this.all.get(each)
        if (record === undefined) this.#forget(each)
        else this.#write(record, writeOnce(record), () => {})
      }
    }, REWRITE_MS)
  }

  /** Oldest final records beyond the bounds leave disk and memory. */
  #prune(): void {
    const now = this.#ctx.ports.clock.wall()
    const finals = [...this.all.values()].filter((record) => FINAL_STATES.has(record.state))
    finals.sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0))
    const old = finals.filter((record, i) => i >= FINAL_MAX || now - (record.endedAt ?? now) > FINAL_KEEP_MS)
    if (old.length === 0) return
    for (const { id } of old) {
      this.all.delete(id)
      this.#hooks.pruned(id)
    }
    this.#ctx.ports.store.write(
      old.map((record) => ({ del: `r/${record.id}` })),
      { sync: false },
      () => {}
    )
  }

  #ask(
    to: PeerId,
    frame: Extract<RegFrame, { n: number }>,
    answer: (frame: RegFrame | undefined) => void,
    withinMs: number = ANSWER_MS
  ): void {
    if (this.#pending.size >= PENDING_MAX) return answer(undefined)
    const n = (this.#n = (this.#n + 1) >>> 0)
    const timer = this.#ctx.ports.clock.setTimeout(() => this.#answer(n, undefined), withinMs)
    this.#pending.set(n, { to, answer, timer })
    if (!this.#send(to, { ...frame, n })) this.#answer(n, undefined)
  }

  #answer(n: number, frame: RegFrame | undefined): void {
    const pending = this.#pending.get(n)
    if (pending === undefined) return
    this.#pending.delete(n)
    this.#ctx.ports.clock.clearTimeout(pending.timer)
    pending.answer(frame)
  }

  #send(to: PeerId, frame: RegFrame): boolean {
    return this.#ctx.send(to, 'reg', frame)
  }
}

/** A stop holds for every version there is. */
function stopping(record: SessionRecord): SessionRecord {
  return record.desired === 'stop' ? record : { ...record, desired: 'stop' }
}

/** A summary, with what it leaves out from an older version of the whole. */
function completed(told: SessionRecord, whole: SessionRecord): SessionRecord {
  const all = told.state === 'finished' && told.spec.array !== undefined ? [0, told.spec.array] : undefined
  const progress = told.progress === undefined || all === undefined ? whole.progress : { ...told.progress, over: all }
  return {
    ...told,
    spec: whole.spec,
    tried: [...whole.tried, ...told.tried.filter(({ peer }) => !whole.tried.some((one) => one.peer === peer))].slice(
      -16
    ),
    restarts: whole.restarts,
    ...(progress === undefined ? {} : { progress }),
    history: [...whole.history, ...told.history].slice(-16)
  }
}

/** A long story loses its beginning and the reasons of other PCs, never what is to be run. */
function shortened(record: SessionRecord): SessionRecord {
  const short: SessionRecord = { ...record, history: record.history.slice(-4), tried: record.tried.slice(-4) }
  if (record.why !== undefined) short.why = { sentence: record.why.sentence, candidates: [] }
  return short
}
