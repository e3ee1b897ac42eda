/** What sessiond is told when it starts; every number has a default. */
import { parseArgs } from 'node:util'

export interface SessiondConfig {
  dataDir: string
  /** Script of the hardware helper. */
  hardwareHelper: string
  /** Not refreshed for this long, the leash freezes the children. */
  leashMs: number
  /** Log of one session. */
  logKeepBytes: number
  logSegmentBytes: number
  /** How far a reader of the log may be behind before the program has to wait. */
  logLagBytes: number
  /** All finished sessions together. */
  finishedKeepBytes: number
  finishedKeepMs: number
  finishedKeepRuns: number
  /** Files of a folder that travels. */
  folderBytes: number
  childrenMax: number
  hardwareEveryMs: number
  /** Without a child and without a peer, sessiond ends after this long. */
  lingerMs: number
}

export const SESSIOND_DEFAULTS: Omit<SessiondConfig, 'dataDir' | 'hardwareHelper'> = {
  leashMs: 5000,
  logKeepBytes: 64 << 20,
  logSegmentBytes: 8 << 20,
  logLagBytes: 16 << 20,
  finishedKeepBytes: 2 * 2 ** 30,
  finishedKeepMs: 7 * 24 * 3600 * 1000,
  finishedKeepRuns: 5000,
  folderBytes: 256 << 20,
  childrenMax: 1024,
  hardwareEveryMs: 10 * 60 * 1000,
  lingerMs: 10_000
}

/** From `--data-dir PATH --config JSON`, as keeper.ts writes them. */
export function configFrom(argv: readonly string[]): SessiondConfig {
  const options = { 'data-dir': { type: 'string' }, config: { type: 'string' } } as const
  const { values } = parseArgs({ args: [...argv], options })
  const dataDir = values['data-dir']
  const given = JSON.parse(values.config ?? '{}') as Partial<SessiondConfig>
  if (dataDir === undefined || given.hardwareHelper === undefined)
    throw new Error('sessiond is started by the peer, with --data-dir and --config')
  return { ...SESSIOND_DEFAULTS, hardwareHelper: given.hardwareHelper, ...given, dataDir }
}
