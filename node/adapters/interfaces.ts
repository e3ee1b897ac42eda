/**
 * The network interfaces of this PC, and the addresses at which others can reach a port of it. Interfaces come and go
 * (cable, WiFi, VPN, sleep); `watchInterfaces` notices within seconds.
 */
import { networkInterfaces } from 'node:os'

export interface LanInterface {
  name: string
  /** Its first IPv4 address, by which multicast is told which interface is meant; interfaces without one are left out. */
  ipv4: string
  netmask: string
  isLoopback: boolean
  /** All addresses others can dial: IPv4, and IPv6 that needs no zone. */
  hosts: readonly string[]
}

/** Interfaces that lead only into this PC: containers and virtual machines. Tried last by others. */
const INSIDE = /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxd|cni|flannel|podman)/

/** Every interface with an IPv4 address, the loopback one too. */
export function allInterfaces(): LanInterface[] {
  const all: LanInterface[] = []
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const first = addresses?.find((address) => address.family === 'IPv4')
    if (addresses === undefined || first === undefined) continue
    const hosts = addresses
      .filter(({ family, address }) => family === 'IPv4' || !address.startsWith('fe80'))
      .map(({ address }) => address)
    all.push({ name, ipv4: first.address, netmask: first.netmask, isLoopback: first.internal, hosts })
  }
  return all
}

/** Real interfaces, those to other PCs first; the loopback one alone when there is no other. */
export function lanInterfaces(): LanInterface[] {
  const all = allInterfaces()
  const real = all.filter((each) => !each.isLoopback)
  real.sort((a, b) => Number(INSIDE.test(a.name)) - Number(INSIDE.test(b.name)))
  return real.length > 0 ? real : all.slice(0, 1)
}

/** `bind`: '' or the unspecified address for all interfaces, else one address. */
export function isBoundToAll(bind: string): boolean {
  return bind === '' || bind === '0.0.0.0' || bind === '::'
}

/** Hosts at which a listener bound like that is reached, the best first, IPv4 before IPv6. */
export function reachableHosts(bind: string): string[] {
  if (!isBoundToAll(bind)) return [bind]
  const hosts = lanInterfaces().flatMap((each) => each.hosts)
  return hosts.filter((host) => !host.includes(':')).concat(hosts.filter((host) => host.includes(':')))
}

/** `/ip4/192.168.1.5/tcp/7777`. */
export function tcpMultiaddr(host: string, port: number): string {
  return `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}`
}

/** Calls `onChange` when addresses of this PC came or went. Returns the end of it. */
export function watchInterfaces(onChange: () => void, pollMs = 5000): () => void {
  let last = JSON.stringify(allInterfaces())
  const timer = setInterval(() => {
    const now = JSON.stringify(allInterfaces())
    if (now === last) return
    last = now
    onChange()
  }, pollMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** True when the host is on the subnet of the interface. IPv4 only. */
export function isOnSubnet(host: string, of: Pick<LanInterface, 'ipv4' | 'netmask'>): boolean {
  const mask = ipv4Number(of.netmask)
  const [a, b] = [ipv4Number(host), ipv4Number(of.ipv4)]
  return mask !== undefined && a !== undefined && b !== undefined && (a & mask) === (b & mask)
}

function ipv4Number(text: string): number | undefined {
  const parts = text.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined
  return ((parts[0]! << 24) | (parts[1]! << 16) | (parts[2]! << 8) | parts[3]!) >>> 0
}
