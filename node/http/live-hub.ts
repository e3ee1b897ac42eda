/**
 * One view of the mesh for all open pages: at most once a second it is read, compared with what was sent before, and the
 * difference goes to every page. A page that does not keep up gets no queue: it is skipped, and sent the whole when it can
 * read again. An empty delta each few seconds tells the page that this peer lives.
 */
import type { WebSocket } from 'ws'
import type { Login } from '../security/people.ts'
import type { Change } from './api.ts'
import type { Context } from './context.ts'
import type { EventView, LiveDelta, LiveSnapshot, NodeView, SessionView, StatusView } from './views.ts'

export const TICK_MS = 1000
const HEARTBEAT_MS = 3000
/** A ticket lives 60 s; the page's is never older than half of that. */
const TICKET_EACH_MS = 25_000
/** Bytes not yet taken by the network: above the first a page counts as slow, below the second it is served again. */
const SLOW_BYTES = 1 << 20
const READY_BYTES = 64 << 10
const CLIENTS_MAX = 100
/** Above so many PCs no page draws a minute of each: lines are in the whole reading of one PC. */
const HISTORIES_MAX = 60
/** PCs in one delta, so that a page is never busy for long, whatever the size of the mesh. The others follow each second. */
const NODES_PER_DELTA = 200
const LOGIN_ENDED = 4401

export interface LiveClient {
  /** Sends the whole again. */
  resync(): void
}

interface Page extends LiveClient {
  socket: WebSocket
  login: Login | null
  /** It missed a delta, or asked: the next message is a snapshot. */
  needsAll: boolean
  ticketAt: number
  sentAt: number
}

export class LiveHub {
  readonly #context: Context
  readonly #pages = new Set<Page>()
  readonly #changed = new Set<Change>()
  #seq = 0
  #stopWatching: (() => void) | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  #view: View | undefined

  constructor(context: Context) {
    this.#context = context
  }

  add(socket: WebSocket, login: Login | null): LiveClient {
    const page: Page = { socket, login, needsAll: true, ticketAt: 0, sentAt: 0, resync: () => (page.needsAll = true) }
    if (this.#pages.size >= CLIENTS_MAX) {
      socket.close(1013, 'too many pages are open at this peer')
      return page
    }
    this.#pages.add(page)
    this.#start()
    this.#sendAll(page)
    return page
  }

  remove(client: LiveClient): void {
    this.#pages.delete(client as Page)
    if (this.#pages.size === 0) this.stop()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#stopWatching?.()
    this.#timer = this.#stopWatching = this.#view = undefined
  }

  #start(): void {
    if (this.#timer !== undefined) return
    this.#view = new View(this.#context)
    this.#changed.clear()
    this.#stopWatching = this.#context.api.onChange((changes) => changes.forEach((change) => this.#changed.add(change)))
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  #tick(): void {
    const delta = this.#view!.update(this.#changed)
    this.#changed.clear()
    if (delta !== undefined) this.#seq++
    const text = delta === undefined ? undefined : { t: 'delta' as const, seq: this.#seq, ...delta }
    const encoded = text && JSON.stringify(text)
    for (const page of this.#pages) this.#serve(page, text, encoded)
  }

  #serve(page: Page, delta: LiveDelta | undefined, encoded: string | undefined): void {
    const { socket } = page
    if (page.login !== null && this.#context.security.logins.findByHash(page.login.hash) === undefined)
      return socket.close(LOGIN_ENDED, 'the login has ended')
    if (page.needsAll) {
      if (socket.bufferedAmount < READY_BYTES) this.#sendAll(page)
    } else if (delta !== undefined && socket.bufferedAmount > SLOW_BYTES) {
      page.needsAll = true
    } else {
      const now = this.#context.now()
      const handover = now - page.ticketAt >= TICKET_EACH_MS ? this.#handover(page) : undefined
      if (handover !== undefined) this.#send(page, JSON.stringify({ t: 'delta', seq: this.#seq, ...delta, handover }))
      else if (encoded !== undefined) this.#send(page, encoded)
      else if (now - page.sentAt >= HEARTBEAT_MS)
        this.#send(page, JSON.stringify({ t: 'delta', seq: this.#seq } satisfies LiveDelta))
    }
  }

  #sendAll(page: Page): void {
    page.needsAll = false
    const snapshot: LiveSnapshot = {
      t: 'snapshot',
      seq: this.#seq,
      ...this.#view!.whole(),
      handover: this.#handover(page)
    }
    this.#send(page, JSON.stringify(snapshot))
  }

  #send(page: Page, message: string): void {
    page.sentAt = this.#context.now()
    page.socket.send(message)
  }

  /** Null for a token: it needs no hand-over, it is good everywhere. */
  #handover(page: Page): LiveSnapshot['handover'] {
    page.ticketAt = this.#context.now()
    if (page.login === null) return null
    return { ticket: this.#context.security.handover.issue(page.login), urls: this.#context.api.pages() }
  }
}

/** What was sent last, so that only what differs is sent next. */
class View {
  readonly #api: Context['api']
  readonly #now: () => number
  #status: StatusView
  #statusText: string
  readonly #nodes: Keyed<NodeView>
  readonly #sessions: Keyed<SessionView>
  readonly #texts = new WeakMap<SessionView, string>()
  #events: EventView[]

  constructor({ api, now, simulation }: Context) {
    this.#api = api
    // The mesh's own time: ages are told in it.
    this.#now = simulation === undefined ? now : () => simulation.view().nowMs
    this.#status = api.status()
    this.#statusText = textOf(this.#status)
    this.#nodes = new Keyed<NodeView>((node) => node.peerId)
    this.#nodes.update(this.#readNodes())
    this.#sessions = new Keyed<SessionView>((session) => session.id)
    this.#sessions.update(this.#readSessions())
    this.#events = api.events()
  }

