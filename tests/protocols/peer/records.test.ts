/** What a peer holds for the newest version of a session, while others tell of theirs. */
import { expect, test } from 'vitest'
import { startMesh } from '../../../sim/mesh.ts'
import type { SimMesh } from '../../../sim/mesh.ts'
import type { SessionRecord } from '../../../protocols/session/index.ts'

type Records = NonNullable<ReturnType<SimMesh['pc']>['peer']>['sessions']['records']

function running(seed: number): { mesh: SimMesh; records: Records; known: SessionRecord } {
  const mesh = startMesh({ seed, peers: 2 })
  mesh.until(() => mesh.running.length === 2 && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  const job = mesh.submit(0, 'sleep infinity')
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 30_000, what: 'it runs' })
  mesh.run(1000)
  const { records } = mesh.pc(0).peer!.sessions
  return { mesh, records, known: records.all.get(job.id!)! }
}

test('what comes while keepers are asked is not hidden by their answers', () => {
  const { mesh, records, known } = running(421)
  const told: (number | undefined)[] = []
  records.newest(known.id, known.keepers, (newest) => told.push(newest?.seq))
  records.note({ ...known, seq: known.seq + 5 })
  mesh.run(1000)
  expect(told).toEqual([known.seq + 5])
})

test('an older version is not taken, though the wish to stop that it brings is', () => {
  const { records, known } = running(422)
  const { id, epoch } = known
  records.note({ ...known, epoch: epoch - 1, seq: known.seq + 5 })
  expect(records.all.get(id)).toMatchObject({ epoch, desired: 'run' })
  records.note({ ...known, epoch: epoch - 1, desired: 'stop' })
  expect(records.all.get(id)).toMatchObject({ epoch, desired: 'stop' })
})

test('a wish to stop that comes while keepers are asked holds for what they answer', () => {
  const { mesh, records, known } = running(423)
  const told: (string | undefined)[] = []
  records.newest(known.id, known.keepers, (newest) => told.push(newest?.desired))
  records.stopHere(known.id, 'ann', () => {})
  mesh.run(1000)
  expect(told).toEqual(['stop'])
})
