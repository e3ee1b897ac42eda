/**
 * The runner's ways of dying: its peer process alone, the whole PC, the cable. An accepted session is not lost, and without
 * a partition it never runs twice: the program itself writes down where and when it ran, and /proc says what stood still.
 */
import { expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { namespacesMissing, Pulse, startMesh, stateOf } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 400_000 }
/** sessiond freezes what runs when its peer was silent for so long. */
const LEASH_MS = 5_000

test('its peer process is killed and comes back: adopted, the same process, one run', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const id = await pulse.submit(atlas, ['--on', 'den'])
  const first = await pulse.first()
  // This one may go on elsewhere, if the peer is not back before the leash ends.
  const mobile = new Pulse(mesh, 'mobile')
  await atlas.json(['node', 'pause'])
  const mobileId = await mobile.submit(atlas, ['--restart', 'on-node-loss'])
  const mobileFirst = await mobile.first()
  await atlas.json(['node', 'resume'])
  const killedAt = performance.now()
  await den.killPeerProcess()
  await den.up()
  const awayMs = performance.now() - killedAt
  await mesh.allSeeAll()
  // Nobody takes over what was not asked to be restarted; so it goes on here, however long the peer was away.
  await pulse.goesOn(first.pid)
  expect(await atlas.session(id)).toMatchObject({ state: 'running', runner: await idOf(den), exit: null })
  pulse.end()
  const ended = await mesh.inState(atlas, id, 'finished')
  expect(ended.exit).toEqual({ code: 0, signal: null })
  expect(new Set(pulse.beats().map((beat) => beat.pid))).toEqual(new Set([first.pid]))
  // Output from before, during and after the outage.
  const { stdout } = await atlas.omega(['logs', id])
  expect(stdout.trim().split('\n')).toHaveLength(pulse.beats().length)

  console.log(`the peer was away for ${(awayMs / 1000).toFixed(1)} s`)
  if (awayMs < LEASH_MS) await mobile.goesOn(mobileFirst.pid)
  mobile.end()
  await mesh.inState(atlas, mobileId, 'finished')
  mobile.neverTwo()
  if (awayMs < LEASH_MS) expect(new Set(mobile.beats().map((beat) => beat.pid))).toEqual(new Set([mobileFirst.pid]))
})

test(
  'its peer process stays away: frozen before another starts, and still frozen when it is back, until stopped',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const atlas = mesh.peer('atlas')
    const pulse = new Pulse(mesh)
    const id = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--not-on', 'atlas'])
    const first = await pulse.first()
    const runner = mesh.peer(first.name)
    const following = atlas.spawn(['logs', '-f', id])
    await following.prints(`beat ${first.name}`)
    await runner.killPeerProcess()

    const second = await pulse.elsewhere(first.name)
    expect(stateOf(first.pid)).toBe('frozen')
    await following.prints(`beat ${second.name}`)

    await runner.up()
    await mesh.allSeeAll()
    const fork = async () => (await runner.status()).notices.find((notice) => notice.code === 'fork')
    expect((await mesh.until(fork, { what: `notice of the older run on ${runner.name}` })).fix).toBe(
      `omega stop --fork ${id.slice(0, 8)}`
    )
    expect(stateOf(first.pid)).toBe('frozen')
    await pulse.goesOn(second.pid)
    expect(await runner.session(id)).toMatchObject({ state: 'running', runner: await idOf(mesh.peer(second.name)) })
    pulse.neverTwo()

    // From anywhere, and the newer run goes on.
    await mesh.until(async () => (await atlas.session(id)).frozenOn.length === 1, { what: 'all know where it is kept' })
    await atlas.json(['stop', '--fork', id])
    await gone(mesh, [first.pid])
    await mesh.until(async () => (await fork()) === undefined, { what: 'end of the notice' })
    await pulse.goesOn(second.pid)

    await runner.json(['stop', id])
    await mesh.inState(atlas, id, 'stopped')
    await gone(mesh, [second.pid])
    expect((await following.end(60_000)).code).toBe(0)
  }
)

test('the power is cut: it runs elsewhere by itself, and not again on the PC that comes back', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const atlas = mesh.peer('atlas')
  const pulse = new Pulse(mesh)
  const id = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--not-on', 'atlas'])
  const first = await pulse.first()
  const runner = mesh.peer(first.name)
  await runner.killAll()
  const cutAt = performance.now()
  const second = await pulse.elsewhere(first.name)
  console.log(`power cut to first line elsewhere: ${((performance.now() - cutAt) / 1000).toFixed(1)} s`)

  await runner.up()
  await mesh.allSeeAll()
  const secondId = await idOf(mesh.peer(second.name))
  const knows = async () => {
    const seen = await runner.session(id)
    return seen.runner === secondId && seen.state === 'running'
  }
  await mesh.until(knows, { what: `news of the takeover on ${runner.name}` })
  expect((await runner.status()).leash.children).toBe(0)
  pulse.end()
  const ended = await mesh.inState(runner, id, 'finished')
  expect(ended).toMatchObject({ exit: { code: 0, signal: null }, runner: secondId })
  pulse.neverTwo()
})

