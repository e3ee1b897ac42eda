/** The live output of one session as the page draws it: at most once a frame, bounded, in blocks. */
import type { SessionView } from '../../node/http/views.ts'
import { followLog } from './log-stream.ts'
import { LogText, type Block } from './log-text.ts'

export class Output {
  blocks = $state.raw<readonly Block[]>([])
  dropped = $state(0)
  lines = $state(0)
  trouble = $state<string | null>(null)
  ended = $state(false)
  readonly #text = new LogText()
  readonly #stop = new AbortController()
  #frame = 0

  follow(id: string, task: number | undefined, onended: (session: SessionView) => void): void {
    void followLog(id, task, this.#stop.signal, {
      output: (stream, bytes) => {
        this.#text.take(stream, bytes)
        this.#frame ||= requestAnimationFrame(() => this.#draw())
      },
      trouble: (reason) => (this.trouble = reason),
      ended: (session) => {
        this.ended = true
        onended(session)
      }
    })
  }

  stop(): void {
    this.#stop.abort()
    cancelAnimationFrame(this.#frame)
  }

  copyText(): string {
    return this.#text.text()
  }

  #draw(): void {
    this.#frame = 0
    this.blocks = this.#text.blocks
    this.dropped = this.#text.dropped
    this.lines = this.#text.lines
  }
}
