/**
 * What this PC must have before a peer starts: each need, what was found, and the way out. Reading the PC and judging it are
 * apart, so that the judgement is tested with values.
 */
import { constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { delimiter, join } from 'node:path'

export interface PreflightItem {
  need: string
  /** In words. */
  found: string
  ok: boolean
  /** Not ok, and the peer cannot start. */
  fatal: boolean
  /** What to do, or what is missed without it; empty when all is well. */
  fix: string
}

type PortKey = 'port' | 'localPort' | 'meshPort' | 'joinPort'

/** The part of the config that is looked at. `portsSet`: somebody named that port, so that no other will do. */
export interface PreflightOptions extends Record<PortKey, number> {
  dataDir: string
  /** '' is all interfaces. */
  bind: string
  portsSet: Record<PortKey, boolean>
}

const PORTS: ReadonlyArray<{ key: PortKey; name: string; setting: string }> = [
  { key: 'port', name: 'HTTPS', setting: 'OMEGA_PORT' },
  { key: 'localPort', name: 'http://localhost', setting: 'OMEGA_LOCAL_PORT' },
  { key: 'meshPort', name: 'the mesh', setting: 'OMEGA_MESH_PORT' },
  { key: 'joinPort', name: 'new PCs', setting: 'OMEGA_JOIN_PORT' }
]
const LOOPBACK = '127.0.0.1'

/** What was read off the PC; undefined where it cannot be read. */
export interface PreflightReadings {
  nodeVersion: string
  /** Why the data folder cannot be written, in the system's words; undefined when it can. */
  dataDirError: string | undefined
  freeBytes: number | undefined
  /** Why each port cannot be listened on; undefined when it can. */
  portErrors: Record<PortKey, string | undefined>
  lanAddresses: readonly string[]
  hasMulticastRoute: boolean | undefined
  /** Path of bubblewrap; null where it does not exist for this OS. */
  bubblewrap: string | undefined | null
}

const NODE_MIN = [24, 7] as const
/** The store and the logs of the first days; below it a peer would fail soon. */
const FREE_MIN_BYTES = 256 * 2 ** 20
const MULTICAST = 0xe0000000

/** The needs in the order in which a person should fix them. */
export async function preflight(options: PreflightOptions): Promise<PreflightItem[]> {
  return judge(options, await read(options))
}

export function judge(options: PreflightOptions, found: PreflightReadings): PreflightItem[] {
  return [
    judgeRuntime(found.nodeVersion),
    judgeDataFolder(options.dataDir, found.dataDirError),
    judgeSpace(options.dataDir, found.freeBytes),
    ...PORTS.map((port) => judgePort(port, options, found.portErrors[port.key])),
    judgeLan(found.lanAddresses),
    judgeMulticast(found),
    ...(found.bubblewrap === null ? [] : [judgeBubblewrap(found.bubblewrap)])
  ]
}

export async function read(options: PreflightOptions): Promise<PreflightReadings> {
  const dataDirError = await dataFolderError(options.dataDir)
  return {
    nodeVersion: process.versions.node,
    dataDirError,
    freeBytes: dataDirError === undefined ? freeBytes(options.dataDir) : undefined,
    portErrors: {
      port: await portError(options.port, options.bind),
      localPort: await portError(options.localPort, LOOPBACK),
      meshPort: await portError(options.meshPort, options.bind),
      joinPort: await portError(options.joinPort, options.bind)
    },
    lanAddresses: lanAddresses(),
    hasMulticastRoute: multicastRoute(),
    bubblewrap: process.platform === 'linux' ? onPath('bwrap') : null
  }
}

function judgeRuntime(version: string): PreflightItem {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])
  const fix = 'start with "npm start" or node_modules/.bin/omega: both use the runtime the project pins'
  return need(`Node.js ${NODE_MIN.join('.')} or newer`, version, ok, fix)
}

function judgeDataFolder(dataDir: string, error: string | undefined): PreflightItem {
  const fix = `make ${dataDir} writable for you, or name another folder in OMEGA_DATA_DIR`
  return need('a data folder that can be written', error ?? dataDir, error === undefined, fix)
}

