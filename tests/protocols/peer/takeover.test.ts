/** Keepers that cannot speak with each other, and the rule that one of them takes a session over all the same. */
import { expect, test } from 'vitest'
import { peerKey, toHex } from '../../../protocols/codec.ts'
import { chooseKeepers } from '../../../protocols/session/index.ts'
import { startMesh } from '../../../sim/mesh.ts'
import type { SimMesh } from '../../../sim/mesh.ts'
import type { SimPc } from '../../../sim/pc.ts'

interface Scene {
  mesh: SimMesh
  id: string
  /** PC 0. */
  submitter: SimPc
  /** Runs it and keeps no record of it. */
  worker: SimPc
  /** The two other keepers, which cannot speak with each other. */
  keepers: SimPc[]
  openRuns(): string[]
}

/** A session that survives its PC runs on one of seven PCs; two of its keepers cannot speak with each other. */
function scene(seed: number, link: 'never' | 'stalled'): Scene {
  const mesh = startMesh({ seed, peers: 7 })
  const submitter = mesh.pc(0)
  const worker = mesh.pc(1)
  const { id, nonce, keepers } = keptElsewhere(mesh, submitter, worker)
  if (link === 'never') part(mesh, keepers)
  mesh.until(() => mesh.running.length === 7 && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  // All but one give nothing while it looks for its place; afterwards it may run anywhere.
  const others = mesh.pcs.filter((pc) => pc !== worker)
  for (const pc of others) pc.peer!.sessions.pause()
  let accepted = false
  submitter.peer!.sessions.submit(
    {
      appUri: 'shell:sleep infinity',
      args: [],
      env: {},
      cwd: '',
      user: 'ann',
      cpuMilli: 1000,
      memoryBytes: 2 ** 28,
      labels: {},
      restart: 'on-node-loss',
      stdin: false
    },
    nonce,
    () => (accepted = true)
  )
  const openRuns = (): string[] => mesh.world.runs.of(id).flatMap((run) => (run.toMs === undefined ? [run.peer] : []))
  mesh.until(() => accepted && mesh.session(id)?.state === 'running', { withinMs: 10_000, what: 'it runs' })
  for (const pc of others) pc.peer!.sessions.resume()
  if (link === 'stalled') part(mesh, keepers)
  return { mesh, id, submitter, worker, keepers, openRuns }
}

function part(mesh: SimMesh, keepers: readonly SimPc[]): void {
  for (const pc of keepers) for (const other of keepers) if (pc !== other) mesh.cutOneWay([pc], [other])
}

function keptElsewhere(mesh: SimMesh, from: SimPc, worker: SimPc): { id: string; nonce: Uint8Array; keepers: SimPc[] } {
  const crypto = mesh.world.ring.cryptoOf(from.key)
  const all = mesh.pcs.map((pc) => pc.id)
  for (let n = 0; ; n++) {
    const nonce = new Uint8Array(16).fill(n)
    const id = toHex(crypto.sha256(peerKey(from.id), nonce)).slice(0, 32)
    const keepers = chooseKeepers(id, from.id, all, crypto)
    if (keepers.includes(worker.id)) continue
    return { id, nonce, keepers: mesh.pcs.filter((pc) => pc !== from && keepers.includes(pc.id)) }
  }
}

test.each([
  ['never', 301],
  ['never', 302],
  ['never', 303],
  ['stalled', 301],
  ['stalled', 302],
  ['stalled', 303]
] as const)(
  'keepers that cannot speak with each other do not both take a session over (link: %s, seed %i)',
  (link, seed) => {
    const { mesh, submitter, worker, keepers, openRuns } = scene(seed, link)
    mesh.run(15_000)
    expect(
      keepers.map((pc) => keepers.map((other) => pc.peer!.member(other.id)?.state)),
      'the others vouch for both'
    ).toEqual([
      ['alive', 'alive'],
      ['alive', 'alive']
    ])
    mesh.kill(worker)
    mesh.kill(submitter)
    for (let ms = 0; ms < 40_000; ms += 100) {
      mesh.run(100)
      expect(openRuns().length, `${openRuns().length} processes at ${mesh.nowMs} ms`).toBeLessThanOrEqual(1)
    }
    expect(openRuns()).toHaveLength(1)
    const takers = keepers.filter((pc) =>
      pc.peer!.events.some((event) => event.text.includes(`taken over by ${pc.name}`))
    )
    expect(takers, 'one of them took it over').toHaveLength(1)
  }
)
