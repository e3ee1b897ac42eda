/**
 * Settings of one peer from the environment and the flags of `omega up`. Parsing is pure: what came in, a config or the
 * whole list of problems out. Defaults are here and nowhere else.
 */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import envPaths from 'env-paths'
import { MeshError } from '../protocols/errors.ts'

export interface Config {
  /** Everything the peer keeps. */
  dataDir: string
  /** Shown to people; default is the host name. */
  name: string
  /** HTTPS: page, REST, WebSocket, /metrics, /docs. */
  port: number
  /** Address to listen on; '' is all interfaces. */
  bind: string
  /** The same over http://localhost. */
  localPort: number
  /** libp2p over TCP. */
  meshPort: number
  /** Enrolment; listens only while an invite or a door lives. */
  joinPort: number
  /** Ports that somebody set: taken ones are an error, not moved. */
  portsSet: { port: boolean; localPort: boolean; meshPort: boolean; joinPort: boolean }
  meshName: string
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  tlsEnabled: boolean
  /** Share of this PC that the mesh may use; undefined: all cores and half of the memory. */
  offer: Offer
  /** This PC keeps records and votes, and runs nothing. */
  witness: boolean
  labels: Record<string, string>
  /** Output and results of ended sessions: kept until there is more of it, or until it is this old. */
  keep: { bytes: number; ms: number }
  /** How long a PC without a mesh looks for an open door, ms. */
  lookMs: number
}
export interface Offer {
  /** Cores in thousandths, or a share of all. */
  cpu?: { milli: number } | { share: number }
  memory?: { bytes: number } | { share: number }
}

export interface UpFlags {
  name?: string
  offer?: string
  witness?: boolean
  label?: string[]
  logLevel?: string
}

const PORTS = { port: 8443, localPort: 8442, meshPort: 7777, joinPort: 7778 } as const
const VARIABLES = {
  port: 'OMEGA_PORT',
  localPort: 'OMEGA_LOCAL_PORT',
  meshPort: 'OMEGA_MESH_PORT',
  joinPort: 'OMEGA_JOIN_PORT'
} as const
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** The OS's per-user data folder, or OMEGA_DATA_DIR. */
export function dataDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(env.OMEGA_DATA_DIR || envPaths('omega', { suffix: '' }).data)
}

/** Throws BAD_REQUEST naming every setting that is wrong. */
export function readConfig(env: NodeJS.ProcessEnv, flags: UpFlags, hostname: string): Config {
  const problems: string[] = []
  const ports = { port: 0, localPort: 0, meshPort: 0, joinPort: 0 }
  const portsSet = { port: false, localPort: false, meshPort: false, joinPort: false }
  for (const key of ['port', 'localPort', 'meshPort', 'joinPort'] as const) {
    const text = env[VARIABLES[key]]
    portsSet[key] = text !== undefined && text !== ''
    ports[key] = portsSet[key] ? Number(text) : PORTS[key]
    if (!Number.isInteger(ports[key]) || ports[key] < 0 || ports[key] > 65535) {
      problems.push(`${VARIABLES[key]} is "${text}"; a port is a number from 0 to 65535`)
    }
  }
  const name = (flags.name ?? env.OMEGA_NAME ?? hostname.split('.')[0] ?? '').trim() || 'pc'
  checkName('the name', name, problems)
  const meshName = env.OMEGA_CLUSTER_NAME?.trim() || ownMeshName(name)
  checkName('OMEGA_CLUSTER_NAME', meshName, problems)
  const bind = env.OMEGA_BIND ?? ''
  if (bind !== '' && isIP(bind) === 0)
    problems.push(`OMEGA_BIND is "${bind}"; give an IP address of this PC, such as 127.0.0.1`)
  const logLevel = (flags.logLevel ?? env.OMEGA_LOG_LEVEL ?? 'info') as Config['logLevel']
  if (!LEVELS.includes(logLevel)) problems.push(`OMEGA_LOG_LEVEL is "${logLevel}"; levels are ${LEVELS.join(', ')}`)
  const tls = env.OMEGA_TLS_ENABLED ?? 'true'
  if (tls !== 'true' && tls !== 'false') problems.push(`OMEGA_TLS_ENABLED is "${tls}"; true or false`)
  const witness = env.OMEGA_WITNESS ?? 'false'
  if (witness !== 'true' && witness !== 'false') problems.push(`OMEGA_WITNESS is "${witness}"; true or false`)
  if (flags.witness === true && flags.offer !== undefined)
    problems.push('--witness gives the mesh nothing to run on, so --offer says the opposite')
  const config: Config = {
    dataDir: dataDirOf(env),
    name,
    ...ports,
    bind,
    portsSet,
    meshName,
    logLevel,
    tlsEnabled: tls === 'true',
    offer: readOffer(flags.offer, problems),
    witness: flags.witness === true || witness === 'true',
    labels: readLabels(flags.label ?? [], problems),
    keep: {
      bytes: setting(env, 'OMEGA_KEEP_BYTES', '2G', parseBytes, 'a size, such as 2G', problems),
      ms: setting(env, 'OMEGA_KEEP_TIME', '7d', parseDuration, 'a duration, such as 12h or 7d', problems)
    },
    lookMs: 5_000
  }
  if (problems.length > 0) throw new MeshError('BAD_REQUEST', problems.join('; '))
  return config
}

