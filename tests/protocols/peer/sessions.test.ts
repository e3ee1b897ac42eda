/** The promises of the available mode (PROTOCOLS.md 2.4.4, 2.4.7, 2.4.8), each in a story of its own. */
import { expect, test } from 'vitest'
import { startMesh } from '../../../sim/mesh.ts'
import type { Job, SimMesh } from '../../../sim/mesh.ts'
import type { SimPc } from '../../../sim/pc.ts'
import type { MeshError } from '../../../protocols/errors.ts'
import { peerKey, toHex } from '../../../protocols/codec.ts'
import { chooseKeepers, TAKEOVER_AFTER_MS } from '../../../protocols/session/index.ts'
import type { SessionSpec } from '../../../protocols/session/index.ts'

const LEASH_MS = 5000

function formed(seed: number, peers: readonly string[] | number): SimMesh {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}
const runsOf = (mesh: SimMesh, job: Job) => mesh.world.runs.of(job.id ?? '')
const openRuns = (mesh: SimMesh, job: Job) => runsOf(mesh, job).filter((run) => run.toMs === undefined)
const at = (mesh: SimMesh, pc: SimPc | string | number, job: Job) => mesh.pc(pc).peer?.sessions.records.all.get(job.id!)
const settled = (mesh: SimMesh, job: Job, state: string): void =>
  mesh.until(() => mesh.session(job.id)?.state === state, { withinMs: 60_000, what: `the session is ${state}` })
function runner(mesh: SimMesh, job: Job): SimPc {
  mesh.until(() => openRuns(mesh, job).length === 1 && mesh.session(job.id)?.state === 'running', {
    withinMs: 30_000,
    what: 'the session runs'
  })
  return mesh.pcs.find((pc) => pc.id === mesh.session(job.id)!.runner)!
}
function stop(mesh: SimMesh, pc: SimPc | string | number, job: Job): void {
  const { sessions } = mesh.pc(pc).peer!
  let answer: MeshError | 'stopped' | undefined
  sessions.stop(sessions.records.all.get(job.id!)!, 'ann', (error) => (answer = error ?? 'stopped'))
  mesh.until(() => answer !== undefined, { withinMs: 5000, what: 'the stop is recorded' })
  expect(answer).toBe('stopped')
}

test('a partition runs both sides; healed, the newer run goes on and the older stands still until it is discarded', () => {
  const mesh = formed(21, ['attic', 'den', 'hall', 'office'])
  const job = mesh.submit('attic', 'sleep infinity', { notOn: 'attic', restart: 'always' })
  const old = runner(mesh, job)
  const others = mesh.pcs.filter((pc) => pc !== old)
  // the runner is alone on its side; all keepers but perhaps itself are on the other
  mesh.cut([old], others)
  mesh.until(() => openRuns(mesh, job).length === 2, { withinMs: 30_000, what: 'both sides run it' })
  mesh.heal()
  mesh.until(() => openRuns(mesh, job).length === 1 && mesh.agree(), { withinMs: 60_000, what: 'one run is left' })
  const [left] = openRuns(mesh, job)
  expect(left!.peer).not.toBe(old.id)
  expect(left!.epoch).toBeGreaterThan(runsOf(mesh, job)[0]!.epoch)
  expect(old.peer!.sessions.forks.get(job.id!), 'kept, not killed').toBe(runsOf(mesh, job)[0]!.epoch)
  // neither the owner of that PC nor a restart of its peer wakes it
  old.peer!.sessions.pause()
  mesh.run(1000)
  old.peer!.sessions.resume()
  mesh.run(5000)
  mesh.killPeerProcess(old)
  mesh.run(2000)
  mesh.restart(old)
  mesh.run(20_000)
  expect(openRuns(mesh, job)).toHaveLength(1)
  expect(old.peer!.sessions.forks.has(job.id!)).toBe(true)
  stop(
    mesh,
    mesh.pcs.find((pc) => pc.id === left!.peer)!,
    job
  )
  settled(mesh, job, 'stopped')
  stop(mesh, old, job)
  expect(old.peer!.sessions.forks.has(job.id!)).toBe(false)
  expect(openRuns(mesh, job)).toEqual([])
})

