/** Questions between peers on plane `ctl`: one ask, one answer or a deadline. */
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { MeshErrorCode } from '../errors.ts'
import type { PeerId } from '../ports.ts'
import type { PeerContext } from './context.ts'

const n = z.int().min(0).max(0xffffffff)
export const CtlFrame = z.discriminatedUnion('t', [
  z.object({ t: z.literal('ask'), n, what: z.string().max(32), arg: z.unknown() }),
  z.object({
    t: z.literal('answer'),
    n,
    ok: z.boolean(),
    value: z.unknown(),
    code: z.string().max(32).optional(),
    text: z.string().max(1000).optional()
  })
])
export type CtlFrame = z.infer<typeof CtlFrame>

export type Answer = (error: MeshError | undefined, value?: unknown) => void
export type Ask = (from: PeerId, arg: unknown, answer: Answer) => void

const OPEN_MAX = 1_000

export class Rpc {
  readonly #ctx: PeerContext
  readonly #served = new Map<string, Ask>()
  readonly #open = new Map<number, { to: PeerId; answer: Answer; timer: unknown }>()
  #n = 0

  constructor(ctx: PeerContext) {
    this.#ctx = ctx
  }

  serve(what: string, ask: Ask): void {
    this.#served.set(what, ask)
  }

  ask(to: PeerId, what: string, arg: unknown, withinMs: number, answer: Answer): void {
    const name = this.#ctx.nameOf(to)
    if (this.#open.size >= OPEN_MAX)
      return answer(new MeshError('BUSY', `${OPEN_MAX} questions to other peers are open already`))
    const n = (this.#n = (this.#n + 1) >>> 0)
    const late = new MeshError('DEADLINE', `${name} did not answer "${what}" within ${withinMs} ms`)
    const timer = this.#ctx.ports.clock.setTimeout(() => this.#settle(n, late), withinMs)
    this.#open.set(n, { to, answer, timer })
    if (!this.#ctx.send(to, 'ctl', { t: 'ask', n, what, arg }))
      this.#settle(n, new MeshError('PEER_UNREACHABLE', `${name} cannot be reached now`))
  }

  linkDown(peer: PeerId): void {
    for (const [n, open] of [...this.#open]) {
      if (open.to === peer)
        this.#settle(n, new MeshError('PEER_UNREACHABLE', `the link to ${this.#ctx.nameOf(peer)} broke`))
    }
  }

  frame(from: PeerId, frame: CtlFrame): void {
    if (frame.t === 'answer') {
      if (this.#open.get(frame.n)?.to !== from) return
      if (frame.ok) return this.#settle(frame.n, undefined, frame.value)
      return this.#settle(frame.n, new MeshError((frame.code ?? 'DENIED') as MeshErrorCode, frame.text ?? 'refused'))
    }
    const reply: Answer = (error, value) => {
      const message =
        error === undefined
          ? { t: 'answer', n: frame.n, ok: true, value: value ?? null }
          : { t: 'answer', n: frame.n, ok: false, value: null, code: error.code, text: error.message.slice(0, 1000) }
      this.#ctx.send(from, 'ctl', message)
    }
    const served = this.#served.get(frame.what)
    if (served === undefined)
      return reply(new MeshError('BAD_REQUEST', `this peer does not know the question "${frame.what}"`))
    served(from, frame.arg, reply)
  }

  #settle(n: number, error: MeshError | undefined, value?: unknown): void {
    const open = this.#open.get(n)
    if (open === undefined) return
    this.#open.delete(n)
    this.#ctx.ports.clock.clearTimeout(open.timer)
    open.answer(error, value)
  }
}
