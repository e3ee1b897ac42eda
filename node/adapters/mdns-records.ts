/**
 * What mDNS carries: a peer of a mesh (the record of @libp2p/mdns: PTR and a TXT `dnsaddr=` an address) and an open door.
 * Everything heard is a hint from a stranger: bounded, checked, never identity. No names of meshes or people but the
 * name on an open door, which its owner chose to show.
 */
import { createHmac } from 'node:crypto'
import type { ResponseOutgoingPacket } from 'multicast-dns'
import { fromHex, tryPeerKey } from '../../protocols/codec.ts'
import type { MeshId, PeerId } from '../../protocols/ports.ts'

/** A record of DNS. */
export type Answer = ResponseOutgoingPacket['answers'][number]

export const DOOR_SERVICE = '_omega-door._udp.local'
const TTL_S = 120
const TEXT_MAX = 255
const ADDRESSES_MAX = 8
export const DOOR_NAME_MAX = 40

export interface HeardPeer {
  peer: PeerId
  /** Multiaddr text without the peer id. */
  addresses: string[]
}
export interface Door {
  /** Random, a door. */
  id: string
  /** As its owner wrote it, at most 40 characters; '' when it says none. A hint. */
  meshName: string
  /** host:port of its enrolment listener. */
  addresses: string[]
}

/** The service name of a mesh: only who knows the mesh id can tell which mesh it is. */
export function meshService(meshId: MeshId): string {
  const tag = createHmac('sha256', fromHex(meshId)).update('omega mdns v1').digest('hex').slice(0, 10)
  return `_om-${tag}._udp.local`
}

/** `label`: of this announcer, so that it knows its own answers. */
export function peerRecord(service: string, label: string, self: PeerId, addresses: readonly string[]): Answer[] {
  return record(
    service,
    label,
    addresses.slice(0, ADDRESSES_MAX).map((address) => `dnsaddr=${address}/p2p/${self}`)
  )
}

export function doorRecord(door: Door): Answer[] {
  const name = [...door.meshName].slice(0, DOOR_NAME_MAX).join('')
  const addresses = door.addresses.slice(0, ADDRESSES_MAX).map((address) => `at=${address}`)
  return record(DOOR_SERVICE, door.id, [`mesh=${name}`, ...addresses])
}

/** Undefined for anything that is not a peer's record of that service. */
export function readPeerRecord(service: string, answers: readonly Answer[]): HeardPeer | undefined {
  if (labelOf(service, answers) === undefined) return undefined
  const addresses = new Set<string>()
  let peer: PeerId | undefined
  for (const text of textsOf(answers)) {
    const match = /^dnsaddr=(\/(?:ip4\/[\d.]{7,15}|ip6\/[0-9a-fA-F:.]{2,45})\/tcp\/\d{1,5})\/p2p\/(\w{52})$/.exec(text)
    if (match === null) continue
    if (tryPeerKey(match[2]!) === undefined || (peer !== undefined && peer !== match[2])) return undefined
    peer = match[2]!
    if (addresses.size < ADDRESSES_MAX) addresses.add(match[1]!)
  }
  return peer === undefined ? undefined : { peer, addresses: [...addresses] }
}

export function readDoorRecord(answers: readonly Answer[]): Door | undefined {
  const id = labelOf(DOOR_SERVICE, answers)
  if (id === undefined || !/^[0-9a-z]{1,63}$/.test(id)) return undefined
  const door: Door = { id, meshName: '', addresses: [] }
  for (const text of textsOf(answers)) {
    const match = /^at=((?:[\d.]{7,15}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5})$/.exec(text)
    if (match !== null && door.addresses.length < ADDRESSES_MAX) door.addresses.push(match[1]!)
    // Control characters would let a stranger draw on a person's terminal.
    else if (text.startsWith('mesh='))
      door.meshName = [...text.slice(5).replace(/\p{C}/gu, '')].slice(0, DOOR_NAME_MAX).join('')
  }
  return door.addresses.length === 0 ? undefined : door
}

function record(service: string, label: string, texts: readonly string[]): Answer[] {
  const name = `${label}.${service}`
  const answers: Answer[] = [{ name: service, type: 'PTR', class: 'IN', ttl: TTL_S, data: name }]
  for (const data of texts) {
    if (Buffer.byteLength(data) <= TEXT_MAX) answers.push({ name, type: 'TXT', class: 'IN', ttl: TTL_S, data })
  }
  return answers
}

/** The label that the PTR of the service points at. */
export function labelOf(service: string, answers: readonly Answer[]): string | undefined {
  for (const answer of answers) {
    if (answer.type !== 'PTR' || answer.name !== service || typeof answer.data !== 'string') continue
    if (answer.data.endsWith(`.${service}`)) return answer.data.slice(0, -service.length - 1)
  }
  return undefined
}

function textsOf(answers: readonly Answer[]): string[] {
  const texts: string[] = []
  for (const answer of answers) {
    if (answer.type !== 'TXT') continue
    for (const part of Array.isArray(answer.data) ? answer.data : [answer.data]) texts.push(part.toString())
  }
  return texts.slice(0, 64)
}
