/**
 * Moments in the life of a register and of the right kept in it, at which a PC dies, stalls, sleeps or is cut off: half of a
 * word said, on disk and not answered, one breath before a lease ends or after it.
 */
import type { RegisterFrame } from '../protocols/register/index.ts'
import type { Fate } from './fabric.ts'
import type { SimPc } from './pc.ts'
import type { Moment, Site, SiteFault, Sites } from './sites.ts'

type Frame<K extends RegisterFrame['t']> = Extract<RegisterFrame, { t: K }>

function frameOf<K extends RegisterFrame['t']>(moment: Moment, kind: K): Frame<K> | undefined {
  const frame = moment.on === 'send' ? moment.frame : undefined
  return frame?.t === kind ? (frame as Frame<K>) : undefined
}
const sends =
  <K extends RegisterFrame['t']>(kind: K, also: (frame: Frame<K>, from: SimPc) => boolean = () => true) =>
  (moment: Moment): boolean => {
    const frame = frameOf(moment, kind)
    return frame !== undefined && moment.on === 'send' && also(frame, moment.from)
  }

/** The holder asks for more time. */
const renews = ({ v }: Frame<'accept'>, from: SimPc): boolean => v.own.peer === from.id && v.own.seq > 0
/** Another takes the right, or is given it. */
const changesHands = ({ v }: Frame<'accept'>): boolean => v.own.seq === 0 && v.own.epoch > 0
const parts = (moment: Moment): { from: SimPc; to: SimPc } =>
  moment.on === 'send' ? moment : { from: moment.pc, to: moment.pc }
const of = (moment: Moment): SimPc => parts(moment).from

/** True time until the right that this PC holds is over; undefined when it holds none. */
function leftMs(pc: SimPc, id: string): number | undefined {
  const until = pc.peer?.sessions.strict.registers.until(id)
  return until === undefined ? undefined : (until - pc.mono) / pc.clock.rate
}

/** Does it so long before (negative) or after the end of what the holder has now, though it is being renewed. */
function aroundTheEnd(act: (sites: Sites, pc: SimPc, inMs: number, fault: SiteFault) => void): Site['act'] {
  return (sites, moment, fault) => {
    const frame = frameOf(moment, 'accept')!
    const inMs = leftMs(of(moment), frame.id)
    if (inMs !== undefined) act(sites, of(moment), inMs, fault)
  }
}

/** The first that is to hear it does not, and the speaker dies at once: some of the others have heard. */
const halfSaid: Site['act'] = (sites, moment, fault): Fate => {
  sites.later(0, () => sites.powerCutNow(of(moment), fault))
  return 'reset'
}
const diesAfter =
  (pick: (moment: Moment) => SimPc): Site['act'] =>
  (sites, moment, fault) =>
    sites.powerCut(pick(moment), fault)
const reset = (): Fate => 'reset'

