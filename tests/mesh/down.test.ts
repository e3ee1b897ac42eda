/** `omega down`: what may move goes to another PC, the rest is stopped, nothing stays behind; unless it is asked to stay. */
import { expect, test } from 'vitest'
import { Pulse, startMesh, stateOf } from './harness/index.ts'

const LONG = { timeout: 400_000 }

test('down moves what may move, stops the rest and leaves nothing behind', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  await atlas.json(['node', 'pause'])
  const [mobile, bound] = [new Pulse(mesh, 'mobile'), new Pulse(mesh, 'bound')]
  const mobileId = await mobile.submit(atlas, ['--restart', 'on-node-loss'])
  const boundId = await bound.submit(atlas, [])
  expect([(await mobile.first()).name, (await bound.first()).name]).toEqual(['den', 'den'])
  await atlas.json(['node', 'resume'])

  const { code, stdout } = await den.omega(['down'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'den is down\n' })
  expect(await den.exited()).toBe(0)
  await mesh.until(() => den.processes().length === 0, { what: 'end of all that ran on den' })
  await mobile.elsewhere('den')
  mobile.neverTwo()
  const { history } = await mesh.inState(atlas, boundId, 'stopped')
  expect(history.find((step) => step.state === 'stopping')?.cause).toBe('den is going down')
  const { state, reason } = (await atlas.nodes()).find((node) => node.name === 'den')!
  expect({ state, reason }).toEqual({ state: 'left', reason: 'was shut down, as seen from atlas' })
  mobile.end()
  expect((await mesh.inState(atlas, mobileId, 'finished')).exit).toEqual({ code: 0, signal: null })
})

test('down --keep-sessions leaves what runs to the next start', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const pulse = new Pulse(mesh)
  const id = await pulse.submit(atlas, ['--on', 'den'])
  const { pid } = await pulse.first()
  await den.omega(['down', '--keep-sessions'])
  expect(await den.exited()).toBe(0)
  expect(stateOf(pid)).not.toBe('gone')
  await den.up()
  await mesh.allSeeAll()
  await pulse.goesOn(pid)
  pulse.end()
  await mesh.inState(atlas, id, 'finished')
  expect(new Set(pulse.beats().map((beat) => beat.pid))).toEqual(new Set([pid]))
})
