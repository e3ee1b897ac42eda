/** The keepers of a session's record: asked before this peer acts on an old right, replaced when they are gone. */
import type { PeerId, SessionId } from '../ports.ts'
import { REPLACE_KEEPER_MS, replaceKeepers, summarize } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Owning } from './owning.ts'
import type { Records } from './records.ts'

/** Keepers have this long to answer before this peer decides alone about what it owned before it was away. */
const ASK_KEEPERS_MS = 5_000
const ASK_AGAIN_MS = 250
/** The look at keepers that are gone comes so much after the first of them may be replaced. */
const SLACK_MS = 500

export class Keepers {
  readonly #ctx: PeerContext
  readonly #records: Records
  readonly #owning: Owning
  #timer: unknown

  constructor(ctx: PeerContext, records: Records, owning: Owning) {
    this.#ctx = ctx
    this.#records = records
    this.#owning = owning
  }

  /**
   * The newest record, once every keeper has answered or enough time has passed: also a peer that only slept wakes with
   * links that are gone without its knowing, while the others have long gone on without it.
   */
  ask(
    id: SessionId,
    keepers: readonly PeerId[],
    then: (newest: SessionRecord | undefined) => void,
    since = this.#ctx.ports.clock.mono()
  ): void {
    const { clock } = this.#ctx.ports
    const others = keepers.filter((keeper) => keeper !== this.#ctx.self)
    const isOver = (): boolean => clock.mono() - since >= ASK_KEEPERS_MS
    const again = (): void => void clock.setTimeout(() => this.ask(id, keepers, then, since), ASK_AGAIN_MS)
    if (!isOver() && others.some((keeper) => !this.#ctx.reachable(keeper))) return again()
    this.#records.newest(id, keepers, (newest, answered) =>
      answered < others.length && !isOver() ? again() : then(newest)
    )
  }

  /** A member came, went or died: its sessions may be taken over after a while. */
  membersChanged(inMs = REPLACE_KEEPER_MS): void {
    this.#timer ??= this.#ctx.ports.clock.setTimeout(() => {
      this.#timer = undefined
      for (const id of this.#owning.ids()) this.#replace(id)
      const nextMs = this.#nextMs()
      if (nextMs !== undefined) this.membersChanged(nextMs)
    }, inMs + SLACK_MS)
  }

  /** Until the first keeper that is gone may be replaced; a minute while nobody is there to take its place. */
  #nextMs(): number | undefined {
    const keepers = [...this.#owning.ids()].flatMap((id) => this.#records.all.get(id)?.keepers ?? [])
    const inMs = [...new Set(keepers)].flatMap((keeper) => {
      const goneMs = this.#ctx.goneMs(keeper)
      if (goneMs === undefined) return []
      return goneMs >= REPLACE_KEEPER_MS ? REPLACE_KEEPER_MS : REPLACE_KEEPER_MS - goneMs
    })
    return inMs.length === 0 ? undefined : Math.min(...inMs)
  }

  /** Records of live sessions get back the copies that were lost with a keeper, or never were. */
  #replace(id: SessionId): void {
    const record = this.#records.all.get(id)
    if (record?.owner !== this.#ctx.self) return
    const gone = (peer: PeerId): boolean => (this.#ctx.goneMs(peer) ?? 0) >= REPLACE_KEEPER_MS
    const keepers = replaceKeepers(record, gone, this.#ctx.alivePeers(), this.#ctx.ports.crypto)
    if (keepers === undefined) return
    const next = this.#owning.update(record, { keepers })
    this.#records.commit(next, 2, () => this.#ctx.publish(summarize(next)))
  }
}
