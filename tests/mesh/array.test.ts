/**
 * An array on real PCs: its tasks run wherever there is room, and each is counted once, whatever becomes of the PCs while
 * they run. The tasks themselves write down where they ran.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { startMesh } from './harness/index.ts'
import type { Mesh } from './harness/index.ts'

const LONG = { timeout: 400_000 }
const TASKS = 50

test('fifty tasks run on both PCs, each sees its number, and each output is found again', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den'], up: ['--offer', 'cpu=2,ram=2G'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const said = 'echo "$OMEGA_TASK of $OMEGA_TASK_COUNT on $OMEGA_PEER_NAME for $OMEGA_SESSION"; test $OMEGA_TASK != 7'
  const ended = await atlas.omega(['run', '--array', String(TASKS), '--no-files', '--', `shell:${said}`])
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(ended.stderr).toContain(`49 of ${TASKS} tasks done, 1 failed`)
  const [session] = (await den.json<SessionView[]>(['ps', '--all'])).filter((one) => one.tasks !== null)
  expect(session).toMatchObject({
    state: 'finished',
    exit: { code: 1, signal: null },
    tasks: { total: TASKS, done: 49, failed: 1, running: 0, failing: [7, 8] }
  })
  // From either PC, wherever it ran.
  const places = new Set<string>()
  for (const task of [0, 7, 13, 28, 49]) {
    const { stdout } = await den.omega(['logs', session!.id, '--task', String(task)])
    const [, place] = /^\d+ of 50 on (atlas|den) for [0-9a-f]{32}\n$/.exec(stdout) ?? []
    expect(stdout).toBe(`${task} of ${TASKS} on ${place} for ${session!.id}\n`)
    places.add(place!)
  }
  const shown = (await atlas.omega(['show', session!.id])).stdout
  expect(shown).toContain(`tasks     ${TASKS}: 49 done, 1 failed, 0 running`)
  expect(shown).toContain('failed    7')
  const without = await atlas.omega(['logs', session!.id])
  expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('--task') })
  const beyond = await atlas.omega(['logs', session!.id, '--task', '50'])
  expect(beyond).toMatchObject({ code: 1, stderr: expect.stringContaining('has tasks 0 to 49') })
  const tooMany = await atlas.omega(['submit', '--array', '1000001', '--', 'true'])
  expect(tooMany).toMatchObject({ code: 1, stderr: expect.stringContaining('at most 1000000 tasks') })
})

test('a PC is killed in the middle: its tasks run elsewhere, and every result is there once', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'], up: ['--offer', 'cpu=1,ram=2G'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const id = await submitted(mesh, 'atlas')
  await ran(mesh, (lines) => lines.some((line) => line.endsWith('den')) && lines.length >= 6)
  await den.killAll()
  const ended = await mesh.inState(atlas, id, 'finished')
  expect(ended).toMatchObject({ exit: { code: 0 }, tasks: { total: TASKS, done: TASKS, failed: 0, running: 0 } })
  expect(new Set(tasksRun(mesh)).size).toBe(TASKS)
  expect(tasksRun(mesh).length, 'no more than what the dead PC had in hand ran again').toBeLessThan(TASKS + 10)
})

test('the PC that hands the tasks out is killed: a keeper goes on from what was over', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'], up: ['--offer', 'cpu=1,ram=2G'] })
  const lark = mesh.peer('lark')
  const id = await submitted(mesh, 'atlas')
  await ran(mesh, (lines) => lines.length >= 9)
  await mesh.peer('atlas').killAll()
  const ended = await mesh.inState(lark, id, 'finished')
  expect(ended).toMatchObject({ exit: { code: 0 }, tasks: { total: TASKS, done: TASKS, failed: 0, running: 0 } })
  expect(ended.history.map((step) => step.state)).toContain('lost')
  expect(new Set(tasksRun(mesh)).size).toBe(TASKS)
})

/** Fifty tasks of a third of a second that write their number and their PC into one file. */
async function submitted(mesh: Mesh, name: string): Promise<string> {
  const work = `echo "$OMEGA_TASK $OMEGA_PEER_NAME" >> '${fileOf(mesh)}'; sleep 0.3`
  const { id } = await mesh
    .peer(name)
    .json<SessionView>([
      ...['submit', '--no-files', '--array', String(TASKS), '--memory', '64M'],
      ...['--', `shell:${work}`]
    ])
  return id
}

/** Until the tasks have written so much. */
async function ran(mesh: Mesh, enough: (lines: string[]) => boolean): Promise<void> {
  await mesh.until(() => enough(linesOf(mesh)), { what: 'tasks that ran' })
}

const fileOf = (mesh: Mesh): string => join(mesh.peers[0]!.folder, '..', 'ran.txt')
const linesOf = (mesh: Mesh): string[] => {
  try {
    return readFileSync(fileOf(mesh), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}
const tasksRun = (mesh: Mesh): string[] => linesOf(mesh).map((line) => line.split(' ')[0]!)
