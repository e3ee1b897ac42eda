/** The life of a member's peer process, from its disk to its farewell. What it does arrives through `input.do`. */
import { setup } from 'xstate'

export interface PeerActions {
  load(): void
  greet(): void
  drain(): void
  leave(): void
}
export type PeerLifeEvent =
  | { type: 'disk.loaded' }
  | { type: 'disk.failed' }
  | { type: 'mesh.isolated' }
  | { type: 'mesh.answers' }
  | { type: 'peer.down' }
  | { type: 'sessions.drained' }
  | { type: 'farewell.sent' }

export const peerMachine = setup({
  types: {} as { input: { do: PeerActions }; context: { do: PeerActions }; events: PeerLifeEvent },
  actions: {
    load: ({ context }) => context.do.load(),
    greet: ({ context }) => context.do.greet(),
    drain: ({ context }) => context.do.drain(),
    leave: ({ context }) => context.do.leave()
  },
  delays: {
    /** A drain that takes longer ends with what still runs. */
    drainLimit: 120_000,
    /** The farewell is a courtesy. */
    farewell: 300
  }
}).createMachine({
  id: 'peer',
  context: ({ input }) => input,
  initial: 'loading',
  states: {
    loading: { entry: 'load', on: { 'disk.loaded': 'active', 'disk.failed': 'failed' } },
    active: {
      entry: 'greet',
      initial: 'connected',
      on: { 'peer.down': 'draining' },
      states: {
        connected: { on: { 'mesh.isolated': 'isolated' } },
        /** No other member answers: what runs here goes on (available mode), the screen says so. */
        isolated: { on: { 'mesh.answers': 'connected' } }
      }
    },
    draining: { entry: 'drain', on: { 'sessions.drained': 'leaving' }, after: { drainLimit: 'leaving' } },
    leaving: { entry: 'leave', on: { 'farewell.sent': 'left' }, after: { farewell: 'left' } },
    left: { type: 'final' },
    failed: { type: 'final' }
  }
})
