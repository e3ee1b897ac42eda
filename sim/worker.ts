/**
 * One thread of `omega sim explore`: takes seeds, plays them, answers. With a mutation it changes the source of the
 * protocols as it is loaded, so that nothing else of the program knows of mutations.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import type { FamilyName } from './families.ts'
import type { SimMesh } from './mesh.ts'
import type { Outcome } from './run.ts'

/** A text that occurs once in a file of the repository, and what stands there instead. */
export interface Patch {
  file: string
  find: string
  replace: string
}

export interface Task {
  family: FamilyName
  seed: number
  /** Play it twice and compare the trace hashes. */
  twice?: boolean
  wire?: boolean
  faultPhaseMs?: number
}
export interface Played {
  outcome: Outcome
  wallMs: number
  /** Of the heap, for each peer at the end; measured where a seed is played twice. */
  bytesPerPeer?: number
}

const { patches = [] } = workerData as { patches?: readonly Patch[] }
for (const patch of patches) {
  const path = fileURLToPath(new URL(`../${patch.file}`, import.meta.url))
  if (readFileSync(path, 'utf8').split(patch.find).length !== 2)
    throw new Error(`the mutation of ${patch.file} does not fit: "${patch.find}" does not occur exactly once`)
}
if (patches.length > 0) {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      let source = loaded.source
      for (const { file, find, replace } of patches)
        if (url === new URL(`../${file}`, import.meta.url).href) source = textOf(source).replace(find, () => replace)
      return { ...loaded, source }
    }
  })
}

function textOf(source: unknown): string {
  return typeof source === 'string' ? source : new TextDecoder().decode(source as Uint8Array)
}

const { expand } = await import('./plan.ts')
const { play } = await import('./run.ts')
const { heapBytes } = await import('./memory.ts')

parentPort!.on('message', (task: Task) => {
  const startedAt = performance.now()
  const plan = expand(task.seed, task.family, task.faultPhaseMs)
  const outcome = play(plan, { wire: task.wire === true })
  const wallMs = performance.now() - startedAt
  const played: Played = { outcome, wallMs }
  if (task.twice === true) {
    const left: SimMesh[] = []
    const again = play(plan, { wire: task.wire === true, onStart: (mesh) => void left.push(mesh) })
    const withIt = heapBytes()
    left.pop()
    played.bytesPerPeer = (withIt - heapBytes()) / outcome.peers
    if (again.traceHash !== outcome.traceHash)
      outcome.violations.push({
        checker: 'determinism',
        text: `the same seed ran differently: ${outcome.traceHash} and ${again.traceHash}`,
        atMs: 0
      })
  }
  parentPort!.postMessage(played)
})
