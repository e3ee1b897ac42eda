/**
 * The socket to the serving peer: connects again with growing pauses, notices a silent one, and tells when the peer itself
 * is gone, which is when its health has failed for three seconds. Time and network come in through `Env`.
 */
import type { LiveDelta, LiveSnapshot } from '../../node/http/views.ts'

export const GONE_AFTER_MS = 3_000
/** The peer sends at most 2 s old deltas; this much silence is worth a question. */
export const SILENCE_MS = 7_000
const HEALTH_EVERY_MS = 700
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 5_000

export type Message = LiveSnapshot | LiveDelta

export interface Socket {
  send(text: string): void
  close(): void
}
export interface SocketEvents {
  message(text: string): void
  closed(): void
}
export interface Env {
  now(): number
  setTimeout(run: () => void, ms: number): number
  clearTimeout(timer: number): void
  connect(events: SocketEvents): Socket
  healthy(): Promise<boolean>
}
export interface LinkEvents {
  message(message: Message): void
  /** The socket is away since `now()`. */
  lost(): void
  /** The first message after a loss has come. */
  back(): void
  /** The peer does not answer any more. Told once a loss. */
  gone(): void
  /** The peer is well but does not let this page in: the login may have ended. */
  refused(): void
}

export class Link {
  readonly #env: Env
  readonly #events: LinkEvents
  #socket: Socket | null = null
  #timers = new Set<number>()
  #silence = 0
  /** Grows with each socket; events of an older one are ignored. */
  #turn = 0
  #attempts = 0
  #heard = false
  #lost = false
  #failingSince: number | null = null
  #goneTold = false
  #stopped = true

  constructor(env: Env, events: LinkEvents) {
    this.#env = env
    this.#events = events
  }

  start(): void {
    this.#stopped = false
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    this.#dropSocket()
    for (const timer of this.#timers) this.#env.clearTimeout(timer)
    this.#timers.clear()
  }

  /** A delta was missed: ask for the whole. */
  resync(): void {
    this.#socket?.send('{"t":"resync"}')
  }

  /** Connect anew at once: the page was hidden, or the network is back. */
  restart(): void {
    if (this.#stopped) return
    this.stop()
    this.#attempts = 0
    this.start()
  }

  #connect(): void {
    this.#dropSocket()
    const turn = this.#turn
    this.#heard = false
    this.#socket = this.#env.connect({
      message: (text) => turn === this.#turn && this.#onMessage(text),
      closed: () => turn === this.#turn && void this.#onClosed()
    })
    this.#watchSilence()
  }

  #dropSocket(): void {
    this.#turn++
    this.#forgetSilence()
    this.#socket?.close()
    this.#socket = null
  }

  #onMessage(text: string): void {
    let message: Message
    try {
      message = JSON.parse(text) as Message
    } catch {
      this.restart()
      return
    }
    this.#heard = true
    this.#attempts = 0
    this.#failingSince = null
    this.#goneTold = false
    if (this.#lost) {
      this.#lost = false
      this.#events.back()
    }
    this.#watchSilence()
    this.#events.message(message)
  }

  async #onClosed(): Promise<void> {
    const neverHeard = !this.#heard
    this.#dropSocket()
    if (!this.#lost) {
      this.#lost = true
      this.#events.lost()
    }
    await this.#ask(neverHeard)
  }

  /** One question to the peer's health; then connect, or ask again. */
  async #ask(wasRefused: boolean): Promise<void> {
    const turn = this.#turn
    const well = await this.#env.healthy()
    if (turn !== this.#turn || this.#stopped) return
    if (well) {
      this.#failingSince = null
      if (wasRefused) this.#events.refused()
      this.#later(this.#pause(), () => this.#connect())
      return
    }
    this.#failingSince ??= this.#env.now()
    if (this.#env.now() - this.#failingSince >= GONE_AFTER_MS && !this.#goneTold) {
      this.#goneTold = true
      this.#events.gone()
    }
    this.#later(this.#goneTold ? RETRY_MAX_MS / 2 : HEALTH_EVERY_MS, () => void this.#ask(false))
  }

  #pause(): number {
    return Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#attempts++)
  }

  #watchSilence(): void {
    this.#forgetSilence()
    this.#silence = this.#later(SILENCE_MS, () => void this.#onSilence())
  }

  #forgetSilence(): void {
    this.#env.clearTimeout(this.#silence)
    this.#timers.delete(this.#silence)
  }

  /** A dead cable does not close a socket: ask the peer, and take no answer for a loss. */
  async #onSilence(): Promise<void> {
    const turn = this.#turn
    const well = await this.#env.healthy()
    if (turn !== this.#turn || this.#stopped) return
    if (well && this.#heard) this.#watchSilence()
    else await this.#onClosed()
  }

  #later(ms: number, run: () => void): number {
    const timer = this.#env.setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
    return timer
  }
}
