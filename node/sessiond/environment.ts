/**
 * The environment that programs of a session see: that of the PC's user, without what belongs to Omega itself or to the
 * package tool that started it.
 */
import { createHash } from 'node:crypto'
import { delimiter } from 'node:path'
import { sessiondSecret } from './address.ts'

const OWN = /^(omega_|npm_|node_options$|node_channel_|node_unique_id$|init_cwd$)/i
const TOOL_PATH = /[\\/](node_modules[\\/]\.bin|node-gyp-bin)[\\/]?$/

/**
 * `NAME=value` that marks what a session started here. Not its id alone: two peers may share a PC, and then a frozen run
 * of one must not take the run of the other with it.
 */
export function runMark(dataDir: string, session: string): string {
  return `OMEGA_RUN=${createHash('sha256').update(sessiondSecret(dataDir)).update(session).digest('hex').slice(0, 32)}`
}

/** Copies what a program of the user may see. */
export function cleanEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const byTool = Object.keys(env).some((name) => /^npm_/i.test(name))
  const clean: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || OWN.test(name)) continue
    clean[name] = byTool && /^path$/i.test(name) ? withoutToolFolders(value) : value
  }
  return clean
}

function withoutToolFolders(path: string): string {
  return path
    .split(delimiter)
    .filter((folder) => !TOOL_PATH.test(folder))
    .join(delimiter)
}
