/**
 * The wires between the peers of a test: each in its own network namespace on one bridge, which has a namespace too, so
 * that nothing reaches the host's own network. Where namespaces may not be made, every peer has ports of its own on
 * loopback, and links cannot be cut.
 */
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { onPath } from '../../setup/tools.ts'

export interface Place {
  /** IPv4 address at which the test and the other peers reach this one. */
  address: string
  /** Words before a command that put it into the place. */
  enter: string[]
  namespace: string | undefined
  /** Settings of the peer that this place asks for. */
  env: Record<string, string>
}
export interface Lan {
  kind: 'namespaces' | 'loopback'
  place(name: string): Place
  /** The cable is pulled silently: nothing passes, nobody is told. */
  cut(name: string): void
  heal(name: string): void
  /** Frames from one to the other are lost; the way back stays. */
  cutOneWay(from: string, to: string): void
  healOneWay(from: string, to: string): void
  /** What is sent to all is passed on, or not: then nobody is found who is not known already. */
  multicast(on: boolean): void
  readonly namespaces: string[]
  readonly links: string[]
}

const PORT_SETTINGS = ['OMEGA_PORT', 'OMEGA_LOCAL_PORT', 'OMEGA_MESH_PORT', 'OMEGA_JOIN_PORT', 'OMEGA_S3_PORT']
/** A locally administered address that no card has. */
const NOBODY = '02:00:00:00:00:01'

let whyNoNamespaces: string | undefined | null = null

/** Undefined when this process may make network namespaces; else why not. */
export function namespacesMissing(): string | undefined {
  if (whyNoNamespaces !== null) return whyNoNamespaces
  whyNoNamespaces = undefined
  const missing = ['ip', 'nsenter', 'bridge'].filter((tool) => onPath(tool) === undefined)
  if (missing.length > 0) whyNoNamespaces = `${missing.join(', ')} missing`
  if (process.env.OMEGA_TEST_LOOPBACK === '1') whyNoNamespaces = 'OMEGA_TEST_LOOPBACK=1'
  const probe = `omega-probe-${process.pid}`
  try {
    if (whyNoNamespaces === undefined) {
      ip('netns', 'add', probe)
      ip('netns', 'del', probe)
    }
  } catch (error) {
    whyNoNamespaces = `no right to make network namespaces (${(error as Error).message.split('\n').at(-1)})`
  }
  return whyNoNamespaces
}

/** Names only; `lay` makes them. */
export function planLan(tag: string, names: string[]): { namespaces: string[]; links: string[] } {
  return { namespaces: [...names.map((name) => `omega-${tag}-${name}`), `omega-${tag}-lan`], links: [`om${tag}`] }
}

export function layNamespaces(tag: string, names: string[]): Lan {
  const { namespaces, links } = planLan(tag, names)
  const lan = namespaces.at(-1)!
  const hostLink = links[0]!
  const subnet = `10.${64 + (Number.parseInt(tag.slice(0, 2), 16) % 128)}.${Number.parseInt(tag.slice(2, 4), 16)}`
  const namespaceOf = (name: string) => `omega-${tag}-${name}`
  const addressOf = (name: string) => `${subnet}.${names.indexOf(name) + 1}`
  const port = (name: string) => `p${names.indexOf(name) + 1}`

  ip('netns', 'add', lan)
  ip('-n', lan, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0', 'stp_state', '0', 'forward_delay', '0')
  ip('-n', lan, 'addr', 'add', `${subnet}.253/24`, 'dev', 'br0')
  ip('-n', lan, 'link', 'set', 'br0', 'up')
  ip('link', 'add', hostLink, 'type', 'veth', 'peer', 'name', 'host', 'netns', lan)
  ip('addr', 'add', `${subnet}.254/24`, 'dev', hostLink)
  ip('link', 'set', hostLink, 'up')
  ip('-n', lan, 'link', 'set', 'host', 'master', 'br0', 'up')
  for (const name of names) {
    const own = namespaceOf(name)
    ip('netns', 'add', own)
    ip('link', 'add', 'eth0', 'netns', own, 'type', 'veth', 'peer', 'name', port(name), 'netns', lan)
    ip('-n', lan, 'link', 'set', port(name), 'master', 'br0', 'up')
    ip('-n', own, 'link', 'set', 'lo', 'up')
    ip('-n', own, 'addr', 'add', `${addressOf(name)}/24`, 'dev', 'eth0')
    ip('-n', own, 'link', 'set', 'eth0', 'up')
    // Without a default route multicast has nowhere to go.
    ip('-n', own, 'route', 'add', 'default', 'via', `${subnet}.253`)
  }

  const portState = (name: string, state: 'disabled' | 'forwarding') =>
    ip('netns', 'exec', lan, 'bridge', 'link', 'set', 'dev', port(name), 'state', state)
  const neighbour = (from: string, to: string, ...args: string[]) =>
    ip('-n', namespaceOf(from), 'neigh', args[0]!, addressOf(to), 'dev', 'eth0', ...args.slice(1))
  return {
    kind: 'namespaces',
    namespaces,
    links,
    place: (name) => ({
      address: addressOf(name),
      enter: enterNamespace(namespaceOf(name), name),
      namespace: namespaceOf(name),
      env: {}
    }),
    cut: (name) => portState(name, 'disabled'),
    heal: (name) => portState(name, 'forwarding'),
    cutOneWay: (from, to) => neighbour(from, to, 'replace', 'lladdr', NOBODY, 'nud', 'permanent'),
    healOneWay: (from, to) => neighbour(from, to, 'del'),
    multicast: (on) => {
      for (const name of names) {
        ip('netns', 'exec', lan, 'bridge', 'link', 'set', 'dev', port(name), 'mcast_flood', on ? 'on' : 'off')
      }
    }
  }
}

export async function layLoopback(names: string[]): Promise<Lan> {
  const environments = new Map<string, Record<string, string>>()
  for (const name of names) {
    const ports = await freePorts(PORT_SETTINGS.length)
    const settings = PORT_SETTINGS.map((setting, i) => [setting, String(ports[i])])
    environments.set(name, Object.fromEntries(settings))
  }
  const cannot = () => {
    throw new Error('the network is only ours between network namespaces; ask mesh.lan.kind first')
  }
  return {
    kind: 'loopback',
    namespaces: [],
    links: [],
    place: (name) => ({ address: '127.0.0.1', enter: [], namespace: undefined, env: environments.get(name) ?? {} }),
    cut: cannot,
    heal: cannot,
    cutOneWay: cannot,
    healOneWay: cannot,
    multicast: cannot
  }
}

/** Each peer sees its own host name, as on a PC of its own. */
function enterNamespace(namespace: string, hostname: string): string[] {
  const named = ['unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', hostname]
  return ['nsenter', `--net=/run/netns/${namespace}`, ...named]
}

/** Held together while they are chosen, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    })
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function ip(...args: string[]): void {
  execFileSync(onPath('ip') ?? 'ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