function judgeSpace(dataDir: string, free: number | undefined): PreflightItem {
  const what = `${mebibytes(FREE_MIN_BYTES)} free on the disk of the data folder`
  if (free === undefined) return need(what, 'cannot be read', true, '')
  const fix = `make room on the disk of ${dataDir}, or name a folder on another one in OMEGA_DATA_DIR`
  return need(what, `${mebibytes(free)} free`, free >= FREE_MIN_BYTES, fix)
}

function judgePort(
  { key, name, setting }: (typeof PORTS)[number],
  options: PreflightOptions,
  error: string | undefined
): PreflightItem {
  const port = options[key]
  const what = port === 0 ? `a port for ${name}` : `port ${port} for ${name}`
  if (error === undefined) return need(what, 'free', true, '')
  if (!options.portsSet[key])
    return hint(what, error, `none needed: the next free port is used; ${setting} names another`)
  return need(what, error, false, `end what listens there, or name another port in ${setting}`)
}

function judgeLan(addresses: readonly string[]): PreflightItem {
  const what = 'a network with other PCs'
  if (addresses.length > 0) return need(what, addresses.join(', '), true, '')
  return hint(what, 'no address but loopback', 'connect this PC to the network; until then it is a mesh of one')
}

function judgeMulticast({ hasMulticastRoute, lanAddresses: addresses }: PreflightReadings): PreflightItem {
  const what = 'a multicast route, to find other PCs by itself'
  if (hasMulticastRoute === true) return need(what, 'present', true, '')
  if (hasMulticastRoute === undefined) return need(what, 'cannot be read on this system', true, '')
  const add = 'add one ("ip route add 224.0.0.0/4 dev NAME" as root), or join by invite, which carries addresses'
  return hint(what, 'none', addresses.length === 0 ? 'connect this PC to the network' : add)
}

function judgeBubblewrap(path: string | undefined): PreflightItem {
  const what = 'bubblewrap, to isolate sessions'
  if (path !== undefined) return need(what, path, true, '')
  return hint(what, 'not installed', 'install the package "bubblewrap"; until then sessions run as your own user')
}

const need = (what: string, found: string, ok: boolean, fix: string): PreflightItem => ({
  need: what,
  found,
  ok,
  fatal: !ok,
  fix: ok ? '' : fix
})

const hint = (what: string, found: string, fix: string): PreflightItem => ({
  need: what,
  found,
  ok: false,
  fatal: false,
  fix
})

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`

async function dataFolderError(dataDir: string): Promise<string | undefined> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    await access(dataDir, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function freeBytes(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return undefined
  }
}

async function portError(port: number, host: string): Promise<string | undefined> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, exclusive: true, ...(host !== '' && { host }) }, resolve)
    })
    await new Promise((resolve) => server.close(resolve))
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return 'taken by another program'
    return code === 'EACCES' ? 'this user may not listen there' : message
  }
}

function lanAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return all.filter((each) => !each.internal && each.family === 'IPv4').map((each) => each.address)
}

/** True when the kernel's table has a way for 224.0.0.0/4: one of its own, or the default. Linux only. */
function multicastRoute(): boolean | undefined {
  if (process.platform !== 'linux' || !existsSync('/proc/net/route')) return undefined
  return readFileSync('/proc/net/route', 'utf8').split('\n').slice(1).some(carriesMulticast)
}

/** A line of /proc/net/route: addresses are hex in the byte order of the PC. */
export function carriesMulticast(line: string): boolean {
  const [name, destination, , flags, , , , mask] = line.split('\t')
  if (name === undefined || name === 'lo' || destination === undefined || flags === undefined || mask === undefined)
    return false
  const isUp = (Number.parseInt(flags, 16) & 1) === 1
  return isUp && (MULTICAST & swapped(mask)) >>> 0 === swapped(destination) && swapped(mask) <= 0xf0000000
}

function swapped(hex: string): number {
  return Buffer.from(hex.padStart(8, '0'), 'hex').readUInt32LE(0)
}

function onPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}
