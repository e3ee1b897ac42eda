/**
 * Bugs planted in the protocols, one at a time, each to be found by explore: a checker that finds none of them finds
 * nothing else either. A mutation is a text that occurs once in the sources and what stands there instead; worker.ts
 * exchanges it while loading.
 */
import { explore } from './explore.ts'
import type { Rules } from '../protocols/register/index.ts'
import type { FamilyName } from './families.ts'
import type { Patch } from './worker.ts'

export interface Mutation extends Patch {
  name: string
  /** Where it is looked for. Default: calm, within, pair by turns. */
  families?: readonly FamilyName[]
  /**
   * A second line of defence, taken away so that the first is judged alone; without the mutation, what `by` names must
   * hold all the same.
   */
  without?: Patch
  /** Checkers, of which one must find it. Default: any. */
  by?: readonly string[]
}

const SESSIONS = 'protocols/peer/sessions.ts'
const OWNING = 'protocols/peer/owning.ts'
const RUNS = 'protocols/peer/runs.ts'
const TAKEOVER = 'protocols/peer/takeover.ts'
const ASKING = 'protocols/peer/keepers.ts'
const LINKS = 'protocols/peer/links.ts'
const RECORDS = 'protocols/peer/records.ts'
const PLACER = 'protocols/peer/placer.ts'
const ARRAYS = 'protocols/peer/arrays.ts'
const KEEPERS = 'protocols/session/keepers.ts'
const ADMISSION = 'protocols/placement/admission.ts'
const STRICT_FILE = 'protocols/peer/strict.ts'
const LEASES = 'protocols/register/lease.ts'
const ACCEPTOR = 'protocols/register/acceptor.ts'

/** The rules of registers and leases (protocols/register/rules.ts), each left out. */
const broken = (rule: keyof Rules, name: string, families = STRICT): Mutation => ({
  name,
  file: 'protocols/register/rules.ts',
  find: `${rule}: true`,
  replace: `${rule}: false`,
  families
})
/**
 * The same of rules about time: where only the lease stands between keepers and the session. What it keeps apart is
 * rights and runs; that epochs go up is the work of the defence that is away.
 */
const amongChallengers = (rule: keyof Rules, name: string, family: FamilyName, by: readonly string[]): Mutation => ({
  ...broken(rule, name, [family]),
  without: HASTY,
  by
})
const brokenLease = (rule: keyof Rules, name: string): Mutation =>
  amongChallengers(rule, name, 'edge', ['right', 'double run'])
