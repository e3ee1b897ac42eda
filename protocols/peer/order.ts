/** A session as its PC's sessiond is asked to run it. */
import { LAUNCHERS } from '../ports.ts'
import type { RunOrder } from '../ports.ts'
import { partsOfUri } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'

export function orderOf(record: SessionRecord): RunOrder {
  const { spec } = record
  const { scheme, rest } = partsOfUri(spec.appUri)
  return {
    session: record.id,
    epoch: record.epoch,
    launcher: LAUNCHERS.find((one) => one === scheme) ?? 'exec',
    argv: [rest, ...spec.args],
    env: spec.env,
    cwd: spec.cwd,
    ...(spec.input === undefined ? {} : { input: spec.input }),
    stdin: spec.stdin,
    ...(spec.terminal === undefined ? {} : { terminal: spec.terminal }),
    ...(spec.display === undefined ? {} : { display: spec.display }),
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes
  }
}
