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
  /** The work is arrays. */
  arrays?: true
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

export const FAMILIES = {
  within: {
    peers: [3, 3, 4, 5, 5, 7, 9],
    classes: WITHIN,
    rateError: 0.01,
    datagrams: false,
    liveness: true,
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
  }
} as const satisfies Record<string, Family>
export type FamilyName = keyof typeof FAMILIES
