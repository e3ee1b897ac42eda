/** A member whose certificate has run out and that keeps talking: nobody hears it, and no work is bound to it. */
import { expect, test } from 'vitest'
import { startMesh } from '../../sim/mesh.ts'

const LIVES_MS = 60_000
/** By so much clocks may differ. */
const SLACK_MS = 600_000

test('the links of a member end with its certificate, and it is let in nowhere again', { timeout: 60_000 }, () => {
  const mesh = startMesh({ seed: 6, peers: 4, lapsing: { name: 'pc3', afterMs: LIVES_MS } })
  const others = mesh.pcs.slice(0, 3)
  const late = mesh.pcs[3]!
  mesh.until(() => mesh.running.length === 4 && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'all are here'
  })
  const before = mesh.submit(0, 'sleep infinity', { on: late.id, restart: 'on-node-loss' })
  mesh.until(() => mesh.session(before.id)?.state === 'running', { withinMs: 10_000, what: 'it runs there' })
  mesh.run(LIVES_MS + SLACK_MS - mesh.nowMs - 2000)
  expect(mesh.agree()).toBe(true)

  mesh.until(() => mesh.agree(others), { withinMs: 30_000, what: 'it is a member for nobody any more' })
  expect(late.running).toBe(true)
  mesh.run(20_000)
  for (const { peer } of others) {
    expect(peer!.member(late.id)?.state).toBe('dead')
    expect(peer!.refusals.some(({ peer: from, code }) => from === late.id && code === 'CERT_INVALID')).toBe(true)
  }
  const after = mesh.submit(1, 'sleep 1', { on: late.id })
  const strict = mesh.submit(1, 'sleep 1', { mode: 'strict' })
  mesh.until(() => mesh.session(strict.id)?.state === 'finished', { withinMs: 15_000, what: 'work elsewhere ends' })
  mesh.run(20_000)
  expect(mesh.session(after.id)?.state).toBe('pending')
  expect(mesh.session(strict.id)!.keepers).not.toContain(late.id)
  expect(mesh.world.runs.of(after.id!)).toEqual([])
})
