/**
 * The life of one session at its owner (PROTOCOLS.md 2.4.2). The machine is data: what it does arrives through `input.do`,
 * time through the clock the actor is created with. A peer that takes a session over enters it where the record stands.
 */
import { assign, setup } from 'xstate'
import type { ChildEnd } from './events.ts'

export interface SessionActions {
  create(): void
  place(): void
  startChild(): void
  terminate(): void
  kill(): void
  publish(): void
  freeze(): void
}

export interface SessionInput {
  /** Where to enter. */
  resume: 'submitted' | 'placing' | 'starting' | 'running' | 'stopping'
  do: SessionActions
  /** True when a child that ended this way is to be started again. */
  restartsAfter(end: ChildEnd): boolean
  /** Pause before the next start of a child that ended, ms. */
  backoffMs(): number
  /** True while another peer may still be tried after a failed start. */
  mayTryElsewhere(): boolean
}

export type SessionEvent =
  | { type: 'record.accepted' }
  | { type: 'record.rejected'; cause: string }
  | { type: 'worker.self' }
  | { type: 'worker.bound'; cause: string }
  | { type: 'worker.none'; cause: string; final: boolean }
  | { type: 'view.changed' }
  | { type: 'child.started' }
  | { type: 'child.notStarted'; cause: string }
  | { type: 'child.exited'; end: ChildEnd; cause: string }
  | { type: 'child.gone'; cause: string; again: boolean }
  | { type: 'result.published' }
  /** An earlier owner, parted from this one, has run it to its end. */
  | { type: 'result.found'; cause: string }
  | { type: 'session.stop'; cause: string }
  | { type: 'session.drain'; cause: string }
  | { type: 'session.superseded'; cause: string }

type Context = SessionInput & { end: ChildEnd | undefined; moving: boolean; waitForBackoff: boolean }

export const sessionMachine = setup({
  types: {} as { input: SessionInput; context: Context; events: SessionEvent },
  actions: {
    create: ({ context }) => context.do.create(),
    place: ({ context }) => context.do.place(),
    startChild: ({ context }) => context.do.startChild(),
    terminate: ({ context }) => context.do.terminate(),
    kill: ({ context }) => context.do.kill(),
    publish: ({ context }) => context.do.publish(),
    freeze: ({ context }) => context.do.freeze()
  },
  delays: {
    /** A parked session looks again this often even when nothing it heard changed. */
    retry: ({ context }) => (context.waitForBackoff ? context.backoffMs() : 30_000),
    /** Polite signal first, then hard. */
    grace: 5_000,
    /** A process in uninterruptible sleep can survive SIGKILL; the person is told instead of waiting for ever. */
    giveUp: 30_000
  }
}).createMachine({
  id: 'session',
  context: ({ input }) => ({ ...input, end: undefined, moving: false, waitForBackoff: false }),
  initial: 'entering',
  on: { 'session.superseded': '.frozen' },
  states: {
    entering: {
      always: [
        { guard: ({ context }) => context.resume === 'submitted', target: 'submitted' },
        { guard: ({ context }) => context.resume === 'placing', target: 'placing' },
        { guard: ({ context }) => context.resume === 'starting', target: 'starting' },
        { guard: ({ context }) => context.resume === 'stopping', target: 'stopping' },
        { target: 'running' }
      ]
    },
    submitted: {
      entry: 'create',
      on: { 'record.accepted': 'placing', 'record.rejected': 'failed', 'session.stop': 'stopped' }
    },
    placing: {
      entry: [assign({ waitForBackoff: false, moving: false }), 'place'],
      on: {
        'worker.self': 'starting',
        'worker.bound': 'handed',
        'worker.none': [{ guard: ({ event }) => event.final, target: 'failed' }, { target: 'pending' }],
        'result.found': 'finished',
        'session.stop': 'stopped'
      }
    },
    pending: {
      on: {
        'view.changed': { guard: ({ context }) => !context.waitForBackoff, target: 'placing' },
        'result.found': 'finished',
        'session.stop': 'stopped'
      },
      after: { retry: 'placing' }
    },
    starting: {
      entry: 'startChild',
      on: {
        'child.started': 'running',
        'child.exited': { target: 'finishing', actions: assign({ end: ({ event }) => event.end }) },
        'child.notStarted': [
          { guard: ({ context }) => context.mayTryElsewhere(), target: 'placing' },
          { target: 'failed' }
        ],
        'child.gone': [{ guard: ({ event }) => event.again, target: 'placing' }, { target: 'failed' }],
        'session.stop': 'stopping',
        'session.drain': { target: 'stopping', actions: assign({ moving: true }) }
      }
    },
    running: {
      on: {
        'child.exited': { target: 'finishing', actions: assign({ end: ({ event }) => event.end }) },
        'child.gone': [{ guard: ({ event }) => event.again, target: 'placing' }, { target: 'failed' }],
        'session.stop': 'stopping',
        'session.drain': { target: 'stopping', actions: assign({ moving: true }) }
      }
    },
    finishing: {
      entry: 'publish',
      on: {
        'result.published': [
          {
            guard: ({ context }) => context.end !== undefined && context.restartsAfter(context.end),
            target: 'pending',
            actions: assign({ waitForBackoff: true })
          },
          { target: 'finished' }
        ]
      }
    },
    stopping: {
      entry: 'terminate',
      on: {
        'child.exited': [{ guard: ({ context }) => context.moving, target: 'placing' }, { target: 'stopped' }],
        // It was about to run when the stop came.
        'child.started': { actions: 'terminate' },
        'child.notStarted': [{ guard: ({ context }) => context.moving, target: 'placing' }, { target: 'stopped' }],
        'child.gone': [{ guard: ({ context }) => context.moving, target: 'placing' }, { target: 'stopped' }],
        'session.stop': { actions: assign({ moving: false }) }
      },
      after: { grace: { actions: 'kill' }, giveUp: 'failed' }
    },
    /** A newer owner exists; what runs here is kept still until a person says what becomes of it. */
    frozen: {
      entry: 'freeze',
      on: {
        'session.stop': { target: 'discarded', actions: 'kill' },
        'child.exited': 'discarded',
        'child.gone': 'discarded'
      }
    },
    finished: { type: 'final' },
    stopped: { type: 'final' },
    failed: { type: 'final' },
    /** The right to run went to another peer. */
    handed: { type: 'final' },
    discarded: { type: 'final' }
  }
})
