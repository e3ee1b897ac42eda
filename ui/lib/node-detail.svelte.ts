/** The whole reading of one PC, asked of it again and again while its page is open and visible. */
import type { NodeDetail } from '../../node/http/views.ts'
import { call, messageOf } from './client.ts'

const EVERY_MS = 4_000

export class NodeDetailSource {
  detail = $state.raw<NodeDetail | null>(null)
  failure = $state('')
  /** Page time of the last answer. */
  askedAt = $state(0)
  readonly #id: string
  #timer = 0
  #stopped = false

  constructor(id: string) {
    this.#id = id
  }

  start(): void {
    this.#stopped = false
    void this.#ask()
  }

  stop(): void {
    this.#stopped = true
    window.clearTimeout(this.#timer)
  }

  again(): void {
    window.clearTimeout(this.#timer)
    void this.#ask()
  }

  async #ask(): Promise<void> {
    if (document.visibilityState === 'visible') {
      try {
        this.detail = await call<NodeDetail>('GET', `/nodes/${encodeURIComponent(this.#id)}`)
        this.askedAt = performance.now()
        this.failure = ''
      } catch (error) {
        this.failure = messageOf(error)
      }
    }
    if (!this.#stopped) this.#timer = window.setTimeout(() => void this.#ask(), EVERY_MS)
  }
}
