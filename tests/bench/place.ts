/**
 * How long sessions take with many owners and no master, as a ratio to one ideal queue over all slots that knows everything
 * (the table of PROTOCOLS.md 2.3): the very Placer and Worker of peers over a model of a LAN, readings a second old. Every
 * PC has 4 slots and submits its share; times between submissions and run times are exponential.
 */
import { createRandom } from '../../sim/random.ts'
import { Placing, SLOTS } from './place-model.ts'
import type { Task } from './place-model.ts'
import { bench, goal, rounded, spread } from './report.ts'
import type { Size } from './report.ts'

const GOAL_RATIO = 1.1

interface Shape {
  peers: number
  load: number
  meanMs: number
}
await bench('place', (size) => {
  const shapes: Shape[] = [10, 100].flatMap((peers) => [100, 10_000].map((meanMs) => ({ peers, load: 0.8, meanMs })))
  const measured = shapes.map((shape) => measure(shape, size))
  const goals = measured.map(({ peers, meanMs, ratioP50, ratioP95 }) =>
    goal(
      `response time to the ideal queue's, ${peers} PCs, 80 % load, ${meanMs} ms sessions`,
      Math.max(ratioP50, ratioP95),
      GOAL_RATIO
    )
  )
  return { measured, goals }
})

function measure(shape: Shape, size: Size) {
  const tasks = drawn(shape, size.count(4000, 1000))
  const mesh = new Placing(shape.peers, tasks)
  mesh.run()
  const ours = spread(mesh.responses)
  const responsesP95 = percentile(mesh.responses, 0.95)
  const ideal = centralQueue(tasks, shape.peers * SLOTS)
  return {
    ...shape,
    sessions: tasks.length,
    ratioP50: rounded(ours.p50 / spread(ideal).p50),
    ratioP95: rounded(responsesP95 / percentile(ideal, 0.95)),
    responseMs: ours,
    idealMs: spread(ideal),
    framesPerSession: rounded(mesh.frames / tasks.length),
    /** Sessions that found no room at once. */
    waitedRatio: rounded(mesh.waited / tasks.length),
    pulledRatio: rounded(mesh.pulled / tasks.length)
  }
}

function drawn({ peers, load, meanMs }: Shape, count: number): Task[] {
  const random = createRandom(1, 'tasks', peers, meanMs)
  const exponential = (mean: number): number => -mean * Math.log(1 - random.float())
  const apartMs = meanMs / (load * peers * SLOTS)
  let atMs = 0
  return Array.from({ length: count }, (_, i) => ({
    id: i.toString(16).padStart(32, '0'),
    owner: Math.floor(random.float() * peers),
    atMs: (atMs += exponential(apartMs)),
    runMs: exponential(meanMs)
  }))
}

/** First come, first served, by whichever slot is free first; no message takes any time. */
function centralQueue(tasks: readonly Task[], slots: number): number[] {
  const freeAt = Array.from({ length: slots }, () => 0)
  return tasks.map(({ atMs, runMs }) => {
    let first = 0
    for (let i = 1; i < slots; i++) if (freeAt[i]! < freeAt[first]!) first = i
    const endMs = Math.max(atMs, freeAt[first]!) + runMs
    freeAt[first] = endMs
    return endMs - atMs
  })
}

function percentile(samples: readonly number[], share: number): number {
  return samples.toSorted((a, b) => a - b)[Math.ceil(share * samples.length) - 1]!
}