test('what ended on the far side of a cut is not run again by a new owner that was still looking for a place', () => {
  const mesh = formed(22, ['attic', 'den', 'hall'])
  const job = mesh.submit('attic', 'sleep 2', { on: 'hall', restart: 'always' })
  const old = runner(mesh, job)
  mesh.cut(['attic', 'den'], ['hall'])
  mesh.until(() => mesh.pc('attic').peer!.sessions.records.all.get(job.id!)?.state === 'pending', {
    withinMs: 12_000,
    what: 'a keeper has taken it over, and has no place for it'
  })
  mesh.until(() => old.peer!.sessions.records.all.get(job.id!)?.state === 'finished', {
    withinMs: 90_000,
    what: 'it has ended as often as it is started again'
  })
  const runs = runsOf(mesh, job).length
  mesh.heal()
  settled(mesh, job, 'finished')
  expect(runsOf(mesh, job)).toHaveLength(runs)
  const record = mesh.session(job.id)!
  expect([record.exit, record.runner]).toEqual([{ code: 0, signal: null }, old.id])
})

test('a stop given while the runner cannot hear it reaches it when it can', () => {
  for (const seed of [31, 32, 33]) {
    const mesh = formed(seed, ['attic', 'den', 'hall'])
    const job = mesh.submit('attic', 'sleep infinity', { on: 'hall', restart: 'no' })
    const far = runner(mesh, job)
    mesh.cut(['attic', 'den'], [far])
    mesh.until(() => mesh.agree([mesh.pc('attic'), mesh.pc('den')]), {
      withinMs: 30_000,
      what: 'the runner counts as gone'
    })
    stop(mesh, 'attic', job)
    mesh.heal()
    mesh.until(() => openRuns(mesh, job).length === 0, { withinMs: 60_000, what: `nothing of it runs (seed ${seed})` })
    mesh.until(() => mesh.pcs.every((pc) => at(mesh, pc, job)?.state === 'stopped'), {
      withinMs: 60_000,
      what: 'all keepers say stopped'
    })
  }
})

test('a stop survives the only keeper that heard it, through a power cut', () => {
  const mesh = formed(34, ['attic', 'den', 'hall'])
  const job = mesh.submit('attic', 'sleep infinity', { on: 'hall', restart: 'always' })
  runner(mesh, job)
  // both others hear nothing: the wish is on one disk
  mesh.cut(['attic'], ['den'], ['hall'])
  mesh.run(1000)
  stop(mesh, 'attic', job)
  mesh.kill('attic')
  mesh.run(1000)
  mesh.heal()
  mesh.restart('attic')
  mesh.until(() => openRuns(mesh, job).length === 0 && mesh.session(job.id)?.state === 'stopped', {
    withinMs: 90_000,
    what: 'it is stopped everywhere'
  })
  mesh.run(20_000)
  expect(openRuns(mesh, job)).toEqual([])
})

test('a stop while the runner is off ends the session for good, and its frozen child is thrown away when the runner is back', () => {
  const mesh = formed(35, ['attic', 'den', 'hall'])
  const job = mesh.submit('attic', 'sleep infinity', { on: 'hall', restart: 'always' })
  const far = runner(mesh, job)
  mesh.killPeerProcess(far)
  stop(mesh, 'attic', job)
  settled(mesh, job, 'stopped')
  mesh.restart(far)
  mesh.run(30_000)
  expect(openRuns(mesh, job)).toEqual([])
  expect(far.peer!.sessions.forks.size).toBe(0)
  expect(at(mesh, 'attic', job)!.state).toBe('stopped')
})

