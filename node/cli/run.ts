/** `omega run` and `omega submit`: a command becomes a session. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { MeshError } from '../../protocols/errors.ts'
import type { SessionView } from '../http/views.ts'
import { parseBytes } from '../config.ts'
import type { Client } from './client.ts'
import { DETACH_KEYS, parseDetachKeys } from './detach-keys.ts'
import { sizeOrUsual, standsOnTerminal } from './local-terminal.ts'
import { note, print, printJson } from './output.ts'
import type { Travelling } from './travel.ts'

export interface RunFlags {
  cpu?: string
  memory?: string
  on?: string
  notOn?: string
  label?: string[]
  env?: string[]
  restart?: string
  array?: string
  class?: string
  strict?: boolean
  files?: boolean
  /** Undefined: in a terminal when this command stands in one. */
  tty?: boolean
  detachKeys?: string
  json?: boolean
}

/** Variables of the terminal that a program expects to find. */
const CARRIED = ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TERM', 'COLORTERM', 'NO_COLOR'] as const
/** Nobody could start it, as a shell says it. */
const EXIT_NOT_FOUND = 127
/** The PC where it runs is gone. */
const EXIT_RUNNER_GONE = 69

/** Resolves to the exit code of the command. */
export async function run(client: Client, command: string[], flags: RunFlags): Promise<number> {
  await client.active()
  const travelling = await travel(client, flags)
  // Loaded while the peer writes the record.
  const attaching = import('./attach-client.ts')
  const isArray = flags.array !== undefined
  const detachKeys = flags.detachKeys ?? DETACH_KEYS
  const keys = parseDetachKeys(detachKeys)
  const inTerminal = !isArray && (flags.tty ?? standsOnTerminal())
  const created = await create(client, command, { ...flags, tty: inTerminal }, travelling, {
    stdin: !isArray,
    terminalRequired: flags.tty === true
  })
  const { attachSession } = await attaching
  const id = created.session.id
  let session: SessionView | undefined
  let told = ''
  try {
    session = await attachSession(client, id, {
      stdin: !isArray,
      ...(inTerminal ? { detachKeys: keys } : {}),
      onProgress: (text) => note((told = text))
    })
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'PEER_UNREACHABLE') throw error
    note(error.message)
    return EXIT_RUNNER_GONE
  }
  if (session === undefined) return noteDetached(id)
  if (isArray) noteTasks(session, told)
  else if (travelling !== undefined) await bringFilesBack(client, travelling, session)
  if (flags.json === true) printJson(session)
  return exitCode(session)
}

export async function submit(client: Client, command: string[], flags: RunFlags): Promise<number> {
  await client.active()
  const travelling = await travel(client, flags)
  const terms = { stdin: false, terminalRequired: true }
  const { session, durability } = await create(client, command, flags, travelling, terms)
  if (flags.json === true) printJson({ ...viewOf(session), durability })
  else print(session.id)
  return 0
}

/** The session goes on; resolves to the exit code of this command. */
export function noteDetached(id: string): number {
  note(`detached; it goes on, and \`omega attach ${id.slice(0, 8)}\` comes back to it`)
  return 0
}

/** `told`: what was said last while it ran. */
function noteTasks({ id, tasks }: SessionView, told: string): void {
  const short = id.slice(0, 8)
  const first = tasks?.failing[0]
  const sum = tasks === null ? told : `${tasks.done} of ${tasks.total} tasks done, ${tasks.failed} failed`
  if (sum !== told) note(sum)
  if (first === undefined) note(`what a task wrote: omega logs ${short} --task 0`)
  else note(`the first that failed: omega logs ${short} --task ${first}`)
}

/** What `submit --json` and `show --json` have in common with the words of DESIGN. */
export function viewOf(session: SessionView): SessionView {
  return session
}

async function travel(client: Client, flags: RunFlags): Promise<Travelling | undefined> {
  if (flags.files === false) return undefined
  const { sendFolder, staysHere } = await import('./travel.ts')
  const dir = process.cwd()
  if (flags.files === undefined) {
    const reason = await staysHere(dir)
    if (reason !== undefined) {
      note(reason)
      return undefined
    }
  }
  return await sendFolder(client, dir)
}

