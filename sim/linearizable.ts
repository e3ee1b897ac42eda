/**
 * Is a history of one register linearizable? Values carry a version and the attempt that made it, so one pass over the
 * history in the order of time says so: versions have one maker each, are built on the one before, and never run backwards
 * from an answer to a question asked later. Operations without an answer may have happened or not.
 */
import type { Change, Value } from '../protocols/register/index.ts'

export interface Operation {
  readonly attempt: string
  readonly change: Change
  /** True time. */
  readonly calledAt: number
  /** Infinity: no answer came. */
  returnedAt: number
  outcome: 'applied' | 'unchanged' | 'doubt' | 'failed' | undefined
  /** What was read back; for `applied` the version it made. */
  value: Value | undefined
}

/** The first thing that is wrong, in words; undefined when the history is linearizable. */
export function violation(initial: Value, history: readonly Operation[]): string | undefined {
  const answered = history.filter((op) => op.value !== undefined)
  const versions = new Map<number, Value>([[initial.ver, initial]])
  for (const { value } of answered) {
    const known = versions.get(value!.ver)
    if (known !== undefined && !sameValue(known, value!))
      return `version ${value!.ver} was read as made by ${known.attempt} and by ${value!.attempt}`
    versions.set(value!.ver, value!)
  }
  return wrongMaker(initial, history, versions) ?? wrongBase(history, versions) ?? wrongOrder(initial, history)
}

const sameValue = (a: Value, b: Value): boolean =>
  a.attempt === b.attempt &&
  a.own.peer === b.own.peer &&
  a.own.attempt === b.own.attempt &&
  a.own.epoch === b.own.epoch &&
  a.cfg.ver === b.cfg.ver

/** Each version is made by one attempt that was asked for, and no attempt that is known to have failed. */
function wrongMaker(
  initial: Value,
  history: readonly Operation[],
  versions: ReadonlyMap<number, Value>
): string | undefined {
  const byAttempt = new Map(history.map((op) => [op.attempt, op]))
  const makes = new Map<string, number>()
  for (const { ver, attempt } of versions.values()) {
    const other = makes.get(attempt)
    if (other !== undefined) return `attempt ${attempt} made version ${other} and version ${ver}`
    makes.set(attempt, ver)
    if (ver === initial.ver) continue
    const op = byAttempt.get(attempt)
    if (op === undefined) return `version ${ver} was made by ${attempt}, which nobody asked for`
    if (op.outcome === 'unchanged' || op.outcome === 'failed')
      return `attempt ${attempt} was said to be ${op.outcome}, and made version ${ver}`
  }
  for (const op of history) {
    if (op.outcome === 'applied' && op.value!.attempt !== op.attempt)
      return `attempt ${op.attempt} was said to be applied, and the value read back was made by ${op.value!.attempt}`
  }
  return undefined
}

/** What a change asked of the version before its own did hold there. */
function wrongBase(history: readonly Operation[], versions: ReadonlyMap<number, Value>): string | undefined {
  for (const { outcome, change, value, attempt } of history) {
    const base = outcome === 'applied' ? versions.get(value!.ver - 1) : undefined
    if (base === undefined) continue
    const held =
      change.k === 'own' ? base.own.attempt === change.after : change.k === 'cfg' && base.cfg.ver === change.ver
    if (!held) return `attempt ${attempt} made version ${value!.ver} although version ${base.ver} did not allow it`
  }
  return undefined
}

/** Sweeps through time: an operation sees at least what was answered before it was asked, and nothing not yet asked for. */
function wrongOrder(initial: Value, history: readonly Operation[]): string | undefined {
  const madeFrom = new Map(history.map((op) => [op.attempt, op.calledAt]))
  const returns = history.filter((op) => op.value !== undefined && op.returnedAt < Infinity)
  returns.sort((a, b) => a.returnedAt - b.returnedAt)
  const calls = [...returns].sort((a, b) => a.calledAt - b.calledAt)
  let latest: number = initial.ver
  let next = 0
  for (const op of calls) {
    for (; next < returns.length && returns[next]!.returnedAt < op.calledAt; next++)
      latest = Math.max(latest, returns[next]!.value!.ver)
    const { ver, attempt } = op.value!
    // A change makes a new version; one in doubt may have been applied before what it read.
    if (op.outcome === 'applied' ? ver <= latest : ver < latest)
      return `version ${ver} came back to ${op.attempt}, asked for after version ${latest} had been read`
    const from = ver === initial.ver ? -Infinity : (madeFrom.get(attempt) ?? -Infinity)
    if (from > op.returnedAt) return `version ${ver} was read before ${attempt} asked for it`
  }
  return undefined
}
