/** From what the protocols know to what the API shows. A value that is not known is absent with its reason. */
import type { AdDynamic, AdStatic } from '../protocols/gossip/index.ts'
import type { Member } from '../protocols/membership/index.ts'
import type { AdView, Right } from '../protocols/peer/index.ts'
import { partsOfUri, survivesRunner } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { NodeView, Reading, SessionView, StrictView } from './http/views.ts'

export interface NodeContext {
  self: boolean
  selfName: string
  /** Clock.mono() and Clock.wall() of now. */
  now: number
  wall: number
  history: { cpu: (number | null)[]; memory: (number | null)[] }
}

export function nodeView(member: Member, ad: AdView | undefined, context: NodeContext): NodeView {
  const { now, wall, self } = context
  const fixed = ad?.static
  const dynamic = ad?.dynamic
  const ageMs = ad === undefined || ad.at === -Infinity ? null : Math.max(0, Math.round(now - ad.at))
  const read = readings(member, fixed, dynamic)
  const heardAt = self ? now : member.heardAt
  const battery = dynamic?.battery
  return {
    peerId: member.peer,
    name: member.name,
    state: self ? 'alive' : member.state,
    reason: self
      ? 'this PC'
      : `${member.state === 'alive' ? 'answers' : member.reason || member.state}, as seen from ${context.selfName}`,
    self,
    addresses: [...member.addresses],
    lastSeenMs: heardAt === -Infinity ? null : Math.round(wall - (now - heardAt)),
    ageMs,
    version: member.version,
    os: fixed === undefined ? missing('nothing heard from it yet') : { value: `${fixed.os} ${fixed.arch}` },
    cpuModel: read.fixed('cpuModel', (f) => f.cpuModel),
    cores: read.fixed('cores', (f) => f.cores),
    cpu: read.dynamic('cpu', (d) => d.cpu),
    perCore: read.dynamic('perCore', (d) => d.perCore && Array.from(d.perCore, (share) => share / 255)),
    load1: read.dynamic('load1', (d) => d.load1),
    memoryBytes: read.fixed('memoryBytes', (f) => f.memoryBytes),
    memoryUsedBytes: read.dynamic('memoryUsedBytes', (d) => d.memoryUsedBytes),
    diskBytes: read.dynamic('diskBytes', (d) => d.diskBytes),
    diskFreeBytes: read.dynamic('diskFreeBytes', (d) => d.diskFreeBytes),
    netRxBytesPerS: read.dynamic('rxBytesPerS', (d) => d.rxBytesPerS),
    netTxBytesPerS: read.dynamic('txBytesPerS', (d) => d.txBytesPerS),
    gpus: read.fixed('gpus', (f) => (f.gpus.length > 0 ? f.gpus : undefined)),
    displays: read.fixed('displays', (f) => f.displays),
    temperatureC: read.dynamic('temperatureC', (d) => d.temperatureC),
    battery: read.dynamic(
      'battery',
      () => battery && `${Math.round(battery.percent)} %${battery.charging ? ', charging' : ''}`
    ),
    bootedAtMs: read.dynamic('bootedAt', (d) => d.bootedAt),
    rttMs: self
      ? missing('this is the PC itself')
      : member.rttMs === undefined
        ? missing('not measured yet')
        : { value: member.rttMs },
    witness: fixed?.witness ?? false,
    offer: fixed === undefined ? null : offerView(fixed, dynamic),
    usedBy: dynamic?.usedBy ?? '',
    labels: { ...fixed?.labels },
    history: context.history
  }
}

function offerView(fixed: AdStatic, dynamic: AdDynamic | undefined): NodeView['offer'] {
  return {
    cpuMilli: fixed.offer.cpuMilli,
    memoryBytes: fixed.offer.memoryBytes,
    grantedCpuMilli: dynamic?.granted.cpuMilli ?? 0,
    grantedMemoryBytes: dynamic?.granted.memoryBytes ?? 0,
    paused: dynamic?.paused ?? false
  }
}

