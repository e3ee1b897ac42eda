/**
 * Whom to dial, where and when. Between two members the lower peer id dials at once and the other a second later; after
 * failures the pauses double up to 30 s. A broken link is dialled again at once, by both: the answer tells a crash from
 * a hiccup.
 */
import type { PeerId } from '../ports.ts'
import { mayMeet, onPopulation, wantsLink } from './overlay.ts'
import { arm, disarm, isLive, usableAddresses } from './state.ts'
import type { Contact, Turn } from './state.ts'

/** Attempts on a peer that nobody has heard of since this start; later it takes its turn among the dead. */
const FORLORN_TRIES = 4
/** More failures than pauses can grow by: the peer does not want us, and being seen again changes nothing. */
const DENIED = 16
/** Discovery repeats itself; the same addresses are tried again no sooner than this. */
const SEEN_AGAIN_MS = 5000

/** A peer without a link: makes one. `later`: it is talking to us, so a link is about to be admitted. */
export function seekLink(t: Turn, peer: PeerId, when: 'now' | 'in turn' | 'later' = 'in turn'): void {
  const known = t.s.contacts.get(peer)
  if (known !== undefined) known.failures = 0
  if (!isWanted(t, peer)) return
  const contact = contactOf(t, peer)
  if (when === 'now' || (when === 'in turn' && t.s.self < peer)) dial(t, peer, contact)
  else arm(t, `dial:${peer}`, t.s.cfg.dialWaitMs)
}

export function onDialTimer(t: Turn, peer: PeerId): void {
  if (isWanted(t, peer)) dial(t, peer, contactOf(t, peer))
}

/** Discovery shows a peer at these addresses: a hint for the dial, never identity. */
export function onSeen(t: Turn, peer: PeerId, addresses: readonly string[]): void {
  const { s, env } = t
  if (peer === s.self || s.expelled.has(peer)) return
  const known = s.contacts.get(peer)
  const before = known?.seen ?? []
  const contact = contactOf(t, peer)
  contact.seen = usableAddresses([...addresses, ...before])
  contact.seenAt = env.now
  if (s.links.has(peer) || !s.started || s.leaving) return
  const isNew = addresses.some((address) => !before.includes(address))
  if (!isNew && (env.now - contact.dialedAt < SEEN_AGAIN_MS || contact.failures >= DENIED)) return
  const row = s.rows.get(peer)
  if (row !== undefined && !isLive(row)) dialOnce(t, peer)
  else if (isNew || known === undefined || contact.failures > 0) seekLink(t, peer)
}

export function onLinkUp(t: Turn, peer: PeerId): void {
  const contact = t.s.contacts.get(peer)
  if (contact === undefined) return
  contact.failures = 0
  contact.redials = 0
  disarm(t, `dial:${peer}`)
  disarm(t, `redial:${peer}`)
}

/** The link to a live member broke: dials at once to learn whether it is still there. */
export function onLinkDown(t: Turn, peer: PeerId): void {
  if (!isWanted(t, peer)) return
  const contact = contactOf(t, peer)
  contact.failures = 0
  contact.redials = 1
  dial(t, peer, contact)
}

/** True when two re-dials in a row met a host that answers and a process that does not. */
export function onDialFailed(t: Turn, peer: PeerId, why: string): boolean {
  const contact = t.s.contacts.get(peer)
  if (contact === undefined) return false
  if (t.s.overlay.rings && t.s.rows.get(peer)?.remembered === true && contact.tried !== true) {
    contact.tried = true
    onPopulation(t)
  }
  if (why === 'denied') {
    contact.failures = DENIED
    contact.redials = 0
    if (isWanted(t, peer)) arm(t, `dial:${peer}`, t.s.cfg.dialRetryMaxMs)
    return false
  }
  if (contact.redials === 0) return false
  const again = contact.redials === 1 && (why === 'refused' || why === 'reset')
  const refused = contact.redials === 2 && (why === 'refused' || why === 'reset')
  contact.redials = again ? 2 : 0
  if (again) arm(t, `redial:${peer}`, t.s.cfg.redialMs)
  return refused
}

