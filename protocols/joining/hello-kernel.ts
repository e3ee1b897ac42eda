/**
 * The kernel of the plane `hello`: nothing else passes between two peers before both have verified the other's
 * certificate. Planes are independent of each other, so a peer's first frame on another plane may overtake its Welcome:
 * frames are accepted from a peer that is verified, and sent to a peer that is admitted (verified, and welcomed us).
 */
import { toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { Env, KernelEffect, KernelEvent } from '../kernel.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { verifyCertificate } from './certificate.ts'
import type { Verified } from './certificate.ts'
import type { Genesis } from './genesis.ts'
import { HELLO_MEMBER_TIMEOUT_MS, HELLO_TIMEOUT_MS, WIRE_VERSIONS } from './hello.ts'
import type { HelloMessage } from './hello.ts'
import { asMeshError, CLOCK_SLACK_MS, isPrintable, LIMITS, sameBytes } from './shapes.ts'

const LOOK_EACH_MS = 3_600_000
const LOOK_MIN_MS = 1000

export interface HelloConfig {
  genesis: Genesis
  crypto: Crypto
  /** Read at each link, since both change in the life of a peer. */
  certificate(): Uint8Array
  record(): Uint8Array
  features: readonly string[]
  /** A member of before: it is given more time than a stranger, since a busy PC may be slow and a member does no harm. */
  isKnown(peer: PeerId): boolean
}

/** `link` here is the bare connection, not yet admitted. `garbage`: a frame that decodeHello threw at. */
export type HelloEvent = KernelEvent<HelloMessage> | { k: 'garbage'; from: PeerId; error: MeshError }

export type HelloEffect =
  | KernelEffect
  /** Frames of other planes may be accepted from this peer. */
  | { e: 'verified'; peer: PeerId; certificate: Verified }
  /** Both directions are done: the link counts. `skewMs`: their clock minus ours, as seen through one way of the link. */
  | {
      e: 'admitted'
      peer: PeerId
      certificate: Verified
      record: Uint8Array
      skewMs: number
      features: readonly string[]
    }
  /** The link ends for this reason, found by us or told by them. `close` follows. */
  | { e: 'refused'; peer: PeerId; by: 'us' | 'them'; code: string; text: string }

interface Handshake {
  /** Number of this link at this side; told in the hello. */
  readonly own: number
  /** Number of the link at the other side, from the last hello that counted. */
  theirs?: number
  verified?: Verified
  record?: Uint8Array
  features: readonly string[]
  skewMs: number
  welcomed: boolean
  over: boolean
}

export interface HelloState {
  readonly config: HelloConfig
  count: number
  readonly links: Map<PeerId, Handshake>
}

export const createHello = (config: HelloConfig): HelloState => ({ config, count: 0, links: new Map() })

export function isVerified(state: HelloState, peer: PeerId): boolean {
  const link = state.links.get(peer)
  return link?.verified !== undefined && !link.over
}
export function isAdmitted(state: HelloState, peer: PeerId): boolean {
  const link = state.links.get(peer)
  return link?.verified !== undefined && !link.over && link.welcomed
}

/** Never throws for what a peer sent: it is told why, and its link closed. */
export function stepHello(state: HelloState, event: HelloEvent, env: Env): HelloEffect[] {
  switch (event.k) {
    case 'link':
      return event.up ? onUp(state, event.peer, env) : onDown(state, event.peer)
    case 'timer':
      return onTimeout(state, event.tag, env)
    case 'garbage':
      return refuse(state, event.from, event.error)
    case 'msg':
      return onMessage(state, event.from, event.msg, env)
  }
}

const timeoutMs = (state: HelloState, peer: PeerId): number =>
  state.config.isKnown(peer) ? HELLO_MEMBER_TIMEOUT_MS : HELLO_TIMEOUT_MS
const tagOf = (peer: PeerId): string => `hello:${peer}`

function onUp(state: HelloState, peer: PeerId, env: Env): HelloEffect[] {
  const link: Handshake = { own: ++state.count, features: [], skewMs: 0, welcomed: false, over: false }
  state.links.set(peer, link)
  return [
    { e: 'send', to: peer, plane: 'hello', msg: ownHello(state, link, env) },
    { e: 'timer', tag: tagOf(peer), inMs: timeoutMs(state, peer) }
  ]
}

function ownHello({ config }: HelloState, link: Handshake, env: Env): HelloMessage {
  const { genesis, certificate, record, features } = config
  return {
    t: 'hello',
    v: [...WIRE_VERSIONS],
    mesh: genesis.idBytes,
    n: link.own,
    cert: certificate(),
    record: record(),
    wall: env.wall,
    features: [...features]
  }
}

function onDown(state: HelloState, peer: PeerId): HelloEffect[] {
  return state.links.delete(peer) ? [{ e: 'clear', tag: tagOf(peer) }] : []
}

function onTimeout(state: HelloState, tag: string, env: Env): HelloEffect[] {
  const peer = tag.slice(tagOf('').length)
  const link = state.links.get(peer)
  if (link === undefined || link.over) return []
  if (isAdmitted(state, peer)) return lookAgain(link, peer, env)
  const what = link.verified === undefined ? 'no hello' : 'no welcome'
  return refuse(
    state,
    peer,
    new MeshError('DEADLINE', `${what} came within ${timeoutMs(state, peer)} ms of the connection`)
  )
}

function onMessage(state: HelloState, from: PeerId, msg: HelloMessage, env: Env): HelloEffect[] {
  const link = state.links.get(from)
  if (link === undefined || link.over) return [{ e: 'count', name: 'hello_late' }]
  switch (msg.t) {
    case 'bye':
      link.over = true
      return [
        { e: 'clear', tag: tagOf(from) },
        { e: 'refused', peer: from, by: 'them', code: msg.code, text: msg.text },
        { e: 'close', peer: from, why: `they said: ${msg.text}` }
      ]
    case 'welcome':
      if (link.welcomed) return [{ e: 'count', name: 'hello_repeated' }]
      link.welcomed = true
      return admitIfDone(link, from, env)
    case 'hello':
      return onHello(state, link, from, msg, env)
  }
}

function onHello(
  state: HelloState,
  link: Handshake,
  from: PeerId,
  msg: HelloMessage & { t: 'hello' },
  env: Env
): HelloEffect[] {
  // Two connections may be one link here and two links there: a hello with a new number is answered in full again.
  const again = link.verified !== undefined
  if (again && link.theirs === msg.n) return [{ e: 'count', name: 'hello_repeated' }]
  const { genesis, crypto } = state.config
  try {
    if (!sameBytes(msg.mesh, genesis.idBytes)) {
      throw new MeshError(
        'NOT_MEMBER',
        `this is mesh "${genesis.name}" ${genesis.id.slice(0, 8)}, the hello is for ${toHex(msg.mesh).slice(0, 8)}`
      )
    }
    link.verified = verifyCertificate(msg.cert, { genesis, device: from, wall: env.wall, theirWall: msg.wall, crypto })
  } catch (error) {
    return refuse(state, from, asMeshError(error, 'hello'))
  }
  link.theirs = msg.n
  link.record = msg.record
  link.features = msg.features
  link.skewMs = msg.wall - env.wall
  return [
    { e: 'verified', peer: from, certificate: link.verified },
    ...(again ? [{ e: 'send', to: from, plane: 'hello', msg: ownHello(state, link, env) } as const] : []),
    { e: 'send', to: from, plane: 'hello', msg: { t: 'welcome' } },
    ...admitIfDone(link, from, env)
  ]
}

function admitIfDone(link: Handshake, peer: PeerId, env: Env): HelloEffect[] {
  if (!link.welcomed || link.verified === undefined || link.record === undefined) return []
  const { verified: certificate, record, skewMs, features } = link
  return [untilItEnds(certificate, peer, env), { e: 'admitted', peer, certificate, record, skewMs, features }]
}

/** Who stays is a member for no longer than its certificate: then it is to come again, and show what it has now. */
function lookAgain(link: Handshake, peer: PeerId, env: Env): HelloEffect[] {
  const { verified } = link
  if (verified === undefined) return []
  if (env.wall <= endOf(verified)) return [untilItEnds(verified, peer, env)]
  link.over = true
  return [{ e: 'close', peer, why: `the certificate of "${verified.certificate.name}" has run out on this link` }]
}

const endOf = ({ certificate }: Verified): number => certificate.exp + CLOCK_SLACK_MS

/** By the date, which may be set anew: so it is looked at each hour. */
function untilItEnds(certificate: Verified, peer: PeerId, env: Env): HelloEffect {
  const inMs = Math.min(LOOK_EACH_MS, Math.max(LOOK_MIN_MS, endOf(certificate) + 1 - env.wall))
  return { e: 'timer', tag: tagOf(peer), inMs }
}

function refuse(state: HelloState, peer: PeerId, error: MeshError): HelloEffect[] {
  const link = state.links.get(peer)
  if (link === undefined || link.over) return [{ e: 'count', name: 'hello_late' }]
  link.over = true
  const text = [...error.message].filter(isPrintable).join('').slice(0, LIMITS.textChars)
  return [
    { e: 'clear', tag: tagOf(peer) },
    { e: 'send', to: peer, plane: 'hello', msg: { t: 'bye', code: error.code, text } },
    { e: 'refused', peer, by: 'us', code: error.code, text },
    { e: 'close', peer, why: `${error.code}: ${text}` }
  ]
}
