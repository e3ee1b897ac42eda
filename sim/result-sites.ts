/**
 * Moments between the end of a strict run and the hour at which all know of it: on one disk, on two, told to one voter, told to
 * all. In each of them the owner loses the others.
 */
import { FINAL_STATES } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { RegisterFrame } from '../protocols/register/index.ts'
import type { Moment, Site } from './sites.ts'

/** Words about a session are lost for so long, words about its register only where the same cable carried them. */
const UNHEARD_MS = 300
/** Long enough for others to take the right, and to run it again. */
const PARTED_MS = 14_000

type Sent = Extract<Moment, { on: 'send' }>

/** The owner of a strict session tells a keeper of this step of it. */
function tells(m: Moment, also: (record: SessionRecord) => boolean): boolean {
  if (m.on !== 'send' || m.kind !== 'put' || m.record === undefined) return false
  return m.record.owner === m.from.id && m.record.spec.mode === 'strict' && also(m.record)
}
const hasResult = ({ state, exit }: SessionRecord): boolean =>
  exit !== undefined && (state === 'running' || state === 'finishing')
const endsOtherwise = ({ state }: SessionRecord): boolean => FINAL_STATES.has(state) && state !== 'finished'

export const RESULT_SITES = {
  'result is lost on its way to the keepers': {
    disturbs: false,
    hits: (m) => tells(m, hasResult),
    act: (sites) => {
      sites.lose(({ kind }) => kind === 'put', UNHEARD_MS)
      return 'reset'
    }
  },
  /** Also its own: the end is told to nobody. */
  'no disk takes the last word': {
    disturbs: false,
    hits: (m) => tells(m, endsOtherwise),
    act: (sites, m) => {
      const { disk } = (m as Sent).from
      disk.full = true
      sites.later(UNHEARD_MS, () => (disk.full = false))
      sites.lose(({ kind }) => kind === 'put', UNHEARD_MS)
      return 'reset'
    }
  },
  /** Whoever is left with the voters takes the right, and runs it again unless these know. */
  'owner is cut off with a result on two disks': {
    disturbs: true,
    hits: (m) => tells(m, hasResult),
    act: (sites, m, fault) =>
      sites.later(3 * fault.afterMs, () => sites.silence((m as Sent).from, PARTED_MS + fault.forMs))
  },
  /** Neither chosen nor surely not. */
  'one voter hears of the end, and its owner dies': {
    disturbs: false,
    hits: (m) => m.on === 'send' && m.frame?.t === 'accept' && m.frame.v.own.over && m.to !== m.from,
    act: (sites, m, fault) => {
      const { from, to, frame } = m as Sent & { frame: Extract<RegisterFrame, { t: 'accept' }> }
      const { n } = frame.b
      sites.lose(({ frame: other }, receiver) => other?.t === 'accept' && other.b.n === n && receiver !== to, 20)
      sites.later(0, () => sites.powerCutNow(from, fault))
      return 'pass'
    }
  }
} as const satisfies Record<string, Site>
