/**
 * Moments at which the end of a session is half heard: a stop that its owner misses, a run that ends while the program that
 * is to hear of it is away. Never more than one PC is off: who is left alone decides alone, and nothing of this is promised.
 */
import { survivesRunner } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { Moment, Site } from './sites.ts'

/** No word of a stop reaches the owner for so long; by then all who wanted to tell it have. */
const UNHEARD_MS = 300
/** Others have let another run it by then. */
const AWAY_MS = 9000

type Put = Extract<Moment, { on: 'send' }> & { record: SessionRecord }

/** An owner tells a keeper of its own session. */
function tells(moment: Moment, state: SessionRecord['state']): moment is Put {
  if (moment.on !== 'send' || moment.kind !== 'put') return false
  return moment.record?.state === state && moment.record.owner === moment.from.id
}

/** How long the process has still to run here, when it ends by itself. */
const endsInMs = ({ from, record }: Put): number | undefined => from.host.endsInMs(record.id, record.epoch)

export const END_SITES = {
  /** Whoever keeps the session has it on disk; a broken cable costs the owner every word of it. */
  'stop is lost to the owner': {
    disturbs: false,
    hits: (m) => m.on === 'send' && m.kind === 'stop',
    act: (sites, m) => {
      const owner = (m as Extract<Moment, { on: 'send' }>).to
      sites.lose(({ kind }, to) => kind === 'stop' && to === owner, UNHEARD_MS)
      return 'reset'
    }
  },
  /** It is recorded wherever the session is kept, then newer versions come of an owner that never hears of it. */
  'stop comes as it starts, and its owner dies': {
    disturbs: false,
    hits: (m) => tells(m, 'starting'),
    act: (sites, m, fault) => {
      const { from, to, record } = m as Put
      sites.alone(UNHEARD_MS + fault.forMs, () => {
        // until it is off, and no longer: nothing but its death parts it from the others
        sites.block(sites.others(from), [from], UNHEARD_MS + 1)
        sites.stop(record, to)
        sites.later(UNHEARD_MS, () => sites.powerCutNow(from, fault))
      })
    }
  },
  /** It is back when another runs it, and has lost its own run. */
  'runner is off until another runs it': {
    disturbs: false,
    hits: (m) => tells(m, 'running') && survivesRunner(m.record),
    act: (sites, m, fault) => {
      const forMs = AWAY_MS + fault.forMs / 2
      sites.alone(forMs, () => sites.powerCutNow((m as Put).from, { ...fault, forMs }))
    }
  },
  /** Its program is back when the others have long let another run it. */
  'run ends while its program is away': {
    disturbs: false,
    hits: (m) => tells(m, 'running') && survivesRunner(m.record) && endsInMs(m) !== undefined,
    act: (sites, m, fault) => {
      const put = m as Put
      const beforeMs = 200 + fault.forMs / 8
      const forMs = AWAY_MS + fault.forMs / 2
      sites.later(Math.max(0, endsInMs(put)! - beforeMs), () =>
        sites.alone(forMs, () => {
          put.from.killPeerProcess()
          sites.later(forMs, () => put.from.start())
        })
      )
    }
  }
} as const satisfies Record<string, Site>
