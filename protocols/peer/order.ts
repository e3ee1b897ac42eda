/** A session as its PC's sessiond is asked to run it. */
import type { RunOrder } from '../ports.ts'
import type { SessionRecord } from '../session/index.ts'

export function orderOf(record: SessionRecord): RunOrder {
  const { spec } = record
  const colon = spec.appUri.indexOf(':')
  const scheme = spec.appUri.slice(0, colon)
  const rest = spec.appUri.slice(colon + 1).replace(/^\/\//, '')
  return {
    session: record.id,
    epoch: record.epoch,
    launcher: scheme === 'shell' ? 'shell' : 'exec',
    argv: [rest, ...spec.args],
    env: spec.env,
    cwd: spec.cwd,
    ...(spec.input === undefined ? {} : { input: spec.input }),
    stdin: spec.stdin,
    ...(spec.terminal === undefined ? {} : { terminal: spec.terminal }),
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes
  }
}
