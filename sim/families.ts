/**
 * Families of runs: what may go wrong, and what must hold all the same. `within`: no more than what is promised, so
 * everything must hold and, once all is mended, everything must come to its end. `beyond`: more than that; whatever
 * happens, nobody breaks down and nobody gives more than it has.
 */
import type { FaultClass } from './faults.ts'
import type { PlanOptions } from './plan.ts'

export interface Family {
  peers: readonly number[]
  classes: readonly FaultClass[]
  /** Clocks go wrong by up to this share. */
  rateError: number
  datagrams: boolean
  /** Also what must come to its end is looked at. */
  liveness: boolean
  /** A member lies: what others refuse, and keep for it, is not what honest ones would. */
  lies?: true
  /** The work is arrays. */
  arrays?: true
  /** Of the sessions that are submitted. Default: none. */
  strictShare?: number
  /** Mean time between two that are submitted, ms: at least, at most. Default: 700 to 8,000. */
  everyMs?: readonly [number, number]
  /** Mean time between faults. Default: 1,500 to 20,000. */
  faultEveryMs?: readonly [number, number]
  /** All sessions run until somebody stops them, and go on elsewhere when their PC is gone. */
  endless?: boolean
  /** Clocks go wrong by the whole error, one way or the other. */
  extreme?: boolean
  /** Laid over what is drawn. */
  fixed: Partial<PlanOptions>
}

const WITHIN: readonly FaultClass[] = [
  'kill',
  'powerCut',
  'restartStorm',
  'blackout',
  'cut',
  'isolate',
  'deaf',
  'partial',
  'flapping',
  'clog',
  'reset',
  'lossy',
  'pause',
  'slow',
  'suspend',
  'night',
  'wall',
  'fsync',
  'full',
  'readOnly',
  'unreadable',
  'down',
  'owner',
  'site'
]
/** Faults after which a run may never be doubled, not even for a moment. */
const CALM: readonly FaultClass[] = [
  'kill',
  'powerCut',
  'restartStorm',
  'blackout',
  'reset',
  'pause',
  'fsync',
  'down',
  'owner',
  'site'
]

const LEASE: readonly FaultClass[] = [
  'kill',
  'powerCut',
  'cut',
  'isolate',
  'deaf',
  'partial',
  'lossy',
  'reset',
  'pause',
  'suspend',
  'fsync',
  'site',
  'lease',
  'rekeep',
  'amnesia'
]

export const FAMILIES = {
  /** Sessions that may never run twice, not for a moment, whatever goes wrong. */
  strict: {
    peers: [3, 3, 4, 5, 5, 7, 9],
    classes: [...WITHIN, 'lease', 'rekeep', 'amnesia'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    strictShare: 0.7,
    fixed: {}
  },
  within: {
    peers: [3, 3, 4, 5, 5, 7, 9],
    classes: WITHIN,
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    fixed: {}
  },
  /** Few sessions, all strict, and most of what goes wrong does so at a moment of their registers and leases. */
  lease: {
    peers: [3, 4, 4, 5],
    classes: LEASE,
    rateError: 0.01,
    extreme: true,
    datagrams: false,
    liveness: true,
    strictShare: 1,
    everyMs: [3000, 15_000],
    fixed: {}
  },
  /** Nothing but a holder that loses the others at the worst moment of its lease. */
  edge: {
    peers: [4, 5],
    classes: ['edge'],
    rateError: 0.01,
    extreme: true,
    datagrams: false,
    liveness: true,
    strictShare: 1,
    endless: true,
    everyMs: [4000, 12_000],
    faultEveryMs: [5000, 15_000],
    fixed: {}
  },
  /** Nothing but voters that change all the time, and a network that parts between them. */
  churn: {
    peers: [4, 5],
    classes: ['churn'],
    rateError: 0.01,
    extreme: true,
    datagrams: false,
    liveness: true,
    strictShare: 1,
    endless: true,
    everyMs: [4000, 12_000],
    faultEveryMs: [1500, 5000],
    fixed: {}
  },
  /** Nothing but power that fails while a disk has taken a word and not written it yet. */
  power: {
    peers: [3, 4],
    classes: ['power'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    strictShare: 0.3,
    faultEveryMs: [4000, 12_000],
    fixed: { syncMaxMs: 40 }
  },
  /** Nothing but hand-overs that break half way. */
  hands: {
    peers: [3, 4],
    classes: ['hands'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    faultEveryMs: [4000, 12_000],
    fixed: {}
  },
  /** One PC is never seen again, in the middle of everything: all that may go on goes on without it. */
  loss: {
    peers: [3, 4, 5],
    classes: ['stolen', 'stolen', 'stolen', ...CALM],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    strictShare: 0.3,
    fixed: {}
  },
  /** Nothing but ends that are half heard. */
  ends: {
    peers: [2, 3, 3],
    classes: ['ends'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    faultEveryMs: [4000, 12_000],
    fixed: {}
  },
  /** Nothing but results of strict sessions that are half told. */
  results: {
    peers: [3, 4],
    classes: ['results'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    strictShare: 1,
    everyMs: [2000, 8000],
    faultEveryMs: [4000, 12_000],
    fixed: {}
  },
  calm: { peers: [3, 4, 5], classes: CALM, rateError: 0.01, datagrams: false, liveness: true, fixed: {} },
  arrays: {
    peers: [2, 3, 3, 4, 5],
    classes: WITHIN,
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    fixed: {},
    arrays: true
  },
  pair: { peers: [2], classes: WITHIN, rateError: 0.01, datagrams: false, liveness: true, fixed: {} },
  beyond: {
    peers: [2, 3, 4, 5, 7],
    classes: [...WITHIN, 'rot', 'newDisk'],
    rateError: 0.05,
    datagrams: true,
    liveness: false,
    fixed: {}
  },
  /** One member lies: it may spoil what it had a part in, and nobody breaks down or gives more than it has. */
  liars: {
    peers: [2, 3, 4, 5, 7],
    classes: ['lie', 'lie', 'lie', 'lie', 'kill', 'cut', 'reset', 'pause', 'down'],
    rateError: 0.01,
    datagrams: false,
    liveness: false,
    lies: true,
    strictShare: 0.3,
    fixed: {}
  },
  /** As beyond, and disks write to the wrong place. */
  astray: {
    peers: [2, 3, 4, 5, 7],
    classes: [...WITHIN, 'rot', 'astray', 'astray', 'newDisk'],
    rateError: 0.05,
    datagrams: true,
    liveness: false,
    fixed: {}
  },
  /** As liars, and the one that lies asks the others to hold what there is not. */
  inventors: {
    peers: [2, 3, 4, 5],
    classes: ['lie', 'invent', 'kill', 'cut', 'reset', 'pause', 'down'],
    rateError: 0.01,
    datagrams: false,
    liveness: false,
    lies: true,
    strictShare: 0.3,
    fixed: {}
  },
  /** Crowds that do not belong here come to the door of a PC, and what is promised holds all the same. */
  strangers: {
    peers: [2, 3, 4, 5],
    classes: [...CALM, 'strangers', 'strangers', 'strangers'],
    rateError: 0.01,
    datagrams: false,
    liveness: true,
    strictShare: 0.3,
    fixed: {}
  }
} as const satisfies Record<string, Family>
export type FamilyName = keyof typeof FAMILIES
export const familyOf = (name: FamilyName): Family => FAMILIES[name]
