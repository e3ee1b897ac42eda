/**
 * The runner's ways of dying: its peer process alone, the whole PC, the cable. An accepted session is not lost, and without
 * a partition it never runs twice: the program itself writes down when and where it ran, and /proc says what stood still.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SessionView, StatusView } from '../../node/http/views.ts'
import { namespacesMissing, startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 400_000 }

test('its peer process is killed and comes back: the session is adopted, same process, one run', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const { id } = await pulse.submit(atlas, ['--on', 'den'])
  const [first] = await pulse.beats(mesh, 'den')
  await den.killPeerProcess()
  expect(stateOf(first!.pid)).not.toBe('gone')
  await den.up()
  await mesh.allSeeAll()
  // Nobody may take it over (no --restart), so whatever the outage took, it goes on here.
  const since = performance.now()
  await mesh.until(() => pulse.all().some((beat) => beat.at > since), { what: 'beat after the return' })
  expect(await session(atlas, id)).toMatchObject({ state: 'running', runner: (await den.status()).peerId, exit: null })
  pulse.end()
  const ended = await inState(mesh, atlas, id, 'finished')
  expect(ended.exit).toEqual({ code: 0, signal: null })
  expect(new Set(pulse.all().map((beat) => beat.pid))).toEqual(new Set([first!.pid]))
  // Output from before, during and after the outage.
  const { stdout } = await atlas.omega(['logs', id])
  expect(stdout.trim().split('\n')).toHaveLength(pulse.all().length)
})

test('its peer process is killed and stays away: frozen before another starts, and frozen after it is back, until stopped', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const { id } = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--on', 'den'], '--label')
  const [first] = await pulse.beats(mesh, 'den')
  const follow = atlas.spawn(['logs', '-f', id])
  await follow.prints('beat den')
  await den.killPeerProcess()

  const second = await pulse.elsewhere(mesh, 'den')
  expect(stateOf(first!.pid)).toBe('T')
  await follow.prints(`beat ${second.name}`)

  await den.up()
  await mesh.allSeeAll()
  const fork = async (): Promise<StatusView | undefined> => {
    const status = await den.status()
    return status.notices.some((notice) => notice.code === 'fork') ? status : undefined
  }
  const told = await mesh.until(fork, { what: 'notice of the second run on den' })
  expect(told.notices.find((notice) => notice.code === 'fork')?.fix).toBe(`omega stop ${id.slice(0, 8)}`)
  expect(stateOf(first!.pid)).toBe('T')
  expect(await session(atlas, id)).toMatchObject({ state: 'running', runner: (await mesh.peer(second.name).status()).peerId })
  pulse.neverTwo()

  await den.json(['stop', id])
  await inState(mesh, atlas, id, 'stopped')
  const gone = (note: (seen: unknown) => void) => {
    const states = [first!.pid, second.pid].map(stateOf)
    note(states)
    return states.every((state) => state === 'gone')
  }
  await mesh.until(gone, { what: 'end of both runs' })
  await mesh.until(async () => (await den.status()).notices.every((notice) => notice.code !== 'fork'), { what: 'end of the notice' })
  expect((await follow.end(60_000)).code).toBe(0)
})

test('the power is cut: it runs elsewhere by itself, and the PC that comes back does not run it again', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const { id } = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--on', 'den'], '--label')
  await pulse.beats(mesh, 'den')
  await den.killAll()
  const cutAt = performance.now()
  const second = await pulse.elsewhere(mesh, 'den')
  console.log(`power cut to first line elsewhere: ${((performance.now() - cutAt) / 1000).toFixed(1)} s`)
  await den.up()
  await mesh.allSeeAll()
  const seen = await mesh.until(async () => (await den.ask<{ sessions: SessionView[] }>('/api/v1/sessions')).sessions.find((one) => one.id === id && one.runner !== (await den.status()).peerId), { what: 'news of the session on den' })
  expect(seen.state).toBe('running')
  expect((await den.status()).leash.children).toBe(0)
  pulse.end()
  const ended = await inState(mesh, den, id, 'finished')
  expect(ended).toMatchObject({ exit: { code: 0, signal: null }, runner: (await mesh.peer(second.name).status()).peerId })
  pulse.neverTwo()
})

test.skipIf(namespacesMissing() !== undefined)('the cable is pulled: it runs elsewhere, and when it is back the older run is frozen', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const { id } = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--on', 'den'], '--label')
  const [first] = await pulse.beats(mesh, 'den')
  den.cut()
  const second = await pulse.elsewhere(mesh, 'den')
  // Available mode: the cut-off side goes on as well, and says that it is alone.
  expect(stateOf(first!.pid)).not.toBe('T')
  await mesh.until(async () => (await den.status()).notices.some((notice) => notice.code === 'isolated'), { what: 'word on den that it is alone' })
  den.heal()
  await mesh.allSeeAll(mesh.peers, 120_000)
  await mesh.until(() => stateOf(first!.pid) === 'T', { what: 'frozen older run' })
  expect(await session(den, id)).toMatchObject({ state: 'running', runner: (await mesh.peer(second.name).status()).peerId })
  const since = performance.now()
  await mesh.until(() => pulse.all().some((beat) => beat.at > since && beat.pid === second.pid), { what: 'newer run going on' })
  expect(pulse.all().filter((beat) => beat.at > since && beat.pid === first!.pid)).toEqual([])
  await atlas.json(['stop', id])
  await inState(mesh, den, id, 'stopped')
  await mesh.until(() => [first!.pid, second.pid].every((pid) => stateOf(pid) === 'gone'), { what: 'end of both runs' })
})

test('the submitter dies right after it answered: the session is not lost and finishes', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
  const submitted = await Promise.all(
    ['den', 'lark'].map((on) => atlas.json<SessionView & { durability: number }>(['submit', '--no-files', '--cpu', '0.1', '--on', on, '--', 'sh', '-c', 'echo "done on $OMEGA_PEER_NAME"']))
  )
  await atlas.killAll()
  for (const { id, durability } of submitted) {
    expect(durability).toBeGreaterThanOrEqual(2)
    for (const peer of [den, lark]) expect(await inState(mesh, peer, id, 'finished')).toMatchObject({ exit: { code: 0 } })
  }
  expect((await lark.omega(['logs', submitted[0]!.id])).stdout).toBe('done on den\n')
  // The same with a session that nobody had room for yet.
})

test('the survivor of two takes work, knows what was, and says who is gone', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const { id } = await pulse.submit(den, ['--restart', 'on-node-loss', '--on', 'atlas'], '--label')
  await pulse.beats(mesh, 'atlas')
  // The one that made the mesh, with its root key, is the one that dies.
  await atlas.killAll()
  const dead = async () => (await den.nodes()).find((node) => node.name === 'atlas')?.state === 'dead'
  await mesh.until(dead, { what: 'dead atlas on den' })
  expect(await den.json<StatusView>(['status'])).toMatchObject({ phase: 'active', members: { alive: 1, total: 2 } })
  expect(await den.omega(['run', '--', 'sh', '-c', 'echo "here: $OMEGA_PEER_NAME"'])).toMatchObject({ code: 0, stdout: 'here: den\n' })
  expect((await den.omega(['nodes'])).stdout).toMatch(/atlas +dead/)
  await pulse.elsewhere(mesh, 'atlas')
  pulse.end()
  await inState(mesh, den, id, 'finished')
  await atlas.up()
  await mesh.allSeeAll()
  await inState(mesh, atlas, id, 'finished')
  pulse.neverTwo()
})
