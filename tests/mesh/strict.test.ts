/**
 * Strict sessions on real PCs: a peer that hangs or is cut off cannot outlive its right to run, and nobody else starts
 * before it has stopped. What is asserted is the order of what happened, as the program itself wrote it down.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { namespacesMissing, Pulse, startMesh, stateOf } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 400_000 }
const STRICT = ['--strict', '--restart', 'on-node-loss']
const idOf = async (peer: Peer): Promise<string> => (await peer.status()).peerId

test(
  'a peer process that hangs: sessiond freezes its child and stops it, and only then another PC runs it',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const atlas = mesh.peer('atlas')
    const pulse = new Pulse(mesh)
    const id = await pulse.submit(atlas, [...STRICT, '--not-on', 'atlas'])
    const first = await pulse.first()
    const runner = mesh.peer(first.name)
    await mesh.until(async () => (await atlas.session(id)).strict?.voters.length === 3, { what: 'three voters' })
    expect((await atlas.session(id)).strict).toMatchObject({
      lease: { holder: await idOf(runner), from: await idOf(runner) },
      awaits: []
    })

    const hung = Number(readFileSync(join(runner.dataDir, 'peer.pid'), 'utf8'))
    process.kill(hung, 'SIGSTOP')
    const states: string[] = []
    const second = await mesh.until(
      () => {
        const state = stateOf(first.pid)
        const now = state === 'frozen' || state === 'gone' ? state : 'runs'
        if (states.at(-1) !== now) states.push(now)
        return pulse.beats().find((beat) => beat.name !== first.name)
      },
      { what: 'line of the program from elsewhere', everyMs: 20, withinMs: 120_000 }
    )
    expect(stateOf(hung)).toBe('frozen')
    // It stood still before anybody else began, and never moved again.
    expect(['frozen', 'gone']).toContain(stateOf(first.pid))
    expect(states.slice(states[0] === 'runs' ? 1 : 0)).not.toContain('runs')
    await gone(mesh, first.pid)
    const said = readFileSync(join(runner.dataDir, 'sessiond.log'), 'utf8')
    expect(said).toMatch(/frozen[\s\S]*right to run of \w+ is over for \d+ ms: stopped/)

    process.kill(hung, 'SIGCONT')
    await mesh.allSeeAll()
    const there = await idOf(mesh.peer(second.name))
    const knows = async () => (await runner.session(id)).runner === there
    await mesh.until(knows, { what: `news of the takeover on ${runner.name}` })
    await pulse.goesOn(second.pid)
    expect((await runner.status()).leash.children).toBe(0)
    expect(await runner.session(id)).toMatchObject({ state: 'running', strict: { lease: { holder: there } } })
    pulse.end()
    await mesh.inState(runner, id, 'finished')
    pulse.neverTwo()
  }
)

test.skipIf(namespacesMissing() !== undefined)(
  'the cable of the runner is pulled: it stops by itself before the others start, and stays stopped when it is back',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const atlas = mesh.peer('atlas')
    const pulse = new Pulse(mesh)
    const id = await pulse.submit(atlas, [...STRICT, '--not-on', 'atlas'])
    const first = await pulse.first()
    const runner = mesh.peer(first.name)
    await mesh.until(async () => (await atlas.session(id)).strict?.voters.length === 3, { what: 'three voters' })
    runner.cut()
    const second = await pulse.elsewhere(first.name)
    expect(['frozen', 'gone']).toContain(stateOf(first.pid))
    await gone(mesh, first.pid)
    runner.heal()
    await mesh.allSeeAll(mesh.peers, 180_000)
    await pulse.goesOn(second.pid)
    expect(await runner.session(id)).toMatchObject({ state: 'running', runner: await idOf(mesh.peer(second.name)) })
    pulse.end()
    await mesh.inState(runner, id, 'finished')
    pulse.neverTwo()
  }
)

test(
  'of two PCs the runner is switched off: nothing happens until a person says so, and then never twice',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den'] })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    const pulse = new Pulse(mesh)
    await atlas.json(['node', 'pause'])
    const id = await pulse.submit(atlas, STRICT)
    const first = await pulse.first()
    expect(first.name).toBe('den')
    await atlas.json(['node', 'resume'])
    const denId = await idOf(den)
    await mesh.until(async () => (await atlas.session(id)).strict?.voters.join() === denId, {
      what: 'the runner votes alone'
    })
    const early = await atlas.omega(['takeover', '--yes', id])
    expect([early.code, early.stderr]).toEqual([1, expect.stringMatching(/den looks after session .*, and answers/)])

    await den.killAll()
    const awaits = async () => (await atlas.session(id)).strict?.awaits.join() === denId
    await mesh.until(awaits, { what: 'question whether den is off' })
    expect((await atlas.omega(['show', id])).stdout).toMatch(
      /waits +is den off\? Then `omega takeover \w+` runs it here/
    )
    expect(new Set(pulse.beats().map((beat) => beat.name))).toEqual(new Set(['den']))
    const taken = await atlas.json<SessionView>(['takeover', '--yes', id])
    expect(taken.strict?.takenOver).toMatchObject({ at: await idOf(atlas) })
    const second = await pulse.elsewhere('den')

    await den.up()
    await mesh.allSeeAll()
    const knows = async () => (await den.session(id)).runner === (await idOf(atlas))
    await mesh.until(knows, { what: 'news of the takeover on den' })
    await pulse.goesOn(second.pid)
    expect((await den.status()).leash.children).toBe(0)
    const events = await den.ask<{ events: { kind: string; text: string }[] }>('/api/v1/events')
    expect(JSON.stringify(events)).toMatch(/took session \w+ over at atlas/)
    pulse.end()
    await mesh.inState(den, id, 'finished')
    pulse.neverTwo()
  }
)

test('a witness votes and runs nothing: with it either one of two PCs may be switched off', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'shelf'], join: 'none' })
  const [atlas, den, shelf] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('shelf')]
  await atlas.up(['--new'])
  for (const peer of [den, shelf]) {
    const { invite } = await atlas.json<{ invite: string }>(['invite'])
    await peer.up(['--join', invite, ...(peer === shelf ? ['--witness'] : [])])
  }
  await mesh.allSeeAll()
  const isShown = async () => (await atlas.nodes()).find((node) => node.name === 'shelf')?.witness === true
  await mesh.until(isShown, { what: 'witness on atlas' })
  expect((await atlas.omega(['nodes'])).stdout).toMatch(/shelf +witness/)
  const pulse = new Pulse(mesh)
  const id = await pulse.submit(atlas, [...STRICT, '--not-on', 'atlas'])
  expect((await pulse.first()).name).toBe('den')
  await mesh.until(async () => (await atlas.session(id)).strict?.voters.length === 3, { what: 'three voters' })
  await atlas.json(['tie', 'both'])
  const mobile = new Pulse(mesh, 'mobile')
  await atlas.json(['node', 'pause'])
  const mobileId = await mobile.submit(atlas, STRICT)
  expect((await mobile.first()).name).toBe('den')
  await atlas.json(['node', 'resume'])
  await den.killAll()
  expect((await mobile.elsewhere('den')).name).toBe('atlas')
  mobile.neverTwo()
  mobile.end()
  await mesh.inState(shelf, mobileId, 'finished')
})

async function gone(mesh: Mesh, pid: number): Promise<void> {
  await mesh.until(() => stateOf(pid) === 'gone', { what: 'end of the older run' })
}
