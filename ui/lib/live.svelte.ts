/**
 * The mesh as it is now, drawn by every page: snapshot and deltas from the serving peer, how old they are, and the way to
 * another member when that peer is gone.
 */
import type { NodeView, SessionView, SimulationView } from '../../node/http/views.ts'
import { call, healthy } from './client.ts'
import { clock } from './clock.svelte.ts'
import { drafts } from './drafts.ts'
import { departure, members, ticketAlive, type Member } from './handover.ts'
import { Link, type Message } from './link.ts'
import { applyDelta, byId, byName, fromSnapshot, type Mesh } from './merge.ts'
import type { Source } from './reading.ts'
import { router } from './router.svelte.ts'
import { Trace } from './trace.ts'

/** A member that has not answered its health in this time is no place to go on at. */
const ANSWER_WITHIN_MS = 4_000
/** Addresses of members that are tried at once; a home has few PCs, and the likeliest come first. */
const TRIED_MAX = 16

class Live {
  mesh = $state.raw<Mesh | null>(null)
  /** Page time since when the serving peer is not heard; null while it is. */
  lostSince = $state<number | null>(null)
  /** Where one click leads when the serving peer is gone and the page may not go by itself. */
  wayOut = $state.raw<Member | null>(null)
  /** The page is on its way to this member. */
  moving = $state<string | null>(null)
  /** Page time of the last message. */
  heardAt = $state(0)
  /** A minute of totals that only the page keeps. */
  trace = $state.raw(new Trace())
  /** Connections that were refused while the peer was well: the login may have ended. */
  onrefused: () => void = () => {}
  #ticketAt = 0
  #moving = false
  #link = new Link(
    {
      now: () => performance.now(),
      setTimeout: (run, ms) => window.setTimeout(run, ms),
      clearTimeout: (timer) => window.clearTimeout(timer),
      connect: (events) => {
        const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/live`)
        socket.onmessage = (event) => events.message(String(event.data))
        socket.onclose = () => events.closed()
        return { send: (text) => socket.send(text), close: () => socket.close() }
      },
      healthy
    },
    {
      message: (message) => this.#onMessage(message),
      lost: () => (this.lostSince = performance.now()),
      back: () => this.#onBack(),
      gone: () => void this.#moveOn(),
      refused: () => this.onrefused()
    }
  )
  #resume = () => {
    if (document.visibilityState === 'visible' && performance.now() - this.heardAt > 3_000) this.#link.restart()
  }

  start(): void {
    document.addEventListener('visibilitychange', this.#resume)
    window.addEventListener('online', this.#resume)
    this.#link.start()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.#resume)
    window.removeEventListener('online', this.#resume)
    this.#link.stop()
    this.mesh = null
    this.lostSince = null
    this.wayOut = null
    this.trace = new Trace()
  }

  /** The view after the page has changed something, without waiting for the next delta. */
  putSession(session: SessionView): void {
    if (!this.mesh) return
    const sessions = [session, ...this.mesh.sessions.filter((s) => s.id !== session.id)]
    this.mesh = { ...this.mesh, sessions: sessions.sort((a, b) => b.createdAt - a.createdAt) }
  }

  putNode(node: NodeView): void {
    if (!this.mesh) return
    this.mesh = {
      ...this.mesh,
      nodes: this.mesh.nodes.map((n) => (n.peerId === node.peerId ? node : n)),
      heardAt: new Map(this.mesh.heardAt).set(node.peerId, clock.mesh)
    }
  }

  putSimulation(simulation: SimulationView): void {
    clock.follow(simulation)
    if (this.mesh) this.mesh = { ...this.mesh, status: { ...this.mesh.status, simulation } }
  }

  /** The status outside the live channel, after a change of membership. */
  async refreshStatus(): Promise<void> {
    const status = await call<Mesh['status']>('GET', '/status')
    if (this.mesh) this.mesh = { ...this.mesh, status }
  }

  node(id: string): NodeView | undefined {
    return this.mesh === null ? undefined : (byId(this.mesh.nodes).get(id) ?? byName(this.mesh.nodes).get(id))
  }

  nameOf = (peerId: string): string => this.node(peerId)?.name ?? `…${peerId.slice(-6)}`

  /** Age of a node's readings now: as old as they were on arrival, and the time since. */
  ageOf = (node: NodeView): number | null => {
    if (node.ageMs === null) return null
    return node.ageMs + Math.max(0, clock.mesh - (this.mesh?.heardAt.get(node.peerId) ?? clock.mesh))
  }

  /** The same for many nodes of one moment. */
  ages(): (node: NodeView) => number | null {
    const now = clock.mesh
    const heardAt = this.mesh?.heardAt
    return (node) => (node.ageMs === null ? null : node.ageMs + Math.max(0, now - (heardAt?.get(node.peerId) ?? now)))
  }

  sourceOf = (node: NodeView): Source => ({ name: node.name, ageMs: this.ageOf(node) })

  /** This very page at another member, with the login and what was typed until now. */
  addressAt(member: Member): string {
    const ticket = ticketAlive(this.#ticketAt, performance.now()) ? (this.mesh?.handover?.ticket ?? null) : null
    return departure(member, ticket, router.path, drafts.all())
  }

  get servedBy(): string {
    return this.mesh?.status.name ?? location.hostname
  }

  #onMessage(message: Message): void {
    if (message.status === undefined) clock.tick()
    else clock.follow(message.status.simulation)
    const now = clock.mono
    this.heardAt = now
    const next =
      message.t === 'snapshot'
        ? fromSnapshot(message, clock.mesh)
        : this.mesh && applyDelta(this.mesh, message, clock.mesh)
    if (!next) {
      this.#link.resync()
      return
    }
    if (message.handover) this.#ticketAt = now
    this.mesh = next
    this.trace = this.trace.with(next.nodes, now)
  }

  #onBack(): void {
    this.lostSince = null
    this.wayOut = null
  }

  /**
   * The serving peer is gone: go to another member. By itself to one that answers with a certificate this browser trusts;
   * otherwise one click is needed, since the browser may have to ask a person.
   */
  async #moveOn(): Promise<void> {
    const mesh = this.mesh
    if (!mesh || this.#moving || !navigator.onLine) return
    this.#moving = true
    const others = members(mesh.handover, mesh.nodes, mesh.status.peerId).slice(0, TRIED_MAX)
    const member = await firstTrusted(others)
    this.#moving = false
    if (this.lostSince === null) return
    if (!member) {
      this.wayOut = others[0] ?? null
      return
    }
    this.moving = member.name
    location.assign(this.addressAt(member))
  }
}

/** What a member's health says stays closed to a page of another; that it answers tells that it lives and is trusted. */
async function firstTrusted(members: readonly Member[]): Promise<Member | null> {
  const tries = members.map(async (member) => {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    await fetch(new URL('/health', member.url), { mode: 'no-cors', credentials: 'omit', cache: 'no-store', signal })
    return member
  })
  return await Promise.any(tries).catch(() => null)
}

export const live = new Live()
