/**
 * The member list: a row comes and changes only by the member's own signed word, and each change of state is told to
 * the host. Only the peer itself raises its incarnation.
 */
import { toHex } from '../codec.ts'
import type { PeerId } from '../ports.ts'
import { dropContact, seekLink } from './dial.ts'
import { keepRow, readKept } from './keep.ts'
import { readRecord, sameBytes, signRecord } from './record.ts'
import type { MemberRecord, SignedMember } from './record.ts'
import { Row } from './row.ts'
import type { Standing } from './row.ts'
import { spread } from './spread.ts'
import { onPopulation } from './overlay.ts'
import { count, disarm, isLive, send } from './state.ts'
import type { MembershipState, MemberState, Turn } from './state.ts'

/** Tombstones this near their end are not taken over from others, or they would go round for ever. */
const TOO_OLD = 0.9

/** What a signed record was worth: whose it is and, when the member is listed, its row. */
export interface Taken {
  peer: PeerId
  inc: number
  row: Row | undefined
}

/**
 * Takes a member's own word, from itself or relayed. `gone`: observers call it dead at this incarnation, so a member
 * not known yet begins as dead. Undefined for what is no genuine record.
 */
export function takeRecord(t: Turn, bytes: SignedMember, from: PeerId, gone: boolean, ageS: number): Taken | undefined {
  const { s } = t
  const record = readRecord(bytes, s.crypto)
  if (record === undefined) {
    count(t, 'mem.record.invalid')
    return undefined
  }
  const same = s.rows.get(record.peer)
  if (same !== undefined && sameBytes(same.bytes, bytes)) {
    if (same.remembered && !gone) recall(t, same, from)
    return { peer: same.peer, inc: same.inc, row: same }
  }
  return { peer: record.peer, inc: record.inc, row: merged(t, record, bytes, from, gone, ageS) }
}

/** Every change of state goes through here. */
export function become(t: Turn, row: Row, state: MemberState, reason: string, since = t.env.now): void {
  const was = row.state
  const change = Number(state === 'alive' || state === 'suspect') - Number(isLive(row))
  t.s.live += change
  t.s.sums = undefined
  if (change !== 0) onPopulation(t)
  if (was !== state) {
    row.stand({ state, reason, since })
  }
  if (state === 'alive') row.stand({ graceUntil: t.env.now + t.s.cfg.linkGraceMs })
  if (state === 'alive' || state === 'left') {
    if (row.accusers.length > 0) disarm(t, `susp:${row.peer}`)
    row.clear()
  }
  t.out.push({ e: 'member', peer: row.peer, was, now: state })
}

/** Signs what this peer says of itself now, with a higher incarnation, and passes it on. */
export function reissueOwn(t: Turn, above = t.s.own.inc): void {
  const { s } = t
  s.own.inc = Math.min(0xffffffff, Math.max(s.own.inc, above) + 1)
  const record: MemberRecord = { peer: s.self, ...s.own }
  const bytes = signRecord(record, s.crypto)
  const row = s.rows.get(s.self)
  if (row === undefined) insert(t, record, bytes, record.left === undefined ? 'alive' : 'left', 'is this PC', t.env.now)
  else {
    describe(row, record, bytes)
    become(
      t,
      row,
      record.left === undefined ? 'alive' : 'left',
      record.left === undefined ? 'is this PC' : farewell(record)
    )
  }
  t.out.push({ e: 'keep', peer: s.self, bytes })
  spread(t, s.rows.get(s.self)!, undefined)
}

/** From disk: shown as dead until somebody says otherwise. */
export function remember(t: Turn, bytes: Uint8Array, here: boolean): void {
  const { s, env } = t
  const kept = readKept(t, bytes)
  if (kept?.how === 'banned') return void s.expelled.add(kept.peer)
  const record = readRecord(kept?.record ?? bytes, s.crypto)
  if (record === undefined || (kept !== undefined && kept.peer !== record.peer)) return count(t, 'mem.load.invalid')
  if (here) return takeAsHere(t, record, bytes)
  if (record.peer === s.self) return void (s.own.inc = Math.max(s.own.inc, record.inc))
  const ageMs = kept?.ageMs ?? 0
  const keepMs = kept?.how === 'left' ? s.cfg.leftKeepMs : s.cfg.deadKeepMs
  if (ageMs >= keepMs) return void t.out.push({ e: 'unkeep', peer: record.peer })
  if (kept?.how === 'past' || record.left === 'forever') {
    s.tombstones.set(record.peer, { inc: record.inc, bytes: kept?.record ?? bytes, until: env.now + keepMs - ageMs })
    return
  }
  if (s.rows.has(record.peer) || s.rows.size >= s.cfg.membersMax) return
  const signed = kept?.record ?? bytes
  if (record.left !== undefined) insert(t, record, signed, 'left', farewell(record), env.now - ageMs)
  else {
    const row = insert(t, record, signed, 'dead', 'has not been heard of since this PC started', env.now - ageMs)
    row.remembered = true
  }
}

function takeAsHere(t: Turn, record: MemberRecord, bytes: SignedMember): void {
  const { s } = t
  if (record.peer === s.self) {
    s.own.inc = record.inc
    s.own.boot = record.boot
  }
  insert(t, record, bytes, 'alive', record.peer === s.self ? 'is this PC' : 'was here before', t.env.now)
}

export function forget(t: Turn, row: Row): void {
  const { s } = t
  if (row.accusers.length > 0) disarm(t, `susp:${row.peer}`)
  if (isLive(row)) s.live--
  s.sums = undefined
  onPopulation(t)
  s.rows.delete(row.peer)
  const link = s.links.get(row.peer)
  if (link !== undefined) link.row = undefined
  s.news.delete(row.peer)
  dropContact(t, row.peer)
  t.out.push({ e: 'member', peer: row.peer, was: row.state, now: 'forgotten' }, { e: 'unkeep', peer: row.peer })
}

