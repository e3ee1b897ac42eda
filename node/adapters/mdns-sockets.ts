/**
 * mDNS on all interfaces of this PC: a socket each, questions with growing pauses, answers at most once a second an
 * interface. After a change of the interfaces everything is opened anew and asked at once.
 */
import type { Log } from '../../protocols/ports.ts'
import { watchInterfaces } from './interfaces.ts'
import type { LanInterface } from './interfaces.ts'
import type { Answer } from './mdns-records.ts'
import { MdnsSocket } from './mdns-socket.ts'

/** `ok` false: other PCs cannot be found by themselves. `reason` and `fix` are sentences for a person; '' when there is nothing to say. */
export interface DiscoveryState {
  ok: boolean
  reason: string
  fix: string
}
const PAUSE_MIN_MS = 1000
export const PAUSE_MAX_MS = 60_000
/** A multicast answer serves all who asked in that time (RFC 6762 section 6). */
const ANSWER_PAUSE_MS = 1000
export const MULTICAST_FIX = 'add a multicast route (on Linux: ip route add 224.0.0.0/4 dev NAME), or join by an invite'

export const NO_NETWORK: DiscoveryState = {
  ok: false,
  reason: 'this PC is on no network with an IPv4 address, so other PCs cannot be found',
  fix: 'connect it to the network'
}

export interface SocketsOwner {
  /** Asked for on every interface. */
  services(): string[]
  /** Records to answer with on that interface; undefined when somebody else answers there. */
  answer(service: string, lan: LanInterface): Answer[][] | undefined
  heard(answers: readonly Answer[]): void
}

export class MdnsSockets {
  readonly #list: () => LanInterface[]
  readonly #log: Log
  readonly #owner: SocketsOwner
  readonly #answers = new Map<string, { lastMs: number; timer: NodeJS.Timeout | undefined }>()
  readonly #stopWatching: () => void
  #open: MdnsSocket[] = []
  #pauseMs = PAUSE_MIN_MS
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(list: () => LanInterface[], log: Log, owner: SocketsOwner) {
    this.#list = list
    this.#log = log
    this.#owner = owner
    this.#reopen()
    this.#stopWatching = watchInterfaces(() => this.#reopen())
  }

  get state(): DiscoveryState {
    if (this.#open.some((socket) => socket.trouble === undefined)) return { ok: true, reason: '', fix: '' }
    const trouble = this.#open[0]?.trouble
    if (trouble === undefined) return NO_NETWORK
    return { ok: false, reason: `other PCs cannot be found by multicast DNS: ${trouble}`, fix: MULTICAST_FIX }
  }

  lookAgain(): void {
    clearTimeout(this.#timer)
    this.#pauseMs = PAUSE_MIN_MS
    this.#ask()
  }

  /** Tells without being asked. */
  announce(service: string): void {
    for (const socket of this.#open) this.#answerSoon(socket, service)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopWatching()
    clearTimeout(this.#timer)
    for (const { timer } of this.#answers.values()) clearTimeout(timer)
    this.#answers.clear()
    await Promise.all(this.#open.splice(0).map((socket) => socket.close()))
  }

  /** After a change all sockets are made anew: a membership of a group does not survive its interface. */
  #reopen(): void {
    for (const socket of this.#open.splice(0)) void socket.close()
    for (const lan of this.#list()) {
      const listener = {
        asked: (socket: MdnsSocket, service: string) => this.#answerSoon(socket, service),
        heard: (_: MdnsSocket, answers: readonly Answer[]) => this.#owner.heard(answers)
      }
      try {
        this.#open.push(new MdnsSocket(lan, listener))
      } catch (error) {
        this.#log.warn('multicast DNS failed on an interface', { name: lan.name, error })
      }
    }
    this.lookAgain()
  }

  #ask(): void {
    if (this.#closed) return
    for (const socket of this.#open) for (const service of this.#owner.services()) socket.ask(service)
    this.#timer = setTimeout(() => this.#ask(), this.#pauseMs * (0.8 + 0.4 * Math.random()))
    this.#timer.unref()
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS)
  }

  #answerSoon(socket: MdnsSocket, service: string): void {
    const records = this.#closed ? undefined : this.#owner.answer(service, socket.lan)
    if (records === undefined || records.length === 0) return
    const key = `${socket.lan.name} ${service}`
    const state = this.#answers.get(key) ?? { lastMs: -Infinity, timer: undefined }
    this.#answers.set(key, state)
    if (state.timer !== undefined) return
    const now = performance.now()
    const waitMs = state.lastMs + ANSWER_PAUSE_MS - now
    const answer = (): void => {
      state.timer = undefined
      state.lastMs = performance.now()
      // As of now: a door may have closed since.
      for (const each of this.#owner.answer(service, socket.lan) ?? []) socket.answer(each)
    }
    if (waitMs <= 0) answer()
    else state.timer = setTimeout(answer, waitMs)
  }
}