export function onRedialTimer(t: Turn, peer: PeerId): void {
  const contact = t.s.contacts.get(peer)
  if (contact !== undefined && contact.redials === 2 && !t.s.links.has(peer)) dial(t, peer, contact)
}

/** One attempt, outside the back-off. */
export function dialOnce(t: Turn, peer: PeerId): void {
  const addresses = addressesOf(t, peer)
  if (addresses.length === 0 || t.s.links.has(peer)) return
  contactOf(t, peer).dialedAt = t.env.now
  t.out.push({ e: 'dial', peer, addresses })
}

export function dropContact(t: Turn, peer: PeerId): void {
  if (!t.s.contacts.delete(peer)) return
  disarm(t, `dial:${peer}`)
  disarm(t, `redial:${peer}`)
}

/** Forgets peers that are no members and that discovery has not shown for a while. */
export function dropStrangers(t: Turn): void {
  for (const [peer, contact] of t.s.contacts) {
    if (!t.s.rows.has(peer) && !t.s.links.has(peer) && t.env.now - contact.seenAt > t.s.cfg.strangerKeepMs)
      dropContact(t, peer)
  }
}

function dial(t: Turn, peer: PeerId, contact: Contact): void {
  const { cfg } = t.s
  dialOnce(t, peer)
  const pauseMs = Math.min(cfg.dialRetryMaxMs, cfg.dialRetryMinMs * 2 ** contact.failures)
  contact.failures = Math.min(contact.failures + 1, DENIED - 1)
  arm(t, `dial:${peer}`, pauseMs * (0.75 + 0.5 * t.env.random.float()))
}

function isWanted(t: Turn, peer: PeerId): boolean {
  const { s } = t
  if (!s.started || s.leaving || peer === s.self || s.links.has(peer) || s.expelled.has(peer)) return false
  const row = s.rows.get(peer)
  const contact = s.contacts.get(peer)
  if (row === undefined)
    return contact !== undefined && t.env.now - contact.seenAt <= s.cfg.strangerKeepMs && mayMeet(t)
  if (!wantsLink(s, peer)) return false
  return isLive(row) || (row.remembered && (contact?.failures ?? 0) < FORLORN_TRIES)
}

/** What discovery showed last comes first, then what the member says of itself; where a link went dumb, last. */
function addressesOf(t: Turn, peer: PeerId): readonly string[] {
  const contact = t.s.contacts.get(peer)
  const all = usableAddresses([...(contact?.seen ?? []), ...(t.s.rows.get(peer)?.addresses ?? [])])
  const avoid = contact?.avoid
  const ordered =
    avoid === undefined
      ? all
      : [...all.filter((address) => hostOf(address) !== avoid), ...all.filter((address) => hostOf(address) === avoid)]
  return ordered.slice(0, t.s.cfg.addressesMax)
}

/** The link to this address is given up: the next dials begin with the others. */
export function avoidAddress(t: Turn, peer: PeerId, address: string | undefined): void {
  contactOf(t, peer).avoid = address === undefined ? undefined : hostOf(address)
}

/** `/ip4/10.0.0.3/tcp/7777` -> `/ip4/10.0.0.3`: an inbound link shows another port than the one to dial. */
function hostOf(address: string): string {
  return address.split('/').slice(0, 3).join('/')
}

function contactOf(t: Turn, peer: PeerId): Contact {
  const known = t.s.contacts.get(peer)
  if (known !== undefined) return known
  const contact: Contact = { seen: [], seenAt: t.env.now, failures: 0, dialedAt: -Infinity, redials: 0 }
  if (!t.s.rows.has(peer)) makeRoom(t)
  t.s.contacts.set(peer, contact)
  return contact
}

/** Strangers are bounded: the one seen longest ago goes. */
function makeRoom(t: Turn): void {
  if (t.s.contacts.size < t.s.cfg.strangersMax) return
  const strangers = [...t.s.contacts].filter(([peer]) => !t.s.rows.has(peer) && !t.s.links.has(peer))
  if (strangers.length < t.s.cfg.strangersMax) return
  const oldest = strangers.reduce((a, b) => (b[1].seenAt < a[1].seenAt ? b : a))
  dropContact(t, oldest[0])
}
