/**
 * The rights of strict runs (PROTOCOLS.md 2.4.3): each ends at a moment of the boot clock unless the peer moves it. Then the
 * run is frozen at once and stopped for good a second later, whatever the peer does: it may hang, and somebody else may run
 * the session from then on.
 */
import type { RunKey } from './wire.ts'

/** After a sleep the runtime's timers are late by as long as it took: the boot clock is looked at this often. */
const LOOK_MS = 50
/** For a peer that was late by a moment and still has the right. */
export const STOP_AFTER_MS = 1_000

export interface LeaseHooks {
  /** `lateMs`: how long after the end of the right this comes. */
  freeze(key: RunKey, lateMs: number): void
  thaw(key: RunKey): void
  stop(key: RunKey, lateMs: number): void
}

interface Lease {
  readonly key: RunKey
  until: number
  over: boolean
  timer: NodeJS.Timeout | undefined
}

export class Leases {
  readonly #bootMs: () => number
  readonly #hooks: LeaseHooks
  readonly #leases = new Map<string, Lease>()
  #watch: NodeJS.Timeout | undefined

  constructor(bootMs: () => number, hooks: LeaseHooks) {
    this.#bootMs = bootMs
    this.#hooks = hooks
  }

  /** In words why that run has no right to start; undefined when it has, or needs none. */
  refusal({ session, epoch }: RunKey): string | undefined {
    const lease = this.#leases.get(`${session}/${epoch}`)
    const lateMs = lease === undefined ? -1 : this.#bootMs() - lease.until
    return lateMs < 0 ? undefined : `its right to run ended ${Math.round(lateMs)} ms ago`
  }

  /** `until`: boot clock. A word that waited too long in a queue revives nothing. */
  hold(key: RunKey, until: number): void {
    const name = `${key.session}/${key.epoch}`
    const lease = this.#leases.get(name) ?? { key, until, over: false, timer: undefined }
    this.#leases.set(name, lease)
    lease.until = Math.max(lease.until, until)
    this.#watch ??= setInterval(() => this.#lookAtAll(), LOOK_MS).unref()
    if (lease.over && this.#bootMs() < lease.until) {
      lease.over = false
      this.#hooks.thaw(key)
    }
    this.#arm(lease)
  }

  /** It has ended. */
  drop({ session, epoch }: RunKey): void {
    const name = `${session}/${epoch}`
    clearTimeout(this.#leases.get(name)?.timer)
    this.#leases.delete(name)
    if (this.#leases.size > 0) return
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  /** The PC slept: nobody knows for how long by the clocks of the others. */
  voidAll(): void {
    for (const lease of this.#leases.values()) {
      lease.until = Math.min(lease.until, this.#bootMs())
      this.#look(lease)
    }
  }

  #lookAtAll(): void {
    const now = this.#bootMs()
    for (const lease of this.#leases.values()) if (!lease.over && now >= lease.until) this.#look(lease)
  }

  #arm(lease: Lease): void {
    clearTimeout(lease.timer)
    const at = lease.over ? lease.until + STOP_AFTER_MS : lease.until
    lease.timer = setTimeout(() => this.#look(lease), Math.max(0, at - this.#bootMs()))
  }

  #look(lease: Lease): void {
    const lateMs = this.#bootMs() - lease.until
    if (lateMs >= 0 && !lease.over) {
      lease.over = true
      this.#hooks.freeze(lease.key, lateMs)
    } else if (lateMs >= STOP_AFTER_MS) {
      clearTimeout(lease.timer)
      return this.#hooks.stop(lease.key, lateMs)
    }
    this.#arm(lease)
  }
}
