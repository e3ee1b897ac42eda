/** A small simulated mesh as the page sees it: through the door, the routes, and the questions of a peer's doors. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SimulationDeed } from '../../../node/http/simulation-routes.ts'
import type { Principal } from '../../../node/http/api.ts'
import type { SimulationView, StatusView } from '../../../node/http/views.ts'
import { SpecInput } from '../../../protocols/session/index.ts'
import { startMesh } from '../../../sim/mesh.ts'
import type { SimMesh } from '../../../sim/mesh.ts'
import { Control } from '../../../sim/serve/control.ts'
import { main, serve } from '../../../sim/serve/main.ts'
import type { Served } from '../../../sim/serve/main.ts'
import { Pace, systemWall } from '../../../sim/serve/pace.ts'
import { Seat } from '../../../sim/serve/seat.ts'
import { SimApi } from '../../../sim/serve/sim-api.ts'
import { startWork } from '../../../sim/serve/work.ts'

const YOU: Principal = { name: 'you', role: 'admin', via: 'browser' }

/** Everything but the door; the test lets time pass. */
function world(peers = 5) {
  const mesh = startMesh({ seed: 3, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'all know all'
  })
  const seat = new Seat(mesh)
  const pace = new Pace(mesh.world.timeline, systemWall)
  const simulation = new Control(mesh, pace, (text, pc) => seat.tell(text, pc))
  const api = new SimApi({ mesh, seat, pace, simulation, version: '0', urls: () => [], end: () => {} })
  // Orders are taken while time passes; here the test passes it.
  pace.speed = 1
  const run = (ms: number): void => {
    mesh.run(ms)
    seat.look()
  }
  return { mesh, seat, pace, simulation, api, run }
}
const stateOf = (api: SimApi, name: string) => api.nodes().find((node) => node.name === name)?.state
const texts = (api: SimApi) => api.events().map((event) => event.text)
/** The answer comes as simulated time passes. */
async function answer<T>(mesh: SimMesh, promise: Promise<T>): Promise<T> {
  const over = promise.then(
    () => true,
    () => true
  )
  const turn = (): Promise<boolean> => new Promise((resolve) => setImmediate(() => resolve(false)))
  while (!(await Promise.race([over, turn()]))) mesh.run(100)
  return await promise
}

test('at first it is seen from a PC that is up, and none is said to be gone', () => {
  const mesh = startMesh({ seed: 3, peers: 5 })
  mesh.until(() => mesh.pcs.some((pc) => pc.peer?.phase === 'active'), { withinMs: 5000, what: 'a first PC is up' })
  expect(mesh.pcs[0]!.peer?.phase, 'of this seed another is first').not.toBe('active')
  const seat = new Seat(mesh)
  expect(seat.pc.peer?.phase).toBe('active')
  mesh.run(5000)
  seat.look()
  expect(seat.events.filter(({ text }) => text.includes('is gone'))).toEqual([])
})

test('the page is told what one PC knows: a killed PC is first suspected, then away, then back', () => {
  const { api, simulation, run } = world()
  expect(api.nodes().map((node) => node.state)).toEqual(Array(5).fill('alive'))
  expect(
    api
      .nodes()
      .filter((node) => node.self)
      .map((node) => node.name)
  ).toEqual(['pc0'])
  simulation.apply('kill', ['pc3'])
  expect(stateOf(api, 'pc3')).toBe('alive')
  expect(api.status().simulation?.off).toHaveLength(1)
  const seen = new Set<string | undefined>()
  for (let i = 0; i < 300; i++) {
    run(100)
    seen.add(stateOf(api, 'pc3'))
  }
  expect([...seen]).toEqual(['alive', 'suspect', 'dead'])
  simulation.apply('restart', ['pc3'])
  run(10_000)
  expect([stateOf(api, 'pc3'), api.status().simulation?.off]).toEqual(['alive', []])
  expect(texts(api)).toEqual(expect.arrayContaining(['pc3 was switched off, by hand', 'pc3 was switched on, by hand']))
})

test('a PC that is cut off is away for the others, and healed it is back; the other cut stays', () => {
  const { api, simulation, run } = world()
  simulation.apply('cut', ['pc1', 'pc2'])
  run(30_000)
  expect([stateOf(api, 'pc1'), stateOf(api, 'pc2'), stateOf(api, 'pc3')]).toEqual(['dead', 'dead', 'alive'])
  simulation.apply('heal', ['pc1'])
  run(60_000)
  expect([stateOf(api, 'pc1'), stateOf(api, 'pc2')]).toEqual(['alive', 'dead'])
  expect(api.status().simulation?.cut).toHaveLength(1)
})

test('when the PC that is looked from dies, the next one that runs takes its place', () => {
  const { api, simulation, run } = world()
  run(1000)
  const before = api.events().at(-1)?.seq ?? 0
  simulation.apply('kill', ['pc0'])
  run(30_000)
  expect(api.status().name).toBe('pc1')
  expect(stateOf(api, 'pc0')).toBe('dead')
  expect(texts(api)).toContain('pc0 is gone; this page goes on as seen from pc1')
  const seqs = api.events().map((event) => event.seq)
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  expect(seqs.at(-1)).toBeGreaterThan(before)
})

