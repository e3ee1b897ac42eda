/**
 * Moments at which the voters of a register change or are about to, and the network parts so that each side has some of
 * them: then only one side may decide, or none.
 */
import { membersOf } from '../protocols/register/index.ts'
import type { RegisterFrame } from '../protocols/register/index.ts'
import type { PeerId } from '../protocols/ports.ts'
import type { SimPc } from './pc.ts'
import type { Moment, Site, Sites } from './sites.ts'

/** Long enough for a challenger to wait for the end of a lease, and to run. */
const PARTED_MS = 16_000

type Accepting = Extract<Moment, { on: 'send' }> & { frame: Extract<RegisterFrame, { t: 'accept' }> }

const accepts = (m: Moment): m is Accepting => m.on === 'send' && m.frame?.t === 'accept'

/** `far` on one side, all others on the other. */
function part(sites: Sites, far: readonly SimPc[], forMs: number): void {
  sites.part(far, sites.others(...far), PARTED_MS + forMs)
}

/** The one old voter that is to hear of the change, and the new ones: a majority of the new voters, and not of the old. */
function believers({ from, frame }: Accepting): PeerId[] | undefined {
  const { voters, joint = [] } = frame.v.cfg
  const old = voters.find((peer) => joint.includes(peer)) ?? voters[0]!
  const side = [old, ...joint.filter((peer) => !voters.includes(peer) && peer !== from.id)]
  const isMajority = 2 * joint.filter((peer) => side.includes(peer)).length > joint.length
  return isMajority && voters.length > 2 && !voters.includes(from.id) ? side : undefined
}

export const CHURN_SITES = {
  /** The holder's side has half of the voters, and so has the other. */
  'network parts an even number of voters': {
    disturbs: true,
    hits: (m) => accepts(m) && m.frame.v.cfg.joint === undefined && m.frame.v.cfg.voters.length % 2 === 0,
    act: (sites, m, fault) => {
      const { from, frame } = m as Accepting
      const voters = membersOf(frame.v.cfg)
      const near = [from.id, ...voters.filter((peer) => peer !== from.id)].filter((peer) => voters.includes(peer))
      const half = new Set([from.id, ...near.slice(0, voters.length / 2)])
      part(
        sites,
        sites.others().filter((pc) => !half.has(pc.id)),
        fault.forMs
      )
    }
  },
  /** New voters and one of the old ones hear of the change, and then neither of the others nor of who asked for it. */
  'one side hears of new voters': {
    disturbs: true,
    hits: (m) => accepts(m) && m.frame.v.cfg.joint !== undefined && believers(m) !== undefined,
    act: (sites, m, fault) => {
      const accepting = m as Accepting
      const { b } = accepting.frame
      const far = new Set(believers(accepting))
      sites.lose(({ frame }, to) => frame?.t === 'accept' && frame.b.n === b.n && !far.has(to.id), 20)
      sites.later(20, () =>
        part(
          sites,
          sites.others().filter((pc) => far.has(pc.id)),
          fault.forMs
        )
      )
      return far.has(accepting.to.id) ? 'pass' : 'reset'
    }
  }
} as const satisfies Record<string, Site>