test.skipIf(namespacesMissing() !== undefined)(
  'the cable is pulled: it runs elsewhere too, and when the cable is back the older run is frozen',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const atlas = mesh.peer('atlas')
    const pulse = new Pulse(mesh)
    const id = await pulse.submit(atlas, ['--restart', 'on-node-loss', '--not-on', 'atlas'])
    const first = await pulse.first()
    const runner = mesh.peer(first.name)
    runner.cut()
    const second = await pulse.elsewhere(first.name)
    // The cut-off side goes on as well, and says that it is alone.
    const alone = async () => (await runner.status()).notices.some((notice) => notice.code === 'isolated')
    await mesh.until(alone, { what: `word on ${runner.name} that it is alone` })
    await pulse.goesOn(first.pid)

    runner.heal()
    await mesh.allSeeAll(mesh.peers, 180_000)
    await mesh.until(() => stateOf(first.pid) === 'frozen', { what: 'frozen older run' })
    const lines = pulse.beats().length
    await pulse.goesOn(second.pid)
    expect(
      pulse
        .beats()
        .slice(lines)
        .filter((beat) => beat.pid === first.pid)
    ).toEqual([])
    expect(await runner.session(id)).toMatchObject({ state: 'running', runner: await idOf(mesh.peer(second.name)) })
    await atlas.json(['stop', id])
    await mesh.inState(runner, id, 'stopped')
    await gone(mesh, [first.pid, second.pid])
  }
)

test('the submitter dies right after it answered: what it accepted is not lost and finishes', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
  const submit = (on: string[]) =>
    atlas.json<SessionView & { durability: number }>([
      'submit',
      '--no-files',
      '--cpu',
      '0.1',
      ...on,
      '--',
      'sh',
      '-c',
      'echo "done on $OMEGA_PEER_NAME"'
    ])
  // One that nobody may take yet, two that are on their way.
  await lark.json(['node', 'pause'])
  const waiting = await submit(['--on', 'lark'])
  await mesh.inState(atlas, waiting.id, 'pending')
  const started = await Promise.all([submit(['--on', 'den']), submit(['--not-on', 'atlas'])])
  await atlas.killAll()

  for (const { id, durability } of started) {
    expect(durability).toBeGreaterThanOrEqual(2)
    for (const peer of [den, lark])
      expect(await mesh.inState(peer, id, 'finished')).toMatchObject({ exit: { code: 0, signal: null } })
    expect((await lark.omega(['logs', id])).stdout).toBe('done on den\n')
  }
  await lark.json(['node', 'resume'])
  for (const peer of [den, lark]) await mesh.inState(peer, waiting.id, 'finished')
  expect((await den.omega(['logs', waiting.id])).stdout).toBe('done on lark\n')
})

test('the survivor of two takes work, knows what was, and says who is gone', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  await den.json(['node', 'pause'])
  const id = await pulse.submit(den, ['--restart', 'on-node-loss'])
  expect((await pulse.first()).name).toBe('atlas')
  await den.json(['node', 'resume'])
  // The one that made the mesh, with its root key, is the one that dies.
  await atlas.killAll()
  const dead = async () => (await den.nodes()).find((node) => node.name === 'atlas')?.state === 'dead'
  await mesh.until(dead, { what: 'dead atlas on den' })
  expect(await den.json(['status'])).toMatchObject({ phase: 'active', members: { alive: 1, total: 2 } })
  expect((await den.omega(['nodes'])).stdout).toMatch(/atlas +dead/)
  const ran = await den.omega(['run', '--no-files', '--cpu', '0.1', '--', 'sh', '-c', 'echo "here: $OMEGA_PEER_NAME"'])
  expect(ran).toMatchObject({ code: 0, stdout: 'here: den\n' })
  await pulse.elsewhere('atlas')
  pulse.end()
  await mesh.inState(den, id, 'finished')
  await atlas.up()
  await mesh.allSeeAll()
  await mesh.inState(atlas, id, 'finished')
  pulse.neverTwo()
})

const idOf = async (peer: Peer): Promise<string> => (await peer.status()).peerId
async function gone(mesh: Mesh, pids: number[]): Promise<void> {
  const states = (note: (seen: unknown) => void) => {
    const seen = pids.map(stateOf)
    note(seen)
    return seen.every((state) => state === 'gone')
  }
  await mesh.until(states, { what: 'end of every run' })
}