function readings(member: Member, fixed: AdStatic | undefined, dynamic: AdDynamic | undefined) {
  const why = (field: string): string => {
    const told = fixed?.missing[field]
    if (told !== undefined) return told
    return member.state === 'alive' ? 'not read yet' : `${member.name} is away`
  }
  return {
    fixed<T>(field: string, pick: (ad: AdStatic) => T | undefined): Reading<T> {
      const value = fixed === undefined ? undefined : pick(fixed)
      return value === undefined ? missing(why(field)) : { value }
    },
    dynamic<T>(field: string, pick: (ad: AdDynamic) => T | undefined): Reading<T> {
      const value = dynamic === undefined ? undefined : pick(dynamic)
      return value === undefined ? missing(why(field)) : { value }
    }
  }
}

const missing = (reason: string): { missing: string } => ({ missing: reason })

/**
 * `runnerGone`: the name of the runner while it is away. `frozenOn`: PCs that keep an older run of it. `awaits`: PCs of
 * which a person would have to say that they are off.
 */
export function sessionView(
  record: SessionRecord,
  runnerGone: string | undefined,
  frozenOn: readonly string[] = [],
  awaits: readonly string[] = []
): SessionView {
  const { spec } = record
  const lost =
    runnerGone !== undefined &&
    (record.state === 'running' || record.state === 'starting' || record.state === 'stopping')
  return {
    id: record.id,
    state: lost ? 'lost' : record.state,
    appUri: spec.appUri,
    args: [...spec.args],
    command: commandOf(record),
    user: spec.user,
    submitter: record.submitter,
    owner: record.owner,
    runner: record.runner ?? null,
    keepers: [...record.keepers],
    epoch: record.epoch,
    frozenOn: [...frozenOn],
    placement: record.why ?? null,
    reason: lost ? lossInWords(record, runnerGone, awaits) : (record.reason ?? ''),
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes,
    restart: spec.restart,
    mode: spec.mode ?? 'available',
    terminal: spec.terminal !== undefined,
    display: spec.display !== undefined,
    priority: spec.class ?? 2,
    tasks: tasksView(record),
    strict: spec.mode === 'strict' ? strictView(record, awaits) : null,
    exit: record.exit ?? null,
    output: record.output ?? null,
    createdAt: record.createdAt,
    startedAt: record.startedAt ?? null,
    endedAt: record.endedAt ?? null,
    history: record.history.map((step) => ({ ...step }))
  }
}

function tasksView({ spec, progress, state }: SessionRecord): SessionView['tasks'] {
  if (spec.array === undefined) return null
  const { done = 0, failed = 0, running = 0, failing = [] } = progress ?? {}
  return { total: spec.array, done, failed, running: state === 'running' ? running : 0, failing: [...failing] }
}

function strictView({ voters, takeover }: SessionRecord, awaits: readonly string[]): StrictView {
  const takenOver = takeover === undefined ? null : { by: takeover.by, at: takeover.peer, when: takeover.at }
  return { voters: [...(voters ?? [])], lease: null, awaits: [...awaits], takenOver }
}

export function leaseView(right: Right | undefined): StrictView['lease'] {
  if (right === undefined) return null
  const { holder, endsInMs, ageMs, from } = right
  return { holder, endsInMs, ageMs, from }
}

function lossInWords(record: SessionRecord, runner: string, awaits: readonly string[]): string {
  if (awaits.length > 0)
    return `${runner} is away, and nobody can tell from here whether it is off; it goes on when ${runner} is back, or when a person takes it over`
  return survivesRunner(record)
    ? `${runner} is away; the session starts again elsewhere in a moment`
    : `${runner} is away; the session goes on if it comes back`
}

/** As a person would type it, at most 200 characters. */
export function commandOf(record: SessionRecord): string {
  const program = partsOfUri(record.spec.appUri).rest
  const words = [program, ...record.spec.args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
  )
  const text = record.spec.appUri.startsWith('shell:') ? program : words.join(' ')
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`
}