/** Keepers hold every other peer for dead. */
export const HASTY: Patch = {
  file: TAKEOVER,
  find: 'return takeoverInMs(record, this.#ctx.self, (peer) => this.#ctx.goneMs(peer))',
  replace: `return takeoverInMs(record, this.#ctx.self, (peer) =>
      isStrict(record) && peer !== this.#ctx.self ? 60_000 : this.#ctx.goneMs(peer))`
}
/** What a keeper missed it does not hear when its link is back. */
const NEVER_COMPARED: Patch = {
  file: RECORDS,
  find: 'for (let i = 0; i < list.length; i += 400)',
  replace: 'for (let i = 0; i < 0; i += 400)'
}
const STRICT: readonly FamilyName[] = ['lease', 'lease', 'lease', 'strict']

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the tasks of a worker that died are given to nobody',
    file: ARRAYS,
    find: 'if (isGone || now - chunk.atMs > SILENT_MS) this.#backTo(job, id, chunk)',
    replace: 'if (isGone) continue',
    families: ['arrays']
  },
  {
    name: 'a new owner of an array believes that all before the last result is over',
    file: ARRAYS,
    find: 'const over = TaskSet.of(progress?.over ?? [], total)',
    replace: 'const over = TaskSet.of([0, progress?.over.at(-1) ?? 0], total)',
    families: ['arrays']
  },
  {
    name: 'takeover before the leash is over',
    file: KEEPERS,
    find: 'TAKEOVER_AFTER_MS = 6_500',
    replace: 'TAKEOVER_AFTER_MS = 1_500',
    families: ['calm']
  },
  {
    name: 'nobody takes over from an owner that stays away',
    file: TAKEOVER,
    find: 'if (inMs === 0) this.#askHeir(record)',
    replace: 'if (inMs === 0) void 0',
    families: ['loss']
  },
  {
    name: 'time since the verdict instead of since the last word',
    file: LINKS,
    find: 'return this.#ports.clock.mono() - Math.max(missedAt, known.heardAt, listensSince)',
    replace: 'return Number.MAX_SAFE_INTEGER',
    families: ['calm']
  },
  {
    name: 'takeover looks at the owner only, not at the runner',
    file: TAKEOVER,
    find: 'if (heir === undefined || this.#ctx.goneMs(heir) !== undefined) return this.#turn(record)',
    replace: 'return this.#turn(record)',
    families: ['hands']
  },
  {
    name: 'a keeper answers before its disk has the record',
    file: RECORDS,
    find: 'this.#write(merged, writeOnce(merged), done ?? (() => {}))',
    replace: 'this.#write(merged, writeOnce(merged), () => {}); done?.()',
    families: ['power']
  },
  {
    name: 'the owner counts its own copy before it is on disk',
    file: RECORDS,
    find: 'this.#write(record, bytes, (error) => {\n      settle(error === undefined, error)',
    replace: 'settle(true); this.#write(record, bytes, (error) => {'
  },
  {
    name: 'records are written without sync',
    file: RECORDS,
    find: '[{ put: `r/${record.id}`, value: bytes }], { sync: true }',
    replace: '[{ put: `r/${record.id}`, value: bytes }], { sync: false }'
  },
  {
    name: 'a frozen child goes on without asking the keepers',
    file: RUNS,
    find: '\n    this.#askBeforeThaw(child)\n',
    replace: '\n    this.#ctx.ports.host.thaw(child.session, child.epoch)\n'
  },
  {
    name: 'a frozen child goes on whatever the keepers say',
    file: RUNS,
    find: '      const ours =\n        newest !== undefined &&',
    replace: '      const ours =\n        newest !== undefined ||'
  },
  {
    name: 'a peer that is back decides without its keepers',
    file: ASKING,
    find: 'if (!isOver() && others.some((keeper) => !this.#ctx.reachable(keeper))) return again()',
    replace: 'return then(this.#records.all.get(id))'
  },
  {
    name: 'a lost child starts again without asking',
    file: RUNS,
    find: 'this.#parts.keepers.ask(record.id, record.keepers, settle)',
    replace: 'settle(record)',
    families: ['ends']
  },
  {
    name: 'a child is started before its record is on disk',
    file: RUNS,
    find: 'if (!owned.recorded) return void (owned.start = () => this.startChild(id))',
    replace: '',
    families: ['calm']
  },
  {
    name: 'holds are not counted',
    file: ADMISSION,
    find: 'const freeCpu = admission.offer.cpuMilli - used.cpuMilli',
    replace: 'const freeCpu = admission.offer.cpuMilli'
  },
  {
    name: 'a grant lapses like a hold',
    file: ADMISSION,
    find: 'admission.claims.get(session)!.until = Infinity',
    replace: ''
  },
  {
    name: 'a bind is taken without room',
    file: SESSIONS,
    find: 'if (!grant(this.admission, id, record.spec, from, this.#ctx.ports.clock.mono()))',
    replace: 'if (false)'
  },
  {
    name: 'children that were there before are not counted',
    file: ADMISSION,
    find: 'admission.claims.set(session, { cpuMilli: ask.cpuMilli, memoryBytes: ask.memoryBytes, until: Infinity, by })',
    replace: ''
  },
  {
    name: 'another worker is bound as soon as the first is missed',
    file: PLACER,
    find: 'if (gone !== undefined && gone >= TAKEOVER_AFTER_MS)',
    replace: 'if (gone !== undefined)',
    families: ['hands']
  },
  {
    name: 'another worker is bound when the link to the first breaks',
    file: PLACER,
    find: "if (placing.phase !== 'reserving' || asked === undefined || asked.state === 'refused') continue",
    replace: "placing.phase = 'reserving'\n      if (asked === undefined || asked.state === 'refused') continue",
    families: ['hands']
  },
  {
    name: 'a worker that is bound does not raise the epoch',
    file: SESSIONS,
    find: 'owner: self, runner: self, epoch: record.epoch + 1, seq: 0 }',
    replace: 'owner: self, runner: self, epoch: record.epoch, seq: record.seq + 1 }'
  },
  {
    name: 'an owner that runs it itself does not raise the epoch',
    file: OWNING,
    find: 'runner: this.#ctx.self, epoch: now.epoch + 1, seq: 0 })',
    replace: 'runner: this.#ctx.self })'
  },
  {
    name: 'a stop is forgotten when a newer version comes',
    file: RECORDS,
    find: 'const merged = stops ? stopping(record) : record',
    replace: 'const merged = record',
    families: ['ends']
  },
  {
    name: 'a failing session is started again for ever',
    file: OWNING,
    find: 'return recent.length >= RESTARTS_MAX ? undefined : recent',
    replace: 'return recent'
  },
  {
    name: 'records are not compared when a link comes up',
    ...NEVER_COMPARED,
    families: ['ends']
  },
  {
    name: 'the end of a run is published without asking who owns it by now',
    file: RUNS,
    find: '} else this.#publishAfterAsking(child, record)',
    replace:
      "} else {\n        this.#parts.owning.own(record, 'running', '')\n        if (child.exit !== undefined) this.exited(child.session, child.epoch, child.exit)\n      }",
    families: ['ends']
  },
  {
    name: 'a refutation keeps its incarnation',
    file: 'protocols/membership/rows.ts',
    find: 'Math.max(s.own.inc, above) + 1)',
    replace: 'Math.max(s.own.inc, above))'
  },
  {
    name: 'member lists are never compared',
    file: 'protocols/membership/spread.ts',
    find: 'differencesOf(rangedRows(t), theirs, t.s.cfg.tellMax)',
    replace: 'differencesOf(rangedRows(t), [], t.s.cfg.tellMax)',
    families: ['pair']
  },
  {
    name: 'the dead are never dialled again',
    file: 'protocols/membership/kernel.ts',
    find: 'if (dead.length > 0) dialOnce',
    replace: 'if (false) dialOnce',
    families: ['pair'],
    // where multicast has fallen silent
    without: {
      file: 'sim/discovery.ts',
      find: 'network.running && query(false)',
      replace: 'network.running && pauseMs < 16_000 && query(false)'
    },
    by: ['membership']
  },
  {
    name: 'gossip takes older versions',
    file: 'protocols/gossip/held.ts',
    find: 'return held !== undefined && compareVersions(signed, held) <= 0',
    replace: 'return held !== undefined && compareVersions(signed, held) === 0'
  },
  {
    name: 'gossip never compares what it holds',
    file: 'protocols/gossip/repair.ts',
    find: 'if (theirs.length === 1 && first![0] === 0 && sameBytes(sumsHere(s, all), first![2])) return',
    replace: 'return'
  },
  // ---- registers and the rights kept in them ----
  brokenLease('attemptInValue', 'a read counts as a renewal'),
  brokenLease('leaseFromAttemptStart', 'a lease runs from the answer'),
  brokenLease('driftAllowance', 'a challenger trusts its clock'),
  brokenLease('renewalRestartsWait', 'a challenger does not mind renewals'),
  broken('replyAfterSync', 'an acceptor answers before its word is on disk'),
  broken('promiseHolds', 'an acceptor breaks its promise'),
  broken('unknownHasNoVote', 'who has forgotten a register votes on it'),
  broken('highestGoesOn', 'any accepted value goes on, not the highest'),
  broken('quorumIsMajority', 'half of the voters decide', ['churn']),
  amongChallengers('configOfValue', 'who counts is what the proposer believes', 'churn', [
    'register',
    'right',
    'double run'
  ]),
  broken('jointNeedsBoth', 'the new voters decide alone before the old ones are let go', ['churn']),
  broken('copiedBeforeLeft', 'the old voters are let go before the new ones have the state', ['strict']),
  {
    name: 'a strict child starts without the right',
    file: RUNS,
    find: 'if (!isStrict(record)) return order({})',
    replace: 'return order({})',
    families: STRICT
  },
  {
    name: 'a renewed right does not reach sessiond',
    file: STRICT_FILE,
    find: 'this.#ctx.ports.host.lease(id, record.epoch, until)',
    replace: 'void 0',
    families: STRICT
  },
  {
    name: 'a result is told before the voters know that it is one',
    file: OWNING,
    find: 'if (isHere) this.#endResult(id, publish)',
    replace: 'if (false) void 0',
    families: ['results']
  },
  {
    name: 'a result is on one disk when the voters hear of it',
    file: STRICT_FILE,
    find: 'return this.registers.votesAlone(record.id) ? 1 : Math.min(2, record.keepers.length)',
    replace: 'return 1',
    families: ['results'],
    without: NEVER_COMPARED,
    by: ['result']
  },
  {
    name: 'an end that one acceptor took counts as chosen',
    file: LEASES,
    find: 'return watched.told?.over === true ? Infinity : READ',
    replace: 'return Infinity',
    families: STRICT
  },
  {
    name: 'who asked for room for a register is not told that the disk refused',
    file: ACCEPTOR,
    find: "return answer.msg.t === 'joined' ? [reply(answer.to, { ...answer.msg, ok: false })] : []",
    replace: 'return []',
    families: STRICT
  },
  {
    name: 'voters are told of an end that no disk has',
    file: OWNING,
    find: '    if (copies > 0) {\n',
    replace: '    if (copies >= 0) {\n',
    families: ['results']
  }
]

