/**
 * `omega sim serve`: the page of Omega over a simulated mesh with work on it. The one place that puts sim/ and the doors of
 * node/ together.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Log } from '../../protocols/ports.ts'
import { openBrowser } from '../../node/cli/browser.ts'
import { pageFolder, programVersion } from '../../node/install/layout.ts'
import { startMesh } from '../mesh.ts'
import type { SimMesh } from '../mesh.ts'
import { Control } from './control.ts'
import { openDoor, USER } from './door.ts'
import type { SimDoor } from './door.ts'
import { Pace, systemWall } from './pace.ts'
import { Seat } from './seat.ts'
import { SimApi } from './sim-api.ts'
import { startWork } from './work.ts'

const PORT = 8450
const PEERS_MAX = 2000
/** More PCs than these know each other from the start. */
const STRANGERS_MAX = 48
/** Until the first PC is a member of its mesh. */
const BOOT_MS = 60_000

export const SERVE_USAGE = `usage: omega sim serve [--peers N] [--seed S] [--port P] [--no-browser]
example: omega sim serve --peers 1000 --seed 7`

export interface ServeOptions {
  peers: number
  seed: number
  port: number
  portIsDefault: boolean
  /** The built page. */
  uiDir: string
  /** Told when the time broke down. */
  broke?: (error: Error) => void
}

export interface Served extends SimDoor {
  mesh: SimMesh
  /** Resolves when the page asked for the end. */
  ended: Promise<void>
}

/** Resolves when the page is there and time passes. */
export async function serve(options: ServeOptions): Promise<Served> {
  const { seed } = options
  const replay = `omega sim serve --peers ${options.peers} --seed ${seed}`
  // So many have met before: that each has to learn of each other one first is not what people came to see.
  const known = options.peers > STRANGERS_MAX ? { acquainted: true, warm: true, discovery: false } : {}
  const mesh = startMesh({ seed, peers: options.peers, replay, ...known })
  mesh.until(() => mesh.pcs.some((pc) => pc.peer?.phase === 'active'), { withinMs: BOOT_MS, what: 'a first PC is up' })
  const seat = new Seat(mesh)
  let broken = false
  const pace = new Pace(mesh.world.timeline, systemWall, () => {
    seat.look()
    if (pace.broken === undefined || broken) return
    broken = true
    options.broke?.(mesh.failure(`a peer threw: ${pace.broken.message}`, pace.broken))
  })
  const version = programVersion()
  const ended = Promise.withResolvers<void>()
  const simulation = new Control(mesh, pace, (text, pc) => (seat.tell(text, pc), api.changed()))
  const api: SimApi = new SimApi({
    mesh,
    seat,
    pace,
    simulation,
    version,
    urls: () => [door.url],
    end: () => ended.resolve()
  })
  const { port, portIsDefault, uiDir } = options
  const door = await openDoor({ api, simulation, port, portIsDefault, uiDir, log: quietLog, version })
  startWork(mesh)
  pace.setSpeed(1)
  const close = async (): Promise<void> => {
    pace.stop()
    await door.close()
  }
  return { ...door, mesh, ended: ended.promise, close }
}

export async function main(argv: readonly string[], print: (text: string) => void = console.log): Promise<number> {
  let flags: { options: ServeOptions; browser: boolean } | undefined
  try {
    flags = read(argv)
  } catch (error) {
    process.stderr.write(`sim: ${(error as Error).message}\n${SERVE_USAGE}\n`)
    return 2
  }
  if (flags === undefined) return (print(SERVE_USAGE), 0)
  const { options, browser } = flags
  print(`making ${options.peers} simulated PCs from seed ${options.seed} …`)
  try {
    const served = await serve({ ...options, broke: (error) => process.stderr.write(`${error.message}\n`) })
    print(`page     ${served.link}   (signs in, good once)`)
    print(`         or ${served.url} as ${USER}, password ${served.password}`)
    print('Ctrl-C ends it; nothing is kept')
    if (browser) openBrowser(served.link)
    await Promise.race([served.ended, signalled()])
    await served.close()
    return 0
  } catch (error) {
    process.stderr.write(`sim: ${(error as Error).message}\n`)
    return 1
  }
}

/** Undefined when help was asked for. */
function read(argv: readonly string[]): { options: ServeOptions; browser: boolean } | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      peers: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      port: { type: 'string' },
      'no-browser': { type: 'boolean' },
      help: { type: 'boolean' }
    }
  })
  if (values.help === true) return undefined
  const options = {
    peers: wholeNumber('--peers', values.peers, 2, PEERS_MAX),
    seed: wholeNumber('--seed', values.seed, 0, 0xffff_ffff),
    port: values.port === undefined ? PORT : wholeNumber('--port', values.port, 0, 65_535),
    portIsDefault: values.port === undefined,
    uiDir: pageFolder() ?? join(import.meta.dirname, 'no-page')
  }
  return { options, browser: values['no-browser'] !== true }
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= min && number <= max) return number
  throw new Error(`${option}: "${text}" is not a whole number from ${min} to ${max}`)
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}

const say =
  (level: string) =>
  (phrase: string, fields: Record<string, unknown> = {}): void =>
    void process.stderr.write(`${level}: ${phrase} ${JSON.stringify(fields)}\n`)
const quietLog: Log = { debug: () => {}, info: () => {}, warn: say('warning'), error: say('error') }