export const LEASE_SITES = {
  'proposer dies with its accept half said': { disturbs: false, hits: sends('accept'), act: halfSaid },
  'proposer dies when its accept is sent': { disturbs: false, hits: sends('accept'), act: diesAfter(of) },
  'program ends when its accept is sent': {
    disturbs: false,
    hits: sends('accept'),
    act: (sites, m, fault) => sites.kill(of(m), fault)
  },
  'proposer dies after the first promise': {
    disturbs: false,
    hits: sends('promise'),
    act: diesAfter((m) => parts(m).to)
  },
  'acceptor dies after its promise': { disturbs: false, hits: sends('promise'), act: diesAfter(of) },
  'acceptor dies after it has accepted': { disturbs: false, hits: sends('accepted'), act: diesAfter(of) },
  'acceptor dies before its word is on disk': {
    disturbs: false,
    hits: (m) => m.on === 'slotWrite',
    act: diesAfter(of)
  },
  'acceptor dies with its word on disk': {
    disturbs: false,
    hits: (m) => m.on === 'slotSynced',
    act: (sites, m, fault) => sites.powerCutNow(of(m), fault)
  },
  'accepted is lost': { disturbs: false, hits: sends('accepted'), act: reset },
  'accept is lost': { disturbs: false, hits: sends('accept'), act: reset },
  'refuse is lost': { disturbs: false, hits: sends('refuse'), act: reset },
  'proposer dies while keepers change': {
    disturbs: false,
    hits: sends('accept', ({ v }) => v.cfg.joint !== undefined),
    act: halfSaid
  },
  'proposer is cut off while keepers change': {
    disturbs: true,
    hits: sends('accept', ({ v }) => v.cfg.joint !== undefined),
    act: (sites, m, fault) => sites.isolate(of(m), fault)
  },
  /** It goes on one millisecond before its right ends, and the answers have come meanwhile. */
  'renewal is answered as the right ends': {
    disturbs: true,
    stalls: true,
    hits: sends('accept', renews),
    act: aroundTheEnd((sites, pc, inMs) => sites.stall(pc, Math.max(1, inMs - 1)))
  },
  'renewal is answered after the right has ended': {
    disturbs: true,
    stalls: true,
    hits: sends('accept', renews),
    act: aroundTheEnd((sites, pc, inMs, fault) => sites.stall(pc, Math.max(1, inMs + fault.afterMs)))
  },
  'holder stalls as its right ends': {
    disturbs: true,
    stalls: true,
    hits: sends('accept', renews),
    act: aroundTheEnd((sites, pc, inMs, fault) => {
      // nothing renews it any more
      sites.isolate(pc, fault)
      sites.stall(pc, 2000 + fault.forMs, Math.max(0, inMs - 1))
    })
  },
  'renewal is answered, and nothing after': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => sites.later(60 + fault.afterMs, () => sites.silence(of(m), 8000 + fault.forMs))
  },
  /** The answers wait until it goes on, and then it hears no more. */
  'renewal is answered late, and nothing after': {
    disturbs: true,
    stalls: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => {
      sites.stall(of(m), 1000 + fault.forMs / 10)
      sites.later(100, () => sites.silence(of(m), 8000 + fault.forMs))
    }
  },
  /** Its voters have taken it at once; the holder learns that from a later try of the same attempt. */
  'renewal is answered at a later try, and nothing after': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => {
      const deafMs = 400 + fault.forMs / 40
      sites.block(sites.others(of(m)), [of(m)], deafMs)
      sites.later(deafMs + 150 + fault.afterMs, () => sites.silence(of(m), 8000 + fault.forMs))
    }
  },
  /** Its voters have taken it, the holder does not know, asks again, hears of it, and hears no more. */
  'renewal stays in doubt, is read, and nothing after': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => {
      const deafMs = 1300 + fault.forMs / 10
      sites.block(sites.others(of(m)), [of(m)], deafMs)
      sites.later(deafMs + 250 + fault.afterMs * 10, () => sites.silence(of(m), 8000 + fault.forMs))
    }
  },
  /** One voter takes an attempt that the others never hear of, then all take the next one. */
  'renewal reaches one, the next all, and nothing after': {
    disturbs: true,
    hits: sends('accept', (frame, from) => renews(frame, from) && !frame.v.cfg.voters.includes(from.id)),
    act: (sites, m, fault) => {
      const { from, to } = parts(m)
      const { b } = frameOf(m, 'accept')!
      sites.lose(({ frame }, receiver) => frame?.t === 'accept' && frame.b.n === b.n && receiver !== to, 20)
      sites.silence(from, 1250)
      // its first word counted for nothing; it must not speak of it before it takes the next
      sites.block([to], [from], 2600)
      sites.later(2500 + fault.afterMs * 10, () => sites.silence(from, 8000 + fault.forMs))
      return 'pass'
    }
  },
  'holder is cut off and its program dies': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => {
      sites.isolate(of(m), fault)
      sites.later(fault.forMs / 3, () => sites.kill(of(m), fault))
    }
  },
  'holder sleeps for as long as others wait': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => sites.later(fault.afterMs, () => of(m).suspend(6000 + fault.forMs / 4))
  },
  'holder hears nothing and is heard': {
    disturbs: true,
    hits: sends('accept', renews),
    act: (sites, m, fault) => sites.deafen(of(m), fault)
  },
  'holder stalls before it starts': {
    disturbs: true,
    stalls: true,
    hits: sends('accept', changesHands),
    act: (sites, m, fault) => sites.stall(of(m), 5500 + fault.forMs / 4, fault.afterMs)
  },
  'network parts when the right changes hands': {
    disturbs: true,
    hits: sends('accept', changesHands),
    act: (sites, m, fault) => sites.isolate(of(m), fault)
  },
  'all are back when the right changes hands': {
    disturbs: false,
    hits: sends('accept', changesHands),
    act: (sites) => sites.startAll()
  },
  'taker dies when the right changes hands': {
    disturbs: false,
    hits: sends('accept', changesHands),
    act: diesAfter(of)
  },
  'old accept after the right changed hands': {
    disturbs: false,
    hits: sends('accept', changesHands),
    act: (sites, m, fault) => sites.repeatOldAccept(frameOf(m, 'accept')!.id, fault)
  },
  'all lose power when the right changes hands': {
    disturbs: false,
    hits: sends('accept', changesHands),
    act: (sites, _, fault) => sites.blackout(fault)
  }
} as const satisfies Record<string, Site>

/** The holder has the longest lease that it can have, and nobody hears of it any more. */
export const EDGE_SITES = [
  'renewal is answered, and nothing after',
  'renewal is answered late, and nothing after',
  'renewal is answered at a later try, and nothing after',
  'renewal stays in doubt, is read, and nothing after',
  'renewal reaches one, the next all, and nothing after',
  'holder stalls as its right ends'
] as const satisfies readonly (keyof typeof LEASE_SITES)[]