export function nameOf(t: Turn, peer: PeerId): string {
  return t.s.rows.get(peer)?.name ?? `${peer.slice(0, 4)}…${peer.slice(-6)}`
}

/** 64 random bits as text. */
export function drawBoot(t: Turn): string {
  return toHex(t.env.random.bytes(8))
}

function merged(
  t: Turn,
  record: MemberRecord,
  bytes: SignedMember,
  from: PeerId,
  gone: boolean,
  ageS: number
): Row | undefined {
  const { s } = t
  if (s.expelled.has(record.peer)) return undefined
  if (record.peer === s.self) return ownSeen(t, record)
  const tomb = s.tombstones.get(record.peer)
  if (tomb !== undefined) {
    if (record.inc <= tomb.inc) {
      send(t, from, { t: 'news', g: [{ k: 'a', r: tomb.bytes }] })
      return undefined
    }
    s.tombstones.delete(record.peer)
  }
  const row = s.rows.get(record.peer)
  if (row === undefined) return newcomer(t, record, bytes, from, gone, ageS)
  if (record.inc > row.inc) newerWord(t, row, record, bytes, from)
  else if (record.inc === row.inc && row.remembered && !gone) recall(t, row, from)
  return row
}

function newcomer(
  t: Turn,
  record: MemberRecord,
  bytes: SignedMember,
  from: PeerId,
  gone: boolean,
  ageS: number
): Row | undefined {
  const { s } = t
  const keepMs = record.left !== undefined ? s.cfg.leftKeepMs : s.cfg.deadKeepMs
  if ((gone || record.left !== undefined) && (record.left === 'forever' || ageS * 1000 > TOO_OLD * keepMs))
    return undefined
  if (s.rows.size >= s.cfg.membersMax) {
    count(t, 'mem.members.full')
    return undefined
  }
  const state = record.left !== undefined ? 'left' : gone ? 'dead' : 'alive'
  const reason =
    state === 'left'
      ? farewell(record)
      : state === 'dead'
        ? 'was gone before this PC heard of it'
        : `was introduced by ${nameOf(t, from)}`
  const row = insert(
    t,
    record,
    bytes,
    state,
    from === record.peer ? 'answers' : reason,
    t.env.now - (state === 'alive' ? 0 : ageS * 1000)
  )
  if (state === 'dead') row.doubt({ accusers: [from] })
  keepRow(t, row)
  spread(t, row, from)
  if (state === 'alive') seekLink(t, row.peer, from === row.peer ? 'later' : 'in turn')
  return row
}

function newerWord(t: Turn, row: Row, record: MemberRecord, bytes: SignedMember, from: PeerId): void {
  const wasLive = isLive(row) && !row.remembered
  describe(row, record, bytes)
  row.remembered = false
  if (record.left !== undefined) {
    become(t, row, 'left', farewell(record))
    dropContact(t, row.peer)
  } else {
    become(t, row, 'alive', from === row.peer ? 'answers' : `is back, as ${nameOf(t, from)} says`)
    if (!wasLive) seekLink(t, row.peer, from === row.peer ? 'later' : 'in turn')
  }
  keepRow(t, row)
  spread(t, row, from)
}

/** Known from disk, and now somebody says that it is here. */
function recall(t: Turn, row: Row, from: PeerId): void {
  row.remembered = false
  become(t, row, 'alive', from === row.peer ? 'answers' : `is here, as ${nameOf(t, from)} says`)
  keepRow(t, row)
  seekLink(t, row.peer, from === row.peer ? 'later' : 'in turn')
}

/** Somebody holds a word of ours that we do not know: from a backup of our folder, or before a write was lost. */
function ownSeen(t: Turn, record: MemberRecord): Row | undefined {
  const { s } = t
  const unknown = record.inc > s.own.inc || (record.inc === s.own.inc && record.boot !== s.own.boot)
  if (s.started && !s.leaving && unknown) reissueOwn(t, record.inc)
  return s.rows.get(s.self)
}

function insert(
  t: Turn,
  record: MemberRecord,
  bytes: SignedMember,
  state: MemberState,
  reason: string,
  since: number
): Row {
  const { s } = t
  const standing = standingOf(s, { state, reason, since, graceUntil: t.env.now + s.cfg.linkGraceMs })
  const row = new Row(record, bytes, standing, s.links.has(record.peer))
  if (record.peer === s.self) row.heardAt = Infinity
  s.sums = undefined
  s.rows.set(row.peer, row)
  const link = s.links.get(row.peer)
  if (link !== undefined) link.row = row
  if (isLive(row)) {
    s.live++
    onPopulation(t)
  }
  t.out.push({ e: 'member', peer: row.peer, was: undefined, now: state })
  return row
}

/** The one of the row before, where it says the same. */
function standingOf(s: MembershipState, next: Readonly<Standing>): Readonly<Standing> {
  const last = s.lastStanding
  const isSame =
    last?.since === next.since &&
    last.state === next.state &&
    last.reason === next.reason &&
    last.graceUntil === next.graceUntil
  if (!isSame) s.lastStanding = next
  return isSame ? last : next
}

function describe(row: Row, record: MemberRecord, bytes: SignedMember): void {
  row.record = record
  row.bytes = bytes
}

function farewell(record: MemberRecord): string {
  return record.left === 'forever' ? 'left the mesh' : 'was shut down'
}
