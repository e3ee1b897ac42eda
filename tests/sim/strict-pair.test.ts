/** Two PCs: what each rule of PROTOCOLS.md 2.4.7 promises when one dies, is cut off, or returns; and a person's word. */
import { expect, test } from 'vitest'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import type { SimPc } from '../../sim/pc.ts'
import type { Right } from '../../protocols/peer/index.ts'
import { awaited, formed, LEASE_MS, once, open, other, runs, stays, tied, voters, voting } from './strict-scene.ts'

const ENDLESS = { mode: 'strict', restart: 'on-node-loss' } as const
const PAIR = ['den', 'attic']

/** A strict session runs at that PC. */
function running(mesh: SimMesh, name: string): { job: Job; runner: SimPc; rest: SimPc } {
  const job = mesh.submit(0, 'sleep infinity', { ...ENDLESS, on: name })
  const runner = runs(mesh, job)
  return { job, runner, rest: other(mesh, runner) }
}

test.each([71, 72, 73])('anchor: it takes over by itself when the runner dies (seed %i)', (seed) => {
  const mesh = formed(seed, PAIR)
  tied(mesh, { rule: 'anchor', anchor: mesh.pc('den').id })
  const { job, runner } = running(mesh, 'attic')
  voting(mesh, job, ['den'])
  mesh.pcs.forEach((pc) => expect(pc.peer!.tie.rule).toBe('anchor'))
  mesh.kill(runner)
  mesh.run(100)
  // It was asked for on the PC that is off.
  mesh.until(() => mesh.session(job.id)?.owner === mesh.pc('den').id, { withinMs: 20_000, what: 'the anchor owns it' })
  mesh.restart(runner)
  expect(runs(mesh, job).name).toBe('attic')
  once(mesh)
})

test.each([74, 75, 76])(
  'anchor: the loss of it stops the others within the lease, its return starts them (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    tied(mesh, { rule: 'anchor', anchor: mesh.pc('den').id })
    const { job, runner } = running(mesh, 'attic')
    voting(mesh, job, ['den'])
    mesh.cut([runner], [mesh.pc('den')])
    mesh.until(() => open(mesh, job).length === 0, { withinMs: LEASE_MS + 100, what: 'it stops' })
    mesh.run(30_000)
    mesh.heal()
    runs(mesh, job, 60_000)
    mesh.kill('den')
    mesh.run(10_000)
    expect(open(mesh, job)).toEqual([])
    mesh.restart('den')
    runs(mesh, job, 60_000)
    once(mesh)
  }
)

test.each([77, 78, 79])(
  'both: any loss or cut stops it within the lease, and it goes on when both are back (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    tied(mesh, { rule: 'both' })
    const { job, runner, rest } = running(mesh, 'attic')
    voting(mesh, job, PAIR)
    mesh.cut([runner], [rest])
    mesh.until(() => open(mesh, job).length === 0, { withinMs: LEASE_MS + 100, what: 'it stops' })
    stays(mesh, job, [], 20_000)
    mesh.heal()
    runs(mesh, job, 60_000)
    mesh.kill(rest)
    mesh.until(() => open(mesh, job).length === 0, { withinMs: LEASE_MS + 100, what: 'it stops again' })
    stays(mesh, job, [], 20_000)
    mesh.restart(rest)
    runs(mesh, job, 60_000)
    once(mesh)
  }
)

test.each([81, 82])(
  'the rule of a session that runs changes while both PCs are up, and nothing stops (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    const { job, runner } = running(mesh, 'attic')
    voting(mesh, job, ['attic'])
    tied(mesh, { rule: 'both' })
    voting(mesh, job, PAIR)
    tied(mesh, { rule: 'anchor', anchor: mesh.pc('den').id })
    voting(mesh, job, ['den'])
    tied(mesh, { rule: 'runner' })
    voting(mesh, job, ['attic'])
    expect(open(mesh, job)).toEqual([runner.id])
    expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
  }
)

test('a change of the rule waits for the PC that is off', () => {
  const mesh = formed(83, PAIR)
  const { job, runner, rest } = running(mesh, 'attic')
  voting(mesh, job, ['attic'])
  mesh.kill(rest)
  mesh.run(10_000)
  tied(mesh, { rule: 'both' })
  stays(mesh, job, [runner], 20_000)
  expect(voters(mesh, job)).toEqual(['attic'])
  mesh.restart(rest)
  voting(mesh, job, PAIR)
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
})

test('a third PC makes three voters of two, and one of them may go', () => {
  const mesh = formed(84, ['den', 'attic', 'office'])
  mesh.kill('office')
  mesh.until(() => mesh.agree(), { withinMs: 30_000, what: 'office is missed' })
  const job = mesh.submit(0, 'sleep infinity', ENDLESS)
  const runner = runs(mesh, job)
  voting(mesh, job, [runner.name])
  mesh.restart('office')
  voting(mesh, job, ['den', 'attic', 'office'])
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
  mesh.kill(runner)
  mesh.run(100)
  expect(runs(mesh, job).name).not.toBe(runner.name)
  once(mesh)
})

