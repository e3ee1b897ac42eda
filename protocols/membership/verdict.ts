/**
 * Suspicion, as in SWIM with Lifeguard's timers: an observer accuses, others confirm, the accused objects by a higher
 * incarnation; whom nobody hears in time is declared dead. PROTOCOLS.md 2.1.
 */
import type { PeerId } from '../ports.ts'
import { keepRow } from './keep.ts'
import { become, nameOf, reissueOwn } from './rows.ts'
import { spread, takeNews } from './spread.ts'
import { arm, count, send } from './state.ts'
import type { Turn } from './state.ts'
import type { Row } from './row.ts'
import { MEMBER_LIMITS } from './wire.ts'
import type { Item, Why } from './wire.ts'

export type Verdict = Extract<Item, { k: 'v' }>

/** This peer's own finding, from a question put at `missedAt`. A peer that lagged a moment ago keeps it to itself. */
export function accuse(t: Turn, row: Row, why: Why, missedAt: number): void {
  if (t.env.now < t.s.laggedUntil) count(t, 'mem.accuse.lagging')
  else if (row.state === 'alive' || row.state === 'suspect') suspect(t, row, [t.s.self], why, undefined, missedAt)
}

/** What others found. Returns the row when the suspicion is new here, so that this peer looks for itself. */
export function hearVerdict(t: Turn, from: PeerId, v: Verdict): Row | undefined {
  if (v.p === t.s.self) {
    objectTo(t, from, v.i)
    return undefined
  }
  const row = t.s.rows.get(v.p)
  // An older incarnation was answered already; a newer one comes with the record, by and by.
  if (row === undefined || row.inc !== v.i || row.state === 'left') return undefined
  const by = v.b.length > 0 ? v.b : [from]
  const missedAt = t.env.now - (v.m ?? 0)
  if (v.s === 'dead') {
    if (row.state !== 'dead') die(t, row, by, v.w, from, missedAt, v.o)
    else if (row.remembered) {
      row.remembered = false
      t.s.sums = undefined
      row.doubt({ accusers: by, why: v.w })
    }
    return undefined
  }
  if (row.state === 'dead') return undefined
  const isNew = row.state === 'alive'
  suspect(t, row, by, v.w, from, missedAt)
  return isNew ? row : undefined
}

/** The suspicion's timer: asks again, or judges. */
export function onSuspicionTimer(t: Turn, peer: PeerId): void {
  const row = t.s.rows.get(peer)
  if (row === undefined || row.state !== 'suspect') return
  const { cfg } = t.s
  lag(t, t.env.now - row.wakeAt)
  if (row.heardAt > row.suspectedAt) {
    // It spoke since: no verdict, it has a moment more to object.
    const deadline = Math.max(row.deadline, row.heardAt + cfg.suspectMinMs)
    row.doubt({ suspectedAt: row.heardAt, missedAt: row.heardAt, deadline })
  }
  if (t.env.now >= row.deadline) return die(t, row, row.accusers, row.why, undefined, row.missedAt)
  if (row.linked && row.accusers.includes(t.s.self)) {
    send(t, peer, { t: 'ping', n: nextN(t), g: takeNews(t, peer, cfg.piggybackBytes) })
  }
  armSuspicion(t, row)
}

/** This peer may not have run for so long: whatever it did not hear meanwhile is nobody's fault. */
export function lag(t: Turn, lateMs: number): void {
  const { s, env } = t
  if (lateMs <= s.cfg.lagMs) return
  if (lateMs > s.cfg.stallMs) s.stalledAt = env.now
  const laggedAt = s.laggedUntil - s.cfg.probePeriodMs
  // Several timers are late by the same pause.
  if (env.now > laggedAt + s.cfg.lagMs) s.health = Math.min(s.cfg.healthMax, s.health + 1)
  s.laggedUntil = env.now + s.cfg.probePeriodMs
  for (const row of s.rows.values())
    if (row.state === 'suspect') row.doubt({ deadline: Math.max(row.deadline, s.laggedUntil) })
}

export function nextN(t: Turn): number {
  t.s.nextN = (t.s.nextN + 1) >>> 0
  return t.s.nextN
}