test('nobody takes over before 6.5 s have passed since the runner was first missed, by which time its child stands still', () => {
  for (let seed = 40; seed < 48; seed++) {
    const mesh = formed(seed, 5)
    const job = mesh.submit(0, 'sleep infinity', { notOn: 'pc0', restart: 'on-node-loss' })
    const gone = runner(mesh, job)
    mesh.run(seed * 137)
    const killedMs = mesh.nowMs
    mesh.killPeerProcess(gone)
    mesh.until(() => runsOf(mesh, job).length === 2, { withinMs: 30_000, what: 'it runs again' })
    const [before, after] = runsOf(mesh, job)
    expect(before!.toMs! - killedMs).toBeLessThanOrEqual(LEASH_MS)
    expect(after!.fromMs - killedMs, `seed ${seed}`).toBeGreaterThanOrEqual(TAKEOVER_AFTER_MS)
    expect(after!.fromMs - killedMs).toBeLessThan(10_000)
  }
})

test('a PC that slept asks before it wakes its children, though its links are gone when sessiond reports', () => {
  const mesh = startMesh({ seed: 53, peers: 4, startWithinMs: 1 })
  const thawed: number[] = []
  for (const { host } of mesh.pcs) {
    const connect = host.connect.bind(host)
    host.connect = (process) => {
      const port = connect(process)
      return { ...port, thaw: (id, epoch) => (thawed.push(epoch), port.thaw(id, epoch)) }
    }
  }
  mesh.until(() => mesh.running.length === 4 && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  const job = mesh.submit(0, 'sleep infinity', { notOn: 'pc0', restart: 'always' })
  const slept = runner(mesh, job)
  // what the others see of a PC that sleeps: nothing
  mesh.cut(
    [slept],
    mesh.pcs.filter((pc) => pc !== slept)
  )
  mesh.until(() => runsOf(mesh, job).length === 2, { withinMs: 30_000, what: 'it goes on elsewhere' })
  const [before] = runsOf(mesh, job)
  mesh.heal()
  slept.peer!.sessions.runs.children([{ session: job.id!, epoch: before!.epoch, state: 'frozen', pid: 1 }])
  mesh.run(20_000)
  expect(thawed).not.toContain(before!.epoch)
  expect(slept.peer!.sessions.forks.get(job.id!)).toBe(before!.epoch)
})

test('a keeper that has no link of its own to the runner goes by the word of the others', () => {
  const mesh = formed(49, 5)
  const job = mesh.submit(0, 'sleep infinity', { notOn: 'pc0', restart: 'on-node-loss' })
  const at = runner(mesh, job)
  const keepers = mesh.pcs.filter((pc) => mesh.session(job.id)!.keepers.includes(pc.id) && pc !== at)
  mesh.cut(keepers, [at])
  mesh.run(60_000)
  expect(runsOf(mesh, job), 'it lives, say those who hear it').toHaveLength(1)
  const killedMs = mesh.nowMs
  mesh.killPeerProcess(at)
  mesh.until(() => runsOf(mesh, job).length === 2, { withinMs: 30_000, what: 'it runs again' })
  expect(runsOf(mesh, job)[1]!.fromMs - killedMs).toBeGreaterThanOrEqual(TAKEOVER_AFTER_MS)
  expect(mesh.world.runs.overlaps()).toEqual([])
})

test('a runner whose links broke first and that died later is taken over all the same', () => {
  const mesh = formed(52, 4)
  const job = mesh.submit(0, 'sleep infinity', { notOn: 'pc0', restart: 'always' })
  const gone = runner(mesh, job)
  for (const pc of mesh.pcs) if (pc !== gone) gone.station.program!.breakLink(pc.id)
  mesh.run(20)
  mesh.kill(gone)
  mesh.until(() => runsOf(mesh, job).length === 2, { withinMs: 30_000, what: 'it runs again' })
  expect(mesh.world.runs.overlaps()).toEqual([])
})

test('the same request twice is one session, at once, later, and after its PC was off', () => {
  const mesh = formed(50, 3)
  const nonce = new Uint8Array(16).fill(7)
  const spec: SessionSpec = { ...SPEC, appUri: 'shell:sleep 2' }
  const answers: { id: string; durability: number }[] = []
  const ask = (): void =>
    mesh.pc(0).peer!.sessions.submit(spec, nonce, (error, result) => {
      expect(error).toBeUndefined()
      answers.push({ id: result!.record.id, durability: result!.durability })
    })
  ask()
  ask()
  expect(answers, 'nothing is acknowledged before it is on disk').toEqual([])
  mesh.until(() => answers.length === 2, { withinMs: 5000, what: 'both are answered' })
  mesh.run(10_000)
  ask()
  mesh.kill(0)
  mesh.run(500)
  mesh.restart(0)
  mesh.until(() => mesh.pc(0).peer?.phase === 'active' && mesh.agree(), {
    withinMs: 20_000,
    what: 'the submitter is back'
  })
  ask()
  mesh.until(() => answers.length >= 3, { withinMs: 5000, what: 'it answers again' })
  expect(new Set(answers.map((answer) => answer.id)).size).toBe(1)
  expect(answers.map((answer) => answer.durability)).toEqual(answers.map(() => 2))
  expect(mesh.world.runs.of(answers[0]!.id)).toHaveLength(1)
})

test('a repeat whose keepers are gone is told how many disks have it now', () => {
  const mesh = formed(51, 2)
  const nonce = new Uint8Array(16).fill(8)
  const told: (number | undefined)[] = []
  const ask = (): void =>
    mesh
      .pc(0)
      .peer!.sessions.submit({ ...SPEC, appUri: 'shell:sleep 60', on: 'pc0' }, nonce, (_error, result) =>
        told.push(result?.durability)
      )
  ask()
  mesh.until(() => told.length === 1, { withinMs: 5000, what: 'it is accepted' })
  mesh.kill(1)
  mesh.until(() => mesh.agree(), { withinMs: 20_000, what: 'the other is missed' })
  ask()
  mesh.until(() => told.length === 2, { withinMs: 5000, what: 'the repeat is answered' })
  expect(told).toEqual([2, 1])
})

test('a PC that shuts down hands over what may move, ends what may not, and leaves what waits to its keepers', () => {
  const mesh = formed(60, ['attic', 'den', 'hall'])
  const moves = mesh.submit('attic', 'sleep infinity', { notOn: 'hall', restart: 'always' })
  const ends = mesh.submit('attic', 'sleep infinity', { restart: 'no' })
  const from = runner(mesh, moves)
  runner(mesh, ends)
  // asks for more than anybody gives: it waits, and its owner is the PC that goes
  const waits = mesh.submit(from, 'sleep 1', { labels: { gpu: 'yes' } })
  mesh.until(() => mesh.session(waits.id)?.state === 'pending', { withinMs: 5000, what: 'one waits' })
  const startedMs = mesh.nowMs
  let down = false
  from.down({ drain: true, forever: false }, () => (down = true))
  mesh.until(() => down, { withinMs: 30_000, what: 'it is down, long before the limit of two minutes' })
  expect(mesh.nowMs - startedMs).toBeLessThan(20_000)
  expect(mesh.world.runs.runs.filter((run) => run.peer === from.id && run.toMs === undefined)).toEqual([])
  const to = runner(mesh, moves)
  expect(to).not.toBe(from)
  expect(mesh.world.runs.overlaps()).toEqual([])
  mesh.until(() => mesh.session(waits.id)?.owner !== from.id, {
    withinMs: 30_000,
    what: 'another keeper looks after what waits'
  })
  expect(mesh.session(waits.id)!.state).toBe('pending')
  const record = mesh.session(ends.id)!
  if (record.runner === from.id) expect(record.state).toBe('stopped')
})

test('a session that waits for its next try is taken up again by its PC after a restart, and by a keeper if that stays away', () => {
  const mesh = formed(61, 3)
  const job = mesh.submit(0, 'work 1 1', { restart: 'on-failure', on: 'pc2' })
  // on the disk of another keeper: what only its runner knew may be lost with the power
  const waits = (id: string | undefined): boolean => mesh.pc(0).peer?.sessions.records.all.get(id!)?.state === 'pending'
  mesh.until(() => runsOf(mesh, job).length === 2 && waits(job.id), {
    withinMs: 20_000,
    what: 'it failed twice and waits'
  })
  mesh.kill(2)
  mesh.run(500)
  mesh.restart(2)
  mesh.until(() => runsOf(mesh, job).length === 3, { withinMs: 30_000, what: 'it is tried again' })
  const other = mesh.submit(0, 'work 1 1', { restart: 'on-failure', notOn: 'pc0' })
  mesh.until(() => runsOf(mesh, other).length === 2 && waits(other.id), {
    withinMs: 30_000,
    what: 'the other waits'
  })
  mesh.kill(mesh.pcs.find((pc) => pc.id === mesh.session(other.id)!.owner)!)
  mesh.until(() => runsOf(mesh, other).length === 3, { withinMs: 60_000, what: 'a keeper tries it again' })
  expect(mesh.world.runs.overlaps()).toEqual([])
})

test('a session whose end was recorded and not told before its PC lost power is finished when the PC is back', () => {
  for (let seed = 70; seed < 82; seed++) {
    const mesh = formed(seed, 3)
    const job = mesh.submit(0, 'sleep 3', { on: 'pc1' })
    runner(mesh, job)
    // at some point of the few milliseconds in which the end is written and told
    mesh.until(() => openRuns(mesh, job).length === 0, { withinMs: 10_000, what: 'its process has ended', everyMs: 0 })
    mesh.run((seed - 70) * 0.7)
    mesh.kill(1)
    mesh.run(1000)
    mesh.restart(1)
    mesh.run(30_000)
    const { state } = mesh.session(job.id)!
    expect(['finished', 'failed'], `seed ${seed}`).toContain(state)
  }
})

test('a PC whose children are still being claimed gives their room to nobody else', () => {
  const mesh = formed(90, 2)
  const job = mesh.submit(0, 'sleep infinity', { on: 'pc1', cpuMilli: 4000, restart: 'no' })
  runner(mesh, job)
  mesh.killPeerProcess(1)
  mesh.kill(0)
  mesh.run(2000)
  mesh.restart(1)
  mesh.until(() => mesh.pc(1).peer?.phase === 'active', { withinMs: 5000, what: 'it is back' })
  const greedy = mesh.submit(1, 'sleep 1', { cpuMilli: 4000 })
  for (let i = 0; i < 100; i++) {
    mesh.run(100)
    expect(mesh.pc(1).peer!.sessions.granted().cpuMilli).toBeLessThanOrEqual(4000)
  }
  expect(runsOf(mesh, greedy)).toEqual([])
  expect(openRuns(mesh, job)).toHaveLength(1)
})

test('a stop reaches a session whose files are still on their way, and it never starts', () => {
  const mesh = formed(91, 6)
  const hash = 'ab'.repeat(32)
  mesh.pc(0).host.blobs.add(hash)
  // at the pace of the simulated cable this takes ten seconds
  const spec: SessionSpec = { ...SPEC, appUri: 'shell:sleep 60', on: 'pc1', input: { hash, bytes: 10_000 * 125_000 } }
  const { id, nonce } = outsideItsKeepers(mesh, 'pc1')
  let accepted = false
  mesh.pc(0).peer!.sessions.submit(spec, nonce, () => (accepted = true))
  mesh.until(() => accepted, { withinMs: 60_000, what: 'it is accepted' })
  mesh.until(() => mesh.session(id)?.state === 'starting', { withinMs: 5000, what: 'its worker fetches the files' })
  mesh.run(1000)
  stop(mesh, 0, { id, durability: 2, error: undefined })
  mesh.until(() => mesh.session(id)?.state === 'stopped', { withinMs: 2000, what: 'it is stopped at once' })
  mesh.run(40_000)
  expect(mesh.world.runs.of(id)).toEqual([])
})

/** A nonce for PC 0 whose session that PC does not keep: there the files are not before it starts. */
function outsideItsKeepers(mesh: SimMesh, name: string): { id: string; nonce: Uint8Array } {
  const from = mesh.pc(0)
  const crypto = mesh.world.ring.cryptoOf(from.key)
  for (let n = 0; ; n++) {
    const nonce = new Uint8Array(16).fill(n)
    const id = toHex(crypto.sha256(peerKey(from.id), nonce)).slice(0, 32)
    if (
      !chooseKeepers(
        id,
        from.id,
        mesh.pcs.map((pc) => pc.id),
        crypto
      ).includes(mesh.pc(name).id)
    )
      return { id, nonce }
  }
}

test('a command longer than a record takes is refused with the bound, and is no session', () => {
  const mesh = formed(92, 2)
  let told: MeshError | undefined
  mesh
    .pc(0)
    .peer!.sessions.submit(
      { ...SPEC, args: ['x'.repeat(33 * 1024)] },
      new Uint8Array(16).fill(1),
      (error) => (told = error)
    )
  expect(told).toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringMatching(/take 3\d{4} bytes; at most 32768 fit/)
  })
  expect([...mesh.pc(0).peer!.summaries()]).toEqual([])
})

