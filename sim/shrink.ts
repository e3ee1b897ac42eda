/**
 * Makes a failing plan small: delta debugging (Zeller and Hildebrandt 2002) over its faults and work, then fewer PCs, a
 * shorter time, no jitter. A smaller plan counts when the same checker still objects.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { diagram } from './diagram.ts'
import type { Fault } from './faults.ts'
import type { Plan, PlannedJob } from './plan.ts'
import { play } from './run.ts'
import { nameOf, record } from './story.ts'
import type { Violation } from './watch.ts'

const PLAYS_MAX = 400

export interface Shrunk {
  plan: Plan
  violation: Violation
  plays: number
}

/** Undefined: the plan as it is breaks nothing. `checker`: which one must object; default: the first that does. */
export function shrink(plan: Plan, checker?: string): Shrunk | undefined {
  let plays = 0
  const objection = (candidate: Plan): Violation | undefined => {
    plays++
    return play(candidate).violations.find((violation) => checker === undefined || violation.checker === checker)
  }
  const first = objection(plan)
  if (first === undefined) return undefined
  checker = first.checker
  const fails = (candidate: Plan): boolean => plays < PLAYS_MAX && objection(candidate) !== undefined

  let best = plan
  for (let before = Infinity; entriesOf(best).length < before && plays < PLAYS_MAX;) {
    before = entriesOf(best).length
    best = fewerEntries(best, fails)
    best = fewerPeers(best, fails)
  }
  for (const simpler of [shorter, calmer, evenClocks]) {
    const candidate = simpler(best)
    if (candidate !== undefined && fails(candidate)) best = candidate
  }
  return { plan: best, violation: objection(best)!, plays }
}

type Entry = { fault: Fault } | { job: PlannedJob }

const entriesOf = ({ faults, jobs }: Plan): Entry[] => [
  ...faults.map((fault) => ({ fault })),
  ...jobs.map((job) => ({ job }))
]
const withEntries = (plan: Plan, entries: readonly Entry[]): Plan => ({
  ...plan,
  faults: entries.flatMap((entry) => ('fault' in entry ? [entry.fault] : [])),
  jobs: entries.flatMap((entry) => ('job' in entry ? [entry.job] : []))
})

function fewerEntries(plan: Plan, fails: (candidate: Plan) => boolean): Plan {
  let entries = entriesOf(plan)
  for (let parts = 2; entries.length >= 1;) {
    const size = Math.ceil(entries.length / parts)
    let smaller: Entry[] | undefined
    for (let at = 0; at < entries.length && smaller === undefined; at += size) {
      const rest = [...entries.slice(0, at), ...entries.slice(at + size)]
      if (fails(withEntries(plan, rest))) smaller = rest
    }
    if (smaller !== undefined) {
      entries = smaller
      parts = Math.max(2, parts - 1)
    } else if (size === 1) break
    else parts = Math.min(entries.length, parts * 2)
  }
  return withEntries(plan, entries)
}

/** Without its last PC, as long as that still fails. */
function fewerPeers(plan: Plan, fails: (candidate: Plan) => boolean): Plan {
  let best = plan
  while (best.options.peers > 2) {
    const peers = best.options.peers - 1
    const faults = best.faults.flatMap((fault) => withoutPc(fault, peers))
    const jobs = best.jobs.map((job) => ({
      ...job,
      pc: job.pc % peers,
      ...(job.stop === undefined ? {} : { stop: { ...job.stop, pc: job.stop.pc % peers } })
    }))
    const candidate = { ...best, options: { ...best.options, peers }, faults, jobs }
    if (!fails(candidate)) break
    best = candidate
  }
  return best
}

function withoutPc(fault: Fault, pc: number): Fault[] {
  if ('left' in fault) {
    const [left, right] = [fault.left.filter((one) => one !== pc), fault.right.filter((one) => one !== pc)]
    return left.length > 0 && right.length > 0 ? [{ ...fault, left, right }] : []
  }
  const named =
    'pc' in fault ? [fault.pc] : 'from' in fault ? [fault.from, fault.to] : 'a' in fault ? [fault.a, fault.b] : []
  return named.includes(pc) ? [] : [fault]
}

function shorter(plan: Plan): Plan | undefined {
  const last = Math.max(
    0,
    ...plan.faults.map(({ atMs }) => atMs),
    ...plan.jobs.map(({ atMs, stop }) => Math.max(atMs, stop?.atMs ?? 0))
  )
  const faultPhaseMs = Math.ceil((last + 5000) / 1000) * 1000
  return faultPhaseMs < plan.options.faultPhaseMs ? { ...plan, options: { ...plan.options, faultPhaseMs } } : undefined
}

const calmer = (plan: Plan): Plan => ({ ...plan, options: { ...plan.options, jitterMs: 0 } })
const evenClocks = (plan: Plan): Plan => ({
  ...plan,
  options: { ...plan.options, rates: plan.options.rates.map(() => 1) }
})

export interface ShrunkFile {
  file: string
  picture: string
  checker: string
  violation: string
  plays: number
  before: { faults: number; jobs: number; peers: number }
  after: { faults: number; jobs: number; peers: number }
  story: string[]
}

/** Writes `X.min.json` and `X.min.svg` beside `X.json`. */
export function shrinkFile(file: string): ShrunkFile {
  const saved = JSON.parse(readFileSync(file, 'utf8')) as Plan & { firstViolation?: Violation }
  const { firstViolation, ...plan } = saved
  const shrunk = shrink(plan, firstViolation?.checker)
  if (shrunk === undefined) throw new Error(`${file}: this plan breaks no promise (any more)`)
  const stem = file.replace(/\.json$/, '')
  const [smallFile, picture] = [`${stem}.min.json`, `${stem}.min.svg`]
  writeFileSync(smallFile, `${JSON.stringify({ ...shrunk.plan, firstViolation: shrunk.violation }, null, 1)}\n`)
  writeFileSync(picture, diagram(record(shrunk.plan)))
  const count = ({ faults, jobs, options }: Plan) => ({
    faults: faults.length,
    jobs: jobs.length,
    peers: options.peers
  })
  return {
    file: smallFile,
    picture,
    checker: shrunk.violation.checker,
    violation: shrunk.violation.text,
    plays: shrunk.plays,
    before: count(plan),
    after: count(shrunk.plan),
    story: shrunk.plan.faults.map((fault) => `${(fault.atMs / 1000).toFixed(3)} s ${nameOf(fault)}`)
  }
}
