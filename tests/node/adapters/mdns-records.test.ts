import { expect, test } from 'vitest'
import {
  DOOR_SERVICE,
  doorRecord,
  labelOf,
  meshService,
  peerRecord,
  readDoorRecord,
  readPeerRecord
} from '../../../node/adapters/mdns-records.ts'
import type { Answer } from '../../../node/adapters/mdns-records.ts'
import { peerIdOf } from '../../../protocols/codec.ts'

const self = peerIdOf(new Uint8Array(32).fill(7))
const service = meshService('ab'.repeat(32))
const txt = (name: string, data: string | Buffer | Buffer[]): Answer => ({
  name,
  type: 'TXT',
  class: 'IN',
  ttl: 120,
  data
})

test('the service name is short, safe for DNS, and differs between meshes', () => {
  expect(service).toMatch(/^_om-[0-9a-f]{10}\._udp\.local$/)
  expect(meshService('ac'.repeat(32))).not.toBe(service)
})

test('a peer record is read as it was written, addresses bounded', () => {
  const addresses = ['/ip4/192.168.1.5/tcp/7777', '/ip6/fd00::5/tcp/7777']
  expect(readPeerRecord(service, peerRecord(service, 'label', self, addresses))).toEqual({ peer: self, addresses })
  expect(labelOf(service, peerRecord(service, 'label', self, addresses))).toBe('label')
  const many = Array.from({ length: 50 }, (_, i) => `/ip4/10.0.0.${i}/tcp/7777`)
  expect(readPeerRecord(service, peerRecord(service, 'label', self, many))!.addresses).toHaveLength(8)
})

test('a record of another service, without a peer, or of two peers is none', () => {
  const good = peerRecord(service, 'label', self, ['/ip4/10.0.0.1/tcp/1'])
  expect(readPeerRecord(meshService('ac'.repeat(32)), good)).toBeUndefined()
  expect(readPeerRecord(service, good.slice(0, 1))).toBeUndefined()
  expect(readPeerRecord(service, good.slice(1))).toBeUndefined()
  const other = peerIdOf(new Uint8Array(32).fill(8))
  expect(readPeerRecord(service, [...good, txt('x', `dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/${other}`)])).toBeUndefined()
})

test('only plain TCP addresses pass: no names, no relays, no other peer ids', () => {
  const label = peerRecord(service, 'label', self, [])
  for (const bad of [
    `dnsaddr=/dns4/evil.example/tcp/1/p2p/${self}`,
    `dnsaddr=/dnsaddr/evil.example/p2p/${self}`,
    `dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/${self}/p2p-circuit`,
    `dnsaddr=/ip4/10.0.0.1/udp/1/p2p/${self}`,
    `dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/${self.slice(0, -1)}0`,
    `dnsaddr=/ip4/10.0.0.1/tcp/1`,
    'dnsaddr=',
    ''
  ]) {
    expect(readPeerRecord(service, [...label, txt('x', bad)]), bad).toBeUndefined()
  }
})

test('a door is read as it was written; its name is cut to 40 characters and cannot draw on a terminal', () => {
  const door = { id: 'abc123', meshName: 'Ännes Büro', addresses: ['192.168.1.5:7778', '[fd00::5]:7778'] }
  expect(readDoorRecord(doorRecord(door))).toEqual(door)
  const loud = readDoorRecord([
    ...doorRecord({ ...door, meshName: 'x'.repeat(300) }),
    txt('x', `mesh=\u001b[2J\u202eevil${'y'.repeat(200)}`)
  ])!
  expect(loud.meshName.startsWith('[2Jevil')).toBe(true)
  expect(loud.meshName.length).toBeLessThanOrEqual(40)
  expect(readDoorRecord(doorRecord({ ...door, addresses: [] }))).toBeUndefined()
  expect(readDoorRecord(doorRecord({ ...door, addresses: ['evil.example:1'] }))).toBeUndefined()
  expect(readDoorRecord(doorRecord({ ...door, id: '../etc' }))).toBeUndefined()
})

test('answers of any shape are refused without an error', () => {
  const odd: Answer[] = [
    { name: service, type: 'PTR', class: 'IN', ttl: 1, data: 5 as never },
    { name: DOOR_SERVICE, type: 'PTR', class: 'IN', ttl: 1, data: '' },
    txt(service, []),
    txt(service, [Buffer.from([0xff, 0xfe]), Buffer.alloc(0)]),
    { name: service, type: 'A', ttl: 1, data: '1.2.3.4' }
  ]
  expect(readPeerRecord(service, odd)).toBeUndefined()
  expect(readDoorRecord(odd)).toBeUndefined()
})
