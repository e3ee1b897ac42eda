import { afterEach, expect, test, vi } from 'vitest'
import type os from 'node:os'
import type { NetworkInterfaceInfo } from 'node:os'
import {
  isOnSubnet,
  lanInterfaces,
  reachableHosts,
  tcpMultiaddr,
  watchInterfaces
} from '../../../node/adapters/interfaces.ts'

const pc = vi.hoisted(() => ({ interfaces: {} as Record<string, unknown[]> }))
vi.mock('node:os', async (original) => {
  const real = await original<typeof os>()
  return { ...real, default: real, networkInterfaces: () => pc.interfaces }
})
afterEach(() => vi.useRealTimers())

const v4 = (address: string, internal = false): Partial<NetworkInterfaceInfo> => ({
  address,
  netmask: '255.255.255.0',
  family: 'IPv4',
  internal
})
const v6 = (address: string): Partial<NetworkInterfaceInfo> => ({
  address,
  family: 'IPv6',
  internal: false,
  netmask: ''
})
const lo = [v4('127.0.0.1', true)]

test('addresses are those of real interfaces: the LAN before containers, IPv4 before IPv6, none that needs a zone', () => {
  pc.interfaces = {
    lo,
    docker0: [v4('172.17.0.1')],
    eth0: [v4('192.168.1.5'), v6('fe80::1'), v6('fd00::5')],
    wlan0: [v4('10.0.0.7')],
    tun0: [v6('fd11::1')]
  }
  expect(reachableHosts('')).toEqual(['192.168.1.5', '10.0.0.7', '172.17.0.1', 'fd00::5'])
  expect(reachableHosts('0.0.0.0')).toEqual(reachableHosts(''))
})

test('a PC without any network is reached over its loopback', () => {
  pc.interfaces = { lo }
  expect(reachableHosts('')).toEqual(['127.0.0.1'])
  expect(lanInterfaces()).toMatchObject([{ name: 'lo', isLoopback: true }])
})

test('bound to one address, only that is told', () => {
  pc.interfaces = { lo, eth0: [v4('192.168.1.5')] }
  expect(reachableHosts('127.0.0.1')).toEqual(['127.0.0.1'])
})

test('multiaddrs name the kind of address', () => {
  expect(tcpMultiaddr('10.0.0.1', 7777)).toBe('/ip4/10.0.0.1/tcp/7777')
  expect(tcpMultiaddr('fd00::1', 7777)).toBe('/ip6/fd00::1/tcp/7777')
})

test('a subnet holds its own hosts and no others', () => {
  const lan = { ipv4: '192.168.1.5', netmask: '255.255.254.0' }
  expect(isOnSubnet('192.168.0.9', lan)).toBe(true)
  expect(isOnSubnet('192.168.2.9', lan)).toBe(false)
  for (const odd of ['', 'fe80::1', '192.168.1', '192.168.1.999', 'a.b.c.d']) expect(isOnSubnet(odd, lan)).toBe(false)
})

test('a change of addresses is told once, no change never', () => {
  vi.useFakeTimers()
  pc.interfaces = { lo, eth0: [v4('192.168.1.5')] }
  let changes = 0
  const stop = watchInterfaces(() => (changes += 1))
  vi.advanceTimersByTime(20_000)
  expect(changes).toBe(0)
  pc.interfaces = { lo, eth0: [v4('192.168.1.6')] }
  vi.advanceTimersByTime(20_000)
  expect(changes).toBe(1)
  stop()
  pc.interfaces = { lo }
  vi.advanceTimersByTime(20_000)
  expect(changes).toBe(1)
})