function setting(
  env: NodeJS.ProcessEnv,
  name: string,
  standard: string,
  parse: (text: string) => number | undefined,
  what: string,
  problems: string[]
): number {
  const text = env[name] || standard
  const value = parse(text)
  if (value === undefined) problems.push(`${name} is "${text}"; give ${what}`)
  return value ?? 0
}

/** Certificates carry names: so many bytes, and nothing that could fake another line on a screen. */
const NAME_BYTES = 64
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

function checkName(what: string, name: string, problems: string[]): void {
  const bytes = Buffer.byteLength(name)
  const shown = [...name]
    .filter((char) => !UNPRINTABLE.test(char))
    .slice(0, 20)
    .join('')
  if (bytes > NAME_BYTES) problems.push(`${what} "${shown}…" takes ${bytes} bytes; at most ${NAME_BYTES}`)
  if (UNPRINTABLE.test(name)) problems.push(`${what} "${shown}" has characters that cannot be shown`)
}

function ownMeshName(name: string): string {
  const own = `${name}'s mesh`
  return Buffer.byteLength(own) <= NAME_BYTES ? own : name
}

/** `cpu=50%,ram=4G`. */
function readOffer(text: string | undefined, problems: string[]): Offer {
  const offer: Offer = {}
  for (const part of (text ?? '').split(',').filter((p) => p !== '')) {
    const at = part.indexOf('=')
    const [key, value] = at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)]
    const share = /^(\d+(?:\.\d+)?)%$/.exec(value)
    const percent = share === null ? undefined : Number(share[1])
    if (percent !== undefined && percent > 100) problems.push(`--offer ${part}: at most 100 %`)
    if (key === 'cpu') {
      const cores = Number(value)
      if (percent !== undefined) offer.cpu = { share: percent / 100 }
      else if (value.trim() !== '' && Number.isFinite(cores) && cores >= 0)
        offer.cpu = { milli: Math.round(cores * 1000) }
      else problems.push(`--offer ${part}: cpu takes cores or a share, such as cpu=2 or cpu=50%`)
    } else if (key === 'ram' || key === 'memory') {
      const bytes = parseBytes(value)
      if (percent !== undefined) offer.memory = { share: percent / 100 }
      else if (bytes !== undefined) offer.memory = { bytes }
      else problems.push(`--offer ${part}: ram takes a size or a share, such as ram=4G or ram=25%`)
    } else {
      problems.push(`--offer ${part}: known are cpu and ram`)
    }
  }
  return offer
}

/** What an advertisement takes (protocols/gossip/ad.ts). */
const LABEL = { max: 32, keyChars: 64, valueChars: 256 } as const

function readLabels(list: readonly string[], problems: string[]): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const text of list) {
    const at = text.indexOf('=')
    if (at < 1) problems.push(`--label ${text}: labels are key=value`)
    else if (at > LABEL.keyChars || text.length - at - 1 > LABEL.valueChars) {
      problems.push(
        `--label ${text.slice(0, 40)}…: at most ${LABEL.keyChars} characters for the key and ${LABEL.valueChars} for the value`
      )
    } else labels[text.slice(0, at)] = text.slice(at + 1)
  }
  const count = Object.keys(labels).length
  if (count > LABEL.max) problems.push(`--label is given for ${count} keys; at most ${LABEL.max}`)
  return labels
}

/** `2G`, `512M`, `1.5GiB`, `1000000`; binary multiples. Undefined when it is none. */
export function parseBytes(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  if (found === null) return undefined
  const power = ['', 'k', 'm', 'g', 't'].indexOf(found[2]!.toLowerCase())
  return Math.round(Number(found[1]) * 1024 ** power)
}

/** `90s`, `10m`, `24h`, `7d` in milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  if (found === null) return undefined
  return Math.round(Number(found[1]) * { ms: 1, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 }[found[2] as 's']!)
}

/** What the mesh may use of a PC with this much. Without a word from its owner: all cores (at low priority), half the memory. */
export function offerOf(
  offer: Offer,
  capacity: { cpuMilli: number; memoryBytes: number }
): { cpuMilli: number; memoryBytes: number } {
  const cpu = offer.cpu ?? { share: 1 }
  const memory = offer.memory ?? { share: 0.5 }
  return {
    cpuMilli: Math.round('share' in cpu ? capacity.cpuMilli * cpu.share : Math.min(cpu.milli, capacity.cpuMilli)),
    memoryBytes: Math.round(
      'share' in memory ? capacity.memoryBytes * memory.share : Math.min(memory.bytes, capacity.memoryBytes)
    )
  }
}
