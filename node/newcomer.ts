/**
 * This PC while it has no mesh: it looks for open doors and stands at those it finds, joins by invite or by consent, or ends
 * up alone. The lifecycle is protocols/joining's machine; here are its actors and what the screens show of it.
 */
import { createActor, fromCallback } from 'xstate'
import type { Actor } from 'xstate'
import { MeshError } from '../protocols/errors.ts'
import { joiningMachine } from '../protocols/joining/index.ts'
import type { Enrolled, JoinBy, JoiningEvent } from '../protocols/joining/index.ts'
import { lookForDoors } from './adapters/discovery.ts'
import { enrolByInvite, knock } from './adapters/enrolment-newcomer.ts'
import type { NewcomerOptions, StandingKnock } from './adapters/enrolment-newcomer.ts'
import type { OfferView } from './http/views.ts'
import type { Clock, Log } from '../protocols/ports.ts'

export interface LookOptions {
  lookMs: number
  acceptOpenDoor: boolean
  invite?: string
  enrol: NewcomerOptions
  clock: Clock
  log: Log
  onChange(): void
}

/** How it ended: a membership on disk, alone, or failed with an invite. */
export type LookOutcome = { k: 'enrolled'; enrolled: Enrolled } | { k: 'alone' } | { k: 'failed'; error: MeshError }

export class Newcomer {
  readonly outcome: Promise<LookOutcome>
  readonly #options: LookOptions
  readonly #actor: Actor<typeof joiningMachine>
  readonly #standing = new Map<string, StandingKnock>()
  #over = false

  constructor(options: LookOptions) {
    this.#options = options
    const machine = joiningMachine.provide({
      actors: {
        look: fromCallback<JoiningEvent, JoinBy | undefined>(({ sendBack }) => this.#look(sendBack)),
        enrol: fromCallback<JoiningEvent, JoinBy | undefined>(({ sendBack, input }) => this.#enrol(sendBack, input))
      }
    })
    const { clock, lookMs, acceptOpenDoor, invite } = options
    this.#actor = createActor(machine, {
      input: { lookMs, acceptOpenDoor, ...(invite === undefined ? {} : { invite }) },
      clock: {
        setTimeout: (fn: () => void, ms: number) => clock.setTimeout(fn, ms),
        clearTimeout: (timer) => clock.clearTimeout(timer)
      }
    })
    this.outcome = new Promise((resolve) => {
      this.#actor.subscribe((snapshot) => {
        options.onChange()
        const { value, context } = snapshot
        if (value === 'enrolled') resolve({ k: 'enrolled', enrolled: context.enrolled! })
        else if (value === 'alone') resolve({ k: 'alone' })
        else if (value === 'failed') resolve({ k: 'failed', error: context.error! })
      })
    })
    void this.outcome.then(() => {
      this.#over = true
      this.#withdrawAll()
    })
    this.#actor.start()
  }

  offers(): OfferView[] {
    const { offers } = this.#actor.getSnapshot().context
    return Object.entries(offers).map(([id, offer]) => ({
      id,
      meshName: offer.meshName,
      memberName: offer.memberName,
      words: offer.words
    }))
  }

  /** The person agrees to join. Resolves when this PC is a member; rejects when that failed, though the search goes on. */
  async accept(id: string): Promise<void> {
    if (!this.offers().some((offer) => offer.id === id))
      throw new MeshError('BAD_REQUEST', 'that offer is gone: the door was closed or the PC went away')
    await this.#attempt({ type: 'person.consented', id })
  }
  /** Like `accept`, by an invite. */
  async join(invite: string): Promise<void> {
    await this.#attempt({ type: 'invite.given', invite })
  }
  /** A mesh of its own now. */
  decline(): void {
    this.#actor.send({ type: 'person.declined' })
  }
  /** Why the last attempt to enrol failed. */
  get lastError(): MeshError | undefined {
    return this.#actor.getSnapshot().context.error
  }

  #attempt(event: JoiningEvent): Promise<void> {
    const before = this.lastError
    return new Promise((resolve, reject) => {
      const watch = this.#actor.subscribe(({ value, status, context: { error } }) => {
        const failed = error !== undefined && error !== before
        if (status === 'active' && !failed) return
        watch.unsubscribe()
        if (value === 'enrolled') resolve()
        else reject(failed ? error : new MeshError('BAD_REQUEST', 'this PC has made a mesh of its own meanwhile'))
      })
      this.#actor.send(event)
    })
  }

  #look(tell: (event: JoiningEvent) => void): () => void {
    const { enrol, log } = this.#options
    const search = lookForDoors((door) => {
      if (this.#standing.has(door.id)) return
      knock(door.addresses, enrol).then(
        (standing) => {
          // The search was over before this door answered.
          if (this.#over) return standing.withdraw()
          this.#standing.set(door.id, standing)
          tell({ type: 'door.offered', id: door.id, offer: standing.offer })
          void standing.gone.then(() => {
            this.#standing.delete(door.id)
            tell({ type: 'door.gone', id: door.id })
          })
        },
        (error: Error) => log.info('a door did not answer', { addresses: door.addresses, cause: error.message })
      )
    }, log)
    return () => search.stop()
  }

  #enrol(tell: (event: JoiningEvent) => void, by: JoinBy | undefined): void {
    const enrolled =
      by === undefined
        ? undefined
        : 'invite' in by
          ? enrolByInvite(by.invite, this.#options.enrol)
          : this.#standing.get(by.offerId)?.accept()
    if (enrolled === undefined)
      return tell({ type: 'enrol.failed', error: new MeshError('BAD_REQUEST', 'that offer is gone') })
    enrolled.then(
      (result) => tell({ type: 'enrol.done', enrolled: result }),
      (error: unknown) =>
        tell({
          type: 'enrol.failed',
          error:
            error instanceof MeshError ? error : new MeshError('DENIED', (error as Error).message, { cause: error })
        })
    )
  }

  #withdrawAll(): void {
    for (const standing of this.#standing.values()) standing.withdraw()
    this.#standing.clear()
  }
}