test('the longest command that is accepted ends like any other, with its result on two disks', () => {
  const mesh = formed(93, 3)
  const long = ['y'.repeat(16_000), 'z'.repeat(15_500)]
  const job = mesh.submit(0, 'work 1 1', { restart: 'on-failure', args: long })
  mesh.until(() => mesh.session(job.id)?.state === 'finished', {
    withinMs: 200_000,
    what: 'it has used up its restarts'
  })
  const copies = mesh.pcs.filter((pc) => at(mesh, pc, job)?.state === 'finished')
  expect(copies.length).toBeGreaterThanOrEqual(2)
  expect(at(mesh, copies[0]!, job)!.spec.args).toEqual(long)
})

test('a program that is nowhere fails with the reason, however long it is, and the record can be read back', () => {
  const mesh = formed(94, 3)
  const job = mesh.submit(0, 'z'.repeat(2000))
  settled(mesh, job, 'failed')
  expect(mesh.session(job.id)!.reason).toMatch(/^z{600}$/)
  const keeper = mesh.pcs.find((pc) => at(mesh, pc, job) !== undefined)!
  mesh.kill(keeper)
  mesh.restart(keeper)
  mesh.until(() => keeper.peer?.phase === 'active', { withinMs: 5000, what: 'a keeper is back' })
  expect(at(mesh, keeper, job)).toMatchObject({ state: 'failed' })
})

test('when sessiond dies with its children, what restarts is placed again and the rest fails with that reason', () => {
  const mesh = formed(95, 1)
  const [again, never] = [
    mesh.submit(0, 'sleep infinity', { restart: 'always' }),
    mesh.submit(0, 'sleep infinity', { restart: 'no' })
  ]
  mesh.until(() => [again, never].every((job) => mesh.session(job.id)?.state === 'running'), {
    withinMs: 5000,
    what: 'both run'
  })
  const { sessions } = mesh.pc(0).peer!
  sessions.runs.lost()
  expect(mesh.session(again.id)!.state, 'until sessiond is back nobody knows').toBe('running')
  sessions.runs.children([])
  mesh.run(100)
  expect(mesh.session(never.id)).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('its process was gone')
  })
  expect(mesh.session(again.id)).toMatchObject({ epoch: 2, owner: mesh.pc(0).id })
  expect(mesh.session(again.id)!.history.map((step) => step.state)).toContain('placing')
})

const SPEC: SessionSpec = {
  appUri: 'shell:true',
  args: [],
  env: {},
  cwd: '',
  user: 'ann',
  cpuMilli: 1000,
  memoryBytes: 2 ** 28,
  labels: {},
  restart: 'no',
  stdin: false
}
