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