export interface Found {
  name: string
  /** Seeds played until one failed; undefined: none of them did. */
  seeds: number | undefined
  family?: string
  seed?: number
  first?: string
  wallS: number
}

export interface MutationTable {
  mutations: number
  found: number
  missed: string[]
  table: Found[]
}

const FAMILIES_BY_TURNS: readonly FamilyName[] = ['calm', 'within', 'pair']

export async function findMutations(options: {
  workers: number
  seeds: number
  only?: string
}): Promise<MutationTable> {
  const { only } = options
  const chosen = MUTATIONS.filter(({ name }) => only === undefined || name.includes(only))
  if (chosen.length === 0) throw new Error(`--only: no mutation has "${only}" in its name`)
  const table: Found[] = []
  for (const mutation of chosen) {
    const found = await find(mutation, options)
    table.push(found)
    process.stderr.write(`${found.seeds ?? 'missed'}\t${found.name}\t${found.first ?? ''}\n`)
  }
  const missed = table.filter(({ seeds }) => seeds === undefined).map(({ name }) => name)
  return { mutations: table.length, found: table.length - missed.length, missed, table }
}

async function find(mutation: Mutation, { workers, seeds }: { workers: number; seeds: number }): Promise<Found> {
  const families = mutation.families ?? FAMILIES_BY_TURNS
  const {
    failures,
    speed,
    seeds: played
  } = await explore({
    families,
    first: 1,
    seeds,
    workers,
    patches: mutation.without === undefined ? [mutation] : [mutation, mutation.without],
    stopAtFirst: true,
    ...(mutation.by === undefined ? {} : { checkers: mutation.by })
  })
  const [first] = failures
  if (first === undefined) return { name: mutation.name, seeds: undefined, wallS: speed.wallS }
  const { family, seed } = first
  return { name: mutation.name, seeds: played, family, seed, first: first.first, wallS: speed.wallS }
}
