/**
 * How a PC without a mesh comes into one: it looks for open doors, its person agrees to an offer, it enrols; or it brings
 * an invite and enrols at once. When nothing was found it ends in `alone`, and its peer makes a mesh of its own. Looking and
 * enrolling are actors that the host provides; time is the machine's clock.
 */
import { assign, fromCallback, setup } from 'xstate'
import { MeshError } from '../errors.ts'
import type { Enrolled, Offer } from './enrol-newcomer.ts'

export interface JoiningInput {
  /** How long to look while there is no offer. */
  lookMs: number
  /** Takes the first offer without a person: `--accept-open-door`. */
  acceptOpenDoor: boolean
  invite?: string
}
/** What to enrol by: an invite, or the offer (of that id) that a person agreed to. */
export type JoinBy = { invite: string } | { offerId: string }

export type JoiningEvent =
  /** From the `look` actor: a member proved itself and both sides have the words. */
  | { type: 'door.offered'; id: string; offer: Offer }
  | { type: 'door.gone'; id: string }
  | { type: 'person.consented'; id: string }
  | { type: 'invite.given'; invite: string }
  /** A person wants a mesh of its own now. */
  | { type: 'person.declined' }
  /** From the `enrol` actor. `Enrolled` is on disk. */
  | { type: 'enrol.done'; enrolled: Enrolled }
  | { type: 'enrol.failed'; error: MeshError }

export interface JoiningContext extends JoiningInput {
  offers: Readonly<Record<string, Offer>>
  by?: JoinBy
  enrolled?: Enrolled
  /** Why the last attempt failed. */
  error?: MeshError
}

const missing = (name: string) =>
  fromCallback<JoiningEvent, JoinBy | undefined>(() => {
    throw new MeshError('NOT_ACTIVE', `the joining machine runs without its "${name}" actor`)
  })

export const joiningMachine = setup({
  types: {} as { input: JoiningInput; context: JoiningContext; events: JoiningEvent },
  actors: { look: missing('look'), enrol: missing('enrol') },
  delays: { look: ({ context }) => context.lookMs },
  guards: {
    hasInvite: ({ context }) => context.invite !== undefined,
    hasOffer: ({ context }) => Object.keys(context.offers).length > 0,
    isOffered: ({ context, event }) => event.type === 'person.consented' && event.id in context.offers,
    mayAccept: ({ context }) => context.acceptOpenDoor && Object.keys(context.offers).length > 0
  },
  actions: {
    keepOffer: assign(({ context, event }) =>
      event.type === 'door.offered' ? { offers: { ...context.offers, [event.id]: event.offer } } : {}
    ),
    dropOffer: assign(({ context, event }) => {
      if (event.type !== 'door.gone') return {}
      const { [event.id]: _gone, ...offers } = context.offers
      return { offers }
    }),
    dropOffers: assign({ offers: () => ({}) }),
    dropTried: assign(({ context: { by, offers } }) => {
      if (by === undefined || !('offerId' in by)) return {}
      const { [by.offerId]: _tried, ...others } = offers
      return { offers: others }
    }),
    keepError: assign(({ event }) => (event.type === 'enrol.failed' ? { error: event.error } : {})),
    keepMembership: assign(({ event }) => (event.type === 'enrol.done' ? { enrolled: event.enrolled } : {})),
    byOffer: assign(({ event }) => (event.type === 'person.consented' ? { by: { offerId: event.id } } : {})),
    byFirstOffer: assign(({ context }) => ({ by: { offerId: Object.keys(context.offers)[0]! } })),
    byInvite: assign(({ context, event }) => ({
      by: { invite: event.type === 'invite.given' ? event.invite : context.invite! }
    }))
  }
}).createMachine({
  id: 'joining',
  context: ({ input }) => ({ ...input, offers: {} }),
  initial: 'deciding',
  states: {
    deciding: { always: [{ guard: 'hasInvite', target: 'enrolling', actions: 'byInvite' }, { target: 'open' }] },
    open: {
      initial: 'looking',
      // Looking goes on while enrolling at a door: the conversation in which the offer was made belongs to that actor.
      invoke: { src: 'look', input: () => undefined },
      on: {
        'door.offered': { actions: 'keepOffer', target: '.offered' },
        'door.gone': { actions: 'dropOffer', target: '.weighing' },
        'invite.given': { actions: 'byInvite', target: 'enrolling' },
        'person.declined': 'alone'
      },
      states: {
        looking: { after: { look: '#joining.alone' } },
        weighing: { always: [{ guard: 'hasOffer', target: 'offered' }, { target: 'looking' }] },
        offered: {
          always: { guard: 'mayAccept', actions: 'byFirstOffer', target: 'consented' },
          on: { 'person.consented': { guard: 'isOffered', actions: 'byOffer', target: 'consented' } }
        },
        consented: {
          invoke: { src: 'enrol', input: ({ context }) => context.by },
          on: {
            'door.offered': { actions: 'keepOffer' },
            'door.gone': { actions: 'dropOffer' },
            'enrol.done': { actions: 'keepMembership', target: '#joining.enrolled' },
            'enrol.failed': { actions: ['keepError', 'dropTried'], target: 'weighing' }
          }
        }
      }
    },
    enrolling: {
      invoke: { src: 'enrol', input: ({ context }) => context.by },
      on: {
        'enrol.done': { actions: 'keepMembership', target: 'enrolled' },
        'enrol.failed': [
          { guard: 'hasInvite', actions: 'keepError', target: 'failed' },
          { actions: ['keepError', 'dropOffers'], target: 'open' }
        ]
      }
    },
    enrolled: { type: 'final' },
    alone: { type: 'final' },
    failed: { type: 'final' }
  }
})
