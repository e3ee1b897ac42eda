/** What every peer is told of a session, at each step: the record without what its keepers answer on demand. Under 2 KiB. */
import type { SessionRecord } from './record.ts'

/** Ranges of failed tasks that everyone is told. */
const FAILING_MAX = 8

export function summarize(record: SessionRecord): SessionRecord {
  let room = 400
  const args: string[] = []
  for (const arg of record.spec.args) {
    if (room <= 0) break
    args.push(arg.length > room ? `${arg.slice(0, room)}…` : arg)
    room -= arg.length
  }
  const summary: SessionRecord = {
    ...record,
    spec: { ...record.spec, args, env: {}, labels: {}, appUri: record.spec.appUri.slice(0, 400), cwd: '' },
    restarts: [],
    tried: record.tried.slice(-1),
    history: record.history.slice(-1)
  }
  if (record.progress !== undefined) {
    summary.progress = { ...record.progress, over: [], failing: record.progress.failing.slice(0, 2 * FAILING_MAX) }
  }
  if (record.why !== undefined) {
    summary.why = { sentence: record.why.sentence.slice(0, 300), candidates: [] }
  }
  return summary
}