  whole(): Pick<LiveSnapshot, 'status' | 'nodes' | 'sessions' | 'events'> {
    const now = this.#now()
    const nodes = this.#nodes.items().map(({ value, takenAt }) => ({
      ...value,
      ageMs: takenAt === null ? null : Math.max(0, now - takenAt)
    }))
    return {
      status: this.#status,
      nodes,
      sessions: this.#sessions.items().map(({ value }) => value),
      events: this.#events
    }
  }

  /** Undefined when nothing differs. */
  update(changed: ReadonlySet<Change>): Omit<LiveDelta, 't' | 'seq'> | undefined {
    const delta: Omit<LiveDelta, 't' | 'seq'> = {}
    if (changed.has('status')) this.#updateStatus(delta)
    if (changed.has('nodes')) {
      const { differing, gone } = this.#nodes.update(this.#readNodes(), mostUrgent)
      if (differing.length > 0) delta.nodes = differing
      if (gone.length > 0) delta.nodesGone = gone
    }
    if (changed.has('sessions')) {
      const { differing, gone } = this.#sessions.update(this.#readSessions())
      if (differing.length > 0) delta.sessions = differing
      if (gone.length > 0) delta.sessionsGone = gone
    }
    if (changed.has('events')) this.#updateEvents(delta)
    return Object.keys(delta).length > 0 ? delta : undefined
  }

  /** With the moment of each reading: an age that only grew is no news, a new reading of the same values is. */
  #readNodes(): Item<NodeView>[] {
    const now = this.#now()
    const nodes = this.#api.nodes()
    const isMany = nodes.length > HISTORIES_MAX
    return nodes.map((node) => {
      const value: NodeView = { ...node, ageMs: null, history: isMany ? NO_HISTORY : node.history }
      const text = JSON.stringify(value)
      value.ageMs = node.ageMs
      return { value, text, takenAt: node.ageMs === null ? null : now - node.ageMs }
    })
  }

  #readSessions(): Item<SessionView>[] {
    return this.#api.sessions().map((session) => ({ value: session, text: this.#textOf(session), takenAt: null }))
  }

  /** A view that is the very object of last time has not changed. */
  #textOf(session: SessionView): string {
    let text = this.#texts.get(session)
    if (text === undefined) this.#texts.set(session, (text = JSON.stringify(session)))
    return text
  }

  #updateStatus(delta: Omit<LiveDelta, 't' | 'seq'>): void {
    this.#status = this.#api.status()
    const text = textOf(this.#status)
    if (text === this.#statusText) return
    this.#statusText = text
    delta.status = this.#status
  }

  #updateEvents(delta: Omit<LiveDelta, 't' | 'seq'>): void {
    const newest = this.#events.reduce((max, event) => Math.max(max, event.seq), 0)
    this.#events = this.#api.events()
    const fresh = this.#events.filter((event) => event.seq > newest)
    if (fresh.length > 0) delta.events = fresh
  }
}

const NO_HISTORY: NodeView['history'] = { cpu: [], memory: [] }

/** Those of another state first, then those whose last sent reading is the oldest. */
function mostUrgent(news: readonly News<NodeView>[]): readonly News<NodeView>[] {
  if (news.length <= NODES_PER_DELTA) return news
  const rank = ({ before, item }: News<NodeView>): number =>
    before === undefined || before.value.state !== item.value.state ? -Infinity : (before.takenAt ?? -Infinity)
  const ranked = news.map((one) => ({ one, rank: rank(one) }))
  ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1))
  return ranked.slice(0, NODES_PER_DELTA).map(({ one }) => one)
}

/** Uptime alone is no news: the page counts on by itself. */
const textOf = (status: StatusView) => JSON.stringify({ ...status, uptimeS: 0 })

interface Item<T> {
  value: T
  text: string
  takenAt: number | null
}

interface News<T> {
  key: string
  before: Item<T> | undefined
  item: Item<T>
}

class Keyed<T> {
  readonly #key: (value: T) => string
  #items = new Map<string, Item<T>>()

  constructor(key: (value: T) => string) {
    this.#key = key
  }

  items(): Item<T>[] {
    return [...this.#items.values()]
  }

  /** What is not chosen stays as it was told, and is news again next time. */
  update(
    items: readonly Item<T>[],
    choose: (news: readonly News<T>[]) => readonly News<T>[] = (news) => news
  ): { differing: T[]; gone: string[] } {
    const before = this.#items
    const keyed = items.map((item) => ({ key: this.#key(item.value), item }))
    const news = keyed
      .map(({ key, item }) => ({ key, item, before: before.get(key) }))
      .filter((one) => isNews(one.before, one.item))
    const chosen = choose(news)
    const left = new Set(news)
    for (const one of chosen) left.delete(one)
    this.#items = new Map(keyed.map(({ key, item }) => [key, item]))
    for (const one of left) {
      if (one.before === undefined) this.#items.delete(one.key)
      else this.#items.set(one.key, one.before)
    }
    const gone = [...before.keys()].filter((key) => !this.#items.has(key))
    return { differing: chosen.map(({ item }) => item.value), gone }
  }
}

/** Two looks at the same reading differ by how the two moments were rounded. */
const SAME_READING_MS = 500

function isNews<T>(before: Item<T> | undefined, now: Item<T>): boolean {
  if (before === undefined || before.text !== now.text) return true
  if (before.takenAt === null || now.takenAt === null) return before.takenAt !== now.takenAt
  return Math.abs(before.takenAt - now.takenAt) > SAME_READING_MS
}