test('a PC that looks from a cut says that nobody answers it', () => {
  const { api, simulation, run } = world()
  simulation.apply('cut', ['pc0'])
  run(60_000)
  expect(api.status().notices.map((notice) => notice.code)).toEqual(['isolated'])
  expect(
    api
      .nodes()
      .filter((node) => node.state === 'alive')
      .map((node) => node.name)
  ).toEqual(['pc0'])
})

test('all or none: one wrong name stops the rest, and the last PC is never killed', () => {
  const { mesh, simulation } = world(3)
  expect(() => simulation.apply('kill', ['pc1', 'pc9'])).toThrow(/no PC "pc9"/)
  expect(mesh.running).toHaveLength(3)
  expect(() => simulation.apply('kill', ['pc0', 'pc1', 'pc2'])).toThrow(/last 3 PCs/)
  expect(mesh.running).toHaveLength(3)
  simulation.apply('kill', ['pc1', 'pc1', 'pc2'])
  simulation.apply('kill', ['pc1'])
  expect(mesh.running.map((pc) => pc.name)).toEqual(['pc0'])
})

test('a session from the page runs on a simulated PC, and its view is replaced only when it changes', async () => {
  const { api, mesh, run } = world()
  const input = SpecInput.parse({ app_uri: 'exec:sleep', args: ['20'], constraints: { on: 'pc2' } })
  const { session, durability } = await answer(mesh, api.create(input, YOU))
  expect(durability).toBe(2)
  run(2000)
  const running = api.sessions()[0]!
  expect(running).toMatchObject({ id: session.id, state: 'running', command: 'sleep 20', user: 'you' })
  expect(api.nodes().find((node) => node.peerId === running.runner)?.name).toBe('pc2')
  expect(api.sessions()[0]).toBe(running)
  const stopped = await answer(mesh, api.stop(session.id.slice(0, 8), YOU))
  expect(['stopping', 'stopped']).toContain(stopped.state)
  run(2000)
  expect(api.sessions()[0]).toMatchObject({ state: 'stopped' })
})

test('what a simulation has not is refused in words, and orders while time stands still as well', async () => {
  const { api, pace } = world(2)
  await expect(api.attach()).rejects.toThrow(/none in a simulation/)
  await expect(api.invite()).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(api.node('pc7')).rejects.toMatchObject({ code: 'UNKNOWN_NODE' })
  expect(await api.node('pc1')).toMatchObject({ name: 'pc1', disks: { missing: 'simulated PCs have none' } })
  pace.speed = 0
  const input = SpecInput.parse({ app_uri: 'exec:true' })
  await expect(api.create(input, YOU)).rejects.toThrow(/stands still/)
})

test('there is work on it, the same from the same seed', () => {
  const commands = (): string[] => {
    const { mesh, api, run } = world(8)
    startWork(mesh)
    run(120_000)
    return api.sessions().map((session) => `${session.command} ${session.state} ${session.runner}`)
  }
  const first = commands()
  expect(first.length).toBeGreaterThan(10)
  expect(first.filter((text) => text.includes(' running ')).length).toBeGreaterThan(1)
  expect(commands()).toEqual(first)
})

let served: Served | undefined
beforeEach(() => (served = undefined))
afterEach(async () => await served?.close())

test('through the door: the link signs in once, speeds and deeds are taken, nonsense is not', async () => {
  served = await serve({ peers: 3, seed: 1, port: 0, portIsDefault: false, uiDir: '/nowhere' })
  const { url, link } = served
  const headers: Record<string, string> = { origin: url, 'content-type': 'application/json' }
  const ask = async (method: string, path: string, body?: unknown) =>
    await fetch(`${url}/api/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  expect((await ask('GET', '/simulation')).status).toBe(401)
  const ticket = new URLSearchParams(new URL(link).hash.slice(1)).get('handover')
  const entered = await ask('POST', '/auth/handover', { ticket })
  expect(entered.status).toBe(200)
  expect((await ask('POST', '/auth/handover', { ticket })).status).toBe(403)
  headers.cookie = entered.headers.get('set-cookie')!.split(';')[0]!
  const simulation = async () => ((await (await ask('GET', '/status')).json()) as StatusView).simulation
  // The PCs are switched on within the first half second.
  await expect.poll(simulation, { timeout: 60_000 }).toMatchObject({ seed: 1, peers: 3, speed: 1, off: [], cut: [] })

  const paused = (await (await ask('POST', '/simulation/speed', { speed: 0 })).json()) as SimulationView
  expect(paused.speed).toBe(0)
  expect((await ask('POST', '/simulation/speed', { speed: 3 })).status).toBe(400)
  const deed = async (name: SimulationDeed | 'paint') => await ask('POST', `/simulation/peers/pc1/${name}`, {})
  expect(((await (await deed('kill')).json()) as SimulationView).off).toHaveLength(1)
  expect((await deed('paint')).status).toBe(400)
  const both = await ask('POST', '/simulation/peers', { deed: 'cut', peers: ['pc1', 'pc2'] })
  expect(((await both.json()) as SimulationView).cut).toHaveLength(2)
  expect((await ask('POST', '/simulation/peers', { deed: 'cut', peers: ['pc5'] })).status).toBe(404)
})

test('a wrong command line is one clear line and exit code 2', async () => {
  expect(await main(['--peers', 'many'], () => {})).toBe(2)
  expect(await main(['--peers', '1'], () => {})).toBe(2)
  expect(await main(['--sped', '1'], () => {})).toBe(2)
})
