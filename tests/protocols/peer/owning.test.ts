/** What a submitter is told, and what nobody is. */
import { expect, test } from 'vitest'
import type { MeshError } from '../../../protocols/errors.ts'
import type { SessionRecord, SessionSpec } from '../../../protocols/session/index.ts'
import { startMesh } from '../../../sim/mesh.ts'

const SPEC: SessionSpec = {
  appUri: 'shell:sleep 1',
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

test('what no disk took is told to its submitter and is no session; asked for again, it is one', () => {
  const mesh = startMesh({ seed: 401, peers: 1 })
  const pc = mesh.pc(0)
  mesh.until(() => pc.running && mesh.advertised(), { withinMs: 10_000, what: 'it gives' })
  const { sessions } = pc.peer!
  const nonce = new Uint8Array(16).fill(1)
  let told: { error: MeshError | undefined; record: SessionRecord | undefined } | undefined
  const submit = (): void => {
    told = undefined
    sessions.submit(SPEC, nonce, (error, result) => (told = { error, record: result?.record }))
    mesh.until(() => told !== undefined, { withinMs: 10_000, what: 'the submitter has its answer' })
  }
  pc.disk.full = true
  submit()
  expect(told?.error?.code).toBe('STORE_FAILED')
  mesh.run(2000)
  expect([...pc.peer!.summaries()]).toEqual([])
  expect(pc.peer!.events.filter((event) => event.kind === 'session')).toEqual([])
  pc.disk.full = false
  submit()
  expect(told?.error).toBeUndefined()
  const { id } = told!.record!
  mesh.until(() => mesh.session(id)?.state === 'finished', { withinMs: 10_000, what: 'it has ended' })
  expect(mesh.session(id)?.exit).toEqual({ code: 0, signal: null })
})

test('a long command is cut in the text of an event, and the text says so', () => {
  const mesh = startMesh({ seed: 402, peers: 1 })
  const pc = mesh.pc(0)
  mesh.until(() => pc.running && mesh.advertised(), { withinMs: 10_000, what: 'it gives' })
  const job = mesh.submit(0, 'sleep 5', { args: ['x'.repeat(100)] })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 10_000, what: 'it runs' })
  mesh.run(500)
  expect(pc.peer!.events.map((event) => event.text)).toContain(`sleep 5 ${'x'.repeat(51)}… started on pc0`)
})

test('a worker is not bound while no disk says that it is, and is once one does', () => {
  const mesh = startMesh({ seed: 403, peers: 2 })
  const [owner, worker] = [mesh.pc(0), mesh.pc(1)]
  mesh.until(() => mesh.running.length === 2 && mesh.agree() && mesh.advertised(), {
    withinMs: 10_000,
    what: 'they know each other'
  })
  worker.peer!.sessions.pause()
  const job = mesh.submit(0, 'sleep 1', { on: 'pc1' })
  mesh.until(() => job.id !== undefined, { withinMs: 5000, what: 'it is accepted' })
  mesh.run(100)
  owner.disk.readOnly = worker.disk.readOnly = true
  worker.peer!.sessions.resume()
  mesh.run(3000)
  expect(mesh.world.runs.of(job.id!)).toEqual([])
  const record = owner.peer!.sessions.records.all.get(job.id!)
  expect([record?.state, record?.runner]).toEqual(['pending', undefined])
  expect(record?.reason).toMatch(/^no disk took the record that it runs on pc1: the disk is read-only/)
  owner.disk.readOnly = worker.disk.readOnly = false
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 60_000, what: 'it has ended' })
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
})