test.each([91, 92, 93, 94])(
  'a person may say that the runner is off; when it returns it does not run on (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    const { job, runner, rest } = running(mesh, 'attic')
    const peer = rest.peer!
    voting(mesh, job, ['attic'])
    const refused: string[] = []
    const take = (): void =>
      peer.sessions.takeOver(mesh.session(job.id)!, 'ann', (error) => error && refused.push(error.message))
    take()
    expect(refused[0]).toMatch(/attic looks after session .* and answers/)
    mesh.kill(runner)
    mesh.until(() => peer.member(runner.id)?.state === 'dead', {
      withinMs: 20_000,
      what: 'the runner is held for dead'
    })
    stays(mesh, job, [], 20_000)
    expect(peer.sessions.strict.voters.missing(mesh.session(job.id)!)).toEqual([runner.id])
    take()
    expect(refused).toHaveLength(1)
    // It was asked for on the PC that is off; there it goes on under the new right.
    mesh.until(() => mesh.session(job.id)?.owner === rest.id, { withinMs: 5_000, what: 'it is taken over' })
    expect(mesh.session(job.id)?.takeover).toMatchObject({ by: 'ann', peer: rest.id })
    expect(voters(mesh, job)).toEqual([rest.name])
    mesh.restart(runner)
    runs(mesh, job, 60_000)
    expect(mesh.session(job.id)!.epoch).toBeGreaterThan(1_000_000)
    for (const pc of mesh.pcs)
      expect(pc.peer!.events.filter((event) => /ann took session .* over at den/.test(event.text))).toHaveLength(1)
    once(mesh)
  }
)

test.each([95, 96, 97])(
  'after a wrong word the runner that was only cut off gives way as soon as it hears of it (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    const job = mesh.submit(0, 'sleep infinity', ENDLESS)
    const runner = runs(mesh, job)
    const rest = other(mesh, runner)
    voting(mesh, job, [runner.name])
    mesh.cut([runner], [rest])
    awaited(mesh, job, rest)
    rest.peer!.sessions.takeOver(mesh.session(job.id)!, 'ann', (error) => expect(error).toBeUndefined())
    mesh.until(() => open(mesh, job).length === 2, { withinMs: 20_000, what: 'both run it: the word was wrong' })
    mesh.run(60_000)
    mesh.heal()
    mesh.until(() => open(mesh, job).length === 1, { withinMs: 60_000, what: 'one gives way' })
    expect(open(mesh, job)).toEqual([rest.id])
    expect([...runner.peer!.sessions.forks.keys()]).toEqual([job.id])
    mesh.run(60_000)
    expect(open(mesh, job)).toEqual([rest.id])
  }
)

test.each([98, 99])(
  'with both, the survivor goes on at a word, and the other one votes again when it is back (seed %i)',
  (seed) => {
    const mesh = formed(seed, PAIR)
    tied(mesh, { rule: 'both' })
    const { job, runner, rest } = running(mesh, 'attic')
    voting(mesh, job, PAIR)
    mesh.kill(rest)
    mesh.until(() => open(mesh, job).length === 0, { withinMs: LEASE_MS + 100, what: 'it stops' })
    awaited(mesh, job, runner)
    runner.peer!.sessions.takeOver(mesh.session(job.id)!, 'ann', (error) => expect(error).toBeUndefined())
    expect(runs(mesh, job).id).toBe(runner.id)
    expect(voters(mesh, job)).toEqual(['attic'])
    stays(mesh, job, [runner], 10_000)
    mesh.restart(rest)
    voting(mesh, job, PAIR)
    expect(open(mesh, job)).toEqual([runner.id])
    once(mesh)
  }
)

test.each([101, 102, 103])('a witness makes three voters of two PCs, and runs nothing (seed %i)', (seed) => {
  const mesh = formed(seed, ['den', 'attic', 'shelf'], ['shelf'])
  const job = mesh.submit(0, 'sleep infinity', ENDLESS)
  const runner = runs(mesh, job)
  const rest = mesh.pcs.find((pc) => pc !== runner && !pc.witness)!
  voting(mesh, job, ['den', 'attic', 'shelf'])
  mesh.kill(runner)
  mesh.run(100)
  expect(runs(mesh, job).id).toBe(rest.id)
  mesh.restart(runner)
  mesh.until(() => mesh.agree(), { withinMs: 60_000, what: 'it is back' })
  // Without the witness the two are still a majority of three.
  mesh.kill('shelf')
  stays(mesh, job, [rest], 30_000)
  mesh.kill(rest)
  mesh.run(20_000)
  expect(open(mesh, job)).toEqual([])
  mesh.restart('shelf')
  expect(runs(mesh, job, 60_000).id).toBe(runner.id)
  once(mesh)
})

test('who may run it and until when is told by the PCs that know, wherever it is asked', () => {
  const mesh = formed(105, ['den', 'attic', 'office', 'shed'])
  const job = mesh.submit(0, 'sleep infinity', ENDLESS)
  const runner = runs(mesh, job)
  mesh.run(3_000)
  const ask = (pc: SimPc): Right | undefined => {
    let told: Right | undefined
    let answered = false
    pc.peer!.right(mesh.session(job.id)!, (right) => ([told, answered] = [right, true]))
    mesh.until(() => answered, { withinMs: 3_000, what: 'it is answered' })
    return told
  }
  for (const pc of mesh.pcs) {
    const right = ask(pc)!
    expect(right.holder).toBe(runner.id)
    expect(right.endsInMs).toBeGreaterThan(0)
    expect(right.endsInMs).toBeLessThanOrEqual(LEASE_MS)
    expect(right.ageMs).toBeLessThan(3_000)
  }
  mesh.kill(runner)
  mesh.run(3_000)
  const right = ask(mesh.pcs.find((pc) => pc !== runner && voters(mesh, job).includes(pc.name))!)!
  expect(right).toMatchObject({ holder: runner.id })
  expect(right.ageMs).toBeGreaterThanOrEqual(3_000)
})