function suspect(t: Turn, row: Row, by: readonly PeerId[], why: Why, from: PeerId | undefined, missedAt: number): void {
  const { env } = t
  const began = row.state === 'alive'
  row.doubt({ missedAt: began ? missedAt : Math.min(row.missedAt, missedAt) })
  const accusers = [...new Set([...row.accusers, ...by])].slice(0, MEMBER_LIMITS.accusers)
  if (!began && accusers.length === row.accusers.length && (isFast(row.why) || !isFast(why))) return
  row.doubt({ accusers, why: began || isFast(why) ? why : row.why })
  if (began) row.doubt({ suspectedAt: env.now })
  if (began) become(t, row, 'suspect', suspicionInWords(t, row))
  else row.stand({ reason: suspicionInWords(t, row) })
  const deadline = row.suspectedAt + windowMs(t, row)
  row.doubt({ deadline: Math.max(t.s.laggedUntil, began ? deadline : Math.min(row.deadline, deadline)) })
  armSuspicion(t, row)
  spread(t, row, from)
}

/** t = max - (max - min) * ln(c + 1) / ln(C + 1): c confirmations here of C that are possible. */
function windowMs(t: Turn, row: Row): number {
  const { cfg, live, overlay } = t.s
  const minMs = isFast(row.why) ? cfg.suspectFastMs : cfg.suspectMinMs
  if (live <= 2) return isFast(row.why) ? cfg.suspectFastMs : cfg.suspectPairMs
  const maxMs = live === 3 ? cfg.suspectTrioMs : cfg.suspectMaxMs
  const observers = overlay.rings ? cfg.rings : live - 1
  const possible = Math.min(cfg.confirmations, observers - 1)
  const confirmed = Math.min(possible, row.accusers.length - 1)
  return maxMs - ((maxMs - minMs) * Math.log(confirmed + 1)) / Math.log(possible + 1)
}

function armSuspicion(t: Turn, row: Row): void {
  row.doubt({ wakeAt: Math.min(row.deadline, t.env.now + t.s.cfg.suspectRepeatMs) })
  arm(t, `susp:${row.peer}`, row.wakeAt - t.env.now)
}

function die(
  t: Turn,
  row: Row,
  by: readonly PeerId[],
  why: Why,
  from: PeerId | undefined,
  missedAt: number,
  ageS = 0
): void {
  row.doubt({ accusers: by, why })
  row.remembered = false
  // Told of the verdict before any suspicion: then it was missed at the latest when the others judged.
  if (row.state !== 'suspect') row.doubt({ missedAt: Math.min(missedAt, t.env.now - ageS * 1000) })
  become(t, row, 'dead', deathInWords(t, row), t.env.now - ageS * 1000)
  keepRow(t, row)
  spread(t, row, from)
  if (!row.linked) return
  // Others may be wrong: whom we hear ourselves is told, and objects.
  if (t.env.now - row.heardAt < t.s.cfg.suspectMinMs)
    send(t, row.peer, { t: 'news', g: takeNews(t, row.peer, t.s.cfg.piggybackBytes) })
  else t.out.push({ e: 'close', peer: row.peer, why: 'it does not answer' })
}

/** Accused at the present incarnation: says so, one higher. Accused at an older one: says again what it said then. */
function objectTo(t: Turn, from: PeerId, inc: number): void {
  const { s } = t
  if (!s.started || s.leaving || inc > s.own.inc) return
  if (inc === s.own.inc) {
    s.health = Math.min(s.cfg.healthMax, s.health + 1)
    count(t, 'mem.refuted')
    reissueOwn(t)
  }
  send(t, from, { t: 'news', g: [{ k: 'a', r: s.rows.get(s.self)!.bytes }] })
}

/** The host answers and the process does not: not a matter of patience. */
function isFast(why: Why): boolean {
  return why === 'refused' || why === 'reset'
}

function suspicionInWords(t: Turn, row: Row): string {
  const what = isFast(row.why) ? 'refuses connections' : 'does not answer'
  return `${what}; noticed by ${row.accusers.map((peer) => nameOf(t, peer)).join(', ')}`
}

function deathInWords(t: Turn, row: Row): string {
  const what = isFast(row.why) ? 'its Omega is not running any more' : 'is off, asleep or cut off'
  return `${what}; noticed by ${row.accusers.map((peer) => nameOf(t, peer)).join(', ')}`
}