async function bringFilesBack(client: Client, travelling: Travelling, session: SessionView): Promise<void> {
  const { bringBack } = await import('./travel.ts')
  const runner = session.runner === null ? 'nowhere' : await nameOf(client, session.runner)
  for (const line of await bringBack(client, travelling, session, runner)) note(line)
}

async function nameOf(client: Client, peerId: string): Promise<string> {
  const nodes = await client.get<{ peerId: string; name: string }[]>('/api/v1/nodes')
  return nodes.find((node) => node.peerId === peerId)?.name ?? peerId.slice(-8)
}

async function create(
  client: Client,
  command: string[],
  flags: RunFlags,
  travelling: Travelling | undefined,
  { stdin, terminalRequired }: { stdin: boolean; terminalRequired: boolean }
): Promise<{ session: SessionView; durability: number }> {
  const [first = '', ...rest] = command
  const body = {
    app_uri: /^[a-z][a-z0-9+.-]*:/.test(first) ? first : `exec:${first}`,
    args: rest,
    env: { ...carriedEnv(), ...pairs(flags.env ?? [], '--env') },
    ...(flags.cpu === undefined ? {} : { cpu_cores: number(flags.cpu, '--cpu', 'cores, such as 2 or 0.5') }),
    ...(flags.memory === undefined ? {} : { ram_bytes: bytes(flags.memory) }),
    constraints: {
      ...(flags.on === undefined ? {} : { on: flags.on }),
      ...(flags.notOn === undefined ? {} : { not_on: flags.notOn }),
      labels: pairs(flags.label ?? [], '--label')
    },
    ...(travelling === undefined ? {} : { inputs: travelling.input }),
    ...(flags.restart === undefined ? {} : { restart: flags.restart }),
    ...(flags.array === undefined ? {} : { kind: 'array', array: tasks(flags.array) }),
    ...(flags.class === undefined ? {} : { priority: priority(flags.class) }),
    ...(flags.strict === true ? { mode: 'strict' } : {}),
    ...(flags.tty === true ? { terminal: { ...sizeOrUsual(), required: terminalRequired } } : {}),
    stdin
  }
  // A repeat of the same request after a lost answer is the same session.
  return await client.post('/api/v1/sessions', body, { 'idempotency-key': randomBytes(16).toString('hex') })
}

export function exitCode(session: SessionView): number {
  if (session.exit?.code != null) return session.exit.code
  const signal = session.exit?.signal
  if (signal != null)
    return (
      128 + (constants.signals[`SIG${signal}` as NodeJS.Signals] ?? constants.signals[signal as NodeJS.Signals] ?? 0)
    )
  if (session.state === 'failed' && session.startedAt === null) {
    note(session.reason)
    return EXIT_NOT_FOUND
  }
  note(`${session.state}: ${session.reason}`)
  return 1
}

function carriedEnv(): Record<string, string> {
  return Object.fromEntries(CARRIED.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])))
}

export function pairs(list: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new MeshError('BAD_REQUEST', `${flag} ${text}: give it as key=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    })
  )
}

/** The server knows how many are too many. */
function tasks(text: string): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1)
    throw new MeshError('BAD_REQUEST', `--array ${text}: give how many tasks, such as 100; they are numbered from 0 on`)
  return count
}

function priority(text: string): number {
  if (!/^[0-4]$/.test(text))
    throw new MeshError('BAD_REQUEST', `--class ${text}: give a class from 0 (goes first) to 4 (goes last)`)
  return Number(text)
}

function number(text: string, flag: string, what: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new MeshError('BAD_REQUEST', `${flag} ${text}: give ${what}`)
  return value
}

function bytes(text: string): number {
  const value = parseBytes(text)
  if (value === undefined) throw new MeshError('BAD_REQUEST', `--memory ${text}: give a size, such as 512M or 2G`)
  return value
}
