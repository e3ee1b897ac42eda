/** What a receiver of effects remembers: the highest fence of each session. Whatever comes with a lower one comes too late. */
import type { SessionId } from '../ports.ts'
import { RULES } from './rules.ts'
import type { Rules } from './rules.ts'

/** Sessions remembered; the one that was quiet for longest is forgotten first. */
const FENCES_MAX = 10_000

export class Fences {
  readonly #highest = new Map<SessionId, number>()
  readonly #rules: Rules

  constructor(rules: Rules = RULES) {
    this.#rules = rules
  }

  /** True when an effect of that epoch may be let in; then no lower one ever is. */
  admit(session: SessionId, epoch: number): boolean {
    const highest = this.#highest.get(session) ?? -1
    if (epoch < highest && this.#rules.fenceHolds) return false
    this.#highest.delete(session)
    this.#highest.set(session, Math.max(epoch, highest))
    if (this.#highest.size > FENCES_MAX) this.#highest.delete(this.#highest.keys().next().value!)
    return true
  }

  highest(session: SessionId): number | undefined {
    return this.#highest.get(session)
  }

  forget(session: SessionId): void {
    this.#highest.delete(session)
  }
}
