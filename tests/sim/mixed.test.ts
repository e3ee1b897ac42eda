/** Two versions in one mesh: this one, and the next minor, which says and stores more than this one knows. */
import { beforeAll, expect, test } from 'vitest'
import { decodeCbor } from '../../protocols/codec.ts'
import { Peer } from '../../protocols/peer/index.ts'
import { startMesh } from '../../sim/mesh.ts'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import { NEW_FIELD, NEW_VALUE, nextMinor } from '../../sim/mixed.ts'
import type { Program } from '../../sim/pc.ts'
import { expand } from '../../sim/plan.ts'
import { play } from '../../sim/run.ts'

let Next: typeof Peer
beforeAll(async () => {
  Next = await nextMinor()
})
/** PCs with an even number run the next minor. */
const everyOther: Program = ({ index }) => (index % 2 === 0 ? Next : Peer)
const NEW = { [NEW_FIELD]: NEW_VALUE }

type Stored = Record<string, Uint8Array>

/** The mesh, and what each of its PCs has written, by key. */
function formed(peers: number, program = everyOther): { mesh: SimMesh; disks: Stored[] } {
  const mesh = startMesh({ seed: 1, peers, wire: true, program })
  const disks = mesh.pcs.map((pc) => {
    const disk: Stored = {}
    const writes = (ops: readonly ({ put: string; value: Uint8Array } | { del: string })[]): void =>
      ops.forEach((op) => 'put' in op && (disk[op.put] = op.value))
    pc.disk.tap = { writes, synced: () => {} }
    return disk
  })
  agreed(mesh)
  return { mesh, disks }
}

function agreed(mesh: SimMesh): void {
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
    withinMs: 60_000,
    what: 'all know all',
    everyMs: 100
  })
}

function nothingRefused(mesh: SimMesh): void {
  for (const { name, peer } of mesh.running) {
    expect(
      [...peer!.counters.keys()].filter((counter) => counter.startsWith('bad_')),
      name
    ).toEqual([])
    expect(peer!.refusals, name).toEqual([])
  }
}

function running(mesh: SimMesh, job: Job, times: number): void {
  const runs = () => mesh.world.runs.of(job.id ?? '')
  mesh.until(() => runs().length === times && mesh.session(job.id)?.state === 'running', {
    withinMs: 60_000,
    what: `run ${times}`
  })
}

const read = (bytes: Uint8Array | undefined) => decodeCbor(bytes!) as Record<string, Record<string, unknown>>
/** Behind the checksum. */
const register = (bytes: Uint8Array | undefined) => read(bytes!.subarray(4))['value']!

test('peers of both versions know each other, and refuse nothing of what the others say', () => {
  const { mesh } = formed(6)
  mesh.run(60_000)
  nothingRefused(mesh)
  mesh.kill(0)
  const known = () => mesh.running.every(({ peer }) => peer!.member(mesh.pc(0).id)?.state === 'dead')
  mesh.until(known, { withinMs: 15_000, what: 'it is held for dead' })
  nothingRefused(mesh)
  expect(mesh.pc(3).peer!.member(mesh.pc(0).id)?.reason).toContain('is off, asleep or cut off')
})

test('what one next minor signed reaches the other byte for byte through a peer that knows less', () => {
  const { mesh, disks } = formed(3)
  mesh.cut([0], [2])
  mesh.until(() => !mesh.pc(0).peer!.isLinked(mesh.pc(2).id), { withinMs: 60_000, what: 'the two have no link' })
  mesh.pc(0).peer!.ledgerPut('user/ann', Uint8Array.of(1), () => {})
  mesh.pc(0).peer!.renamed({ name: 'renamed' })
  mesh.until(
    () => mesh.pc(2).peer!.ledger('user/ann') !== undefined && mesh.pc(2).peer!.nameOf(mesh.pc(0).id) === 'renamed',
    {
      withinMs: 30_000,
      what: 'the other has heard'
    }
  )
  for (const key of ['g/ledger/user/ann', `m/${mesh.pc(0).id}`]) {
    expect(disks[1]![key], key).toEqual(disks[0]![key])
    expect(disks[2]![key], key).toEqual(disks[0]![key])
    expect(read(disks[2]![key]!.subarray(0, -64)), key).toMatchObject(NEW)
  }
})

test.each([{}, { mode: 'strict' as const }])(
  'a session of the next minor keeps its new fields at keepers that know less, also when one of them takes it over: %o',
  (mode) => {
    const { mesh, disks } = formed(6, ({ index }) => (index === 0 ? Next : Peer))
    const job = mesh.submit(0, 'sleep infinity', { restart: 'on-node-loss', notOn: 'pc0', ...mode })
    running(mesh, job, 1)
    // its keepers choose another in its place after a minute
    mesh.kill(0)
    mesh.run(90_000)
    const { keepers } = mesh.session(job.id)!
    const runner = mesh.pcs.find((pc) => pc.id === mesh.world.runs.of(job.id!)[0]!.peer)!
    mesh.kill(runner)
    running(mesh, job, 2)
    const record = mesh.session(job.id)!
    expect(record.owner).not.toBe(mesh.pc(0).id)
    expect(record).toMatchObject(NEW)
    expect(record.spec).toMatchObject(NEW)
    const staying = mesh.pcs.filter((pc) => pc.running && keepers.includes(pc.id))
    expect(staying.length).toBeGreaterThan(0)
    for (const { index } of staying) {
      expect(read(disks[index]![`r/${job.id}`])).toMatchObject({ ...NEW, spec: NEW })
      if ('mode' in mode) expect(register(disks[index]![`c/${job.id}`])).toMatchObject({ ...NEW, cfg: NEW, own: NEW })
    }
    nothingRefused(mesh)
  }
)

test('PC by PC the mesh goes to the next minor and back, and the session of one goes on all the time', () => {
  const versions = [Peer, Peer, Peer, Peer, Peer]
  const { mesh } = formed(5, ({ index }) => versions[index]!)
  const jobs = [mesh.submit(0, 'sleep infinity'), mesh.submit(1, 'sleep infinity', { mode: 'strict' })]
  for (const job of jobs) running(mesh, job, 1)
  for (const version of [Next, Peer])
    for (const pc of mesh.pcs) {
      versions[pc.index] = version
      mesh.killPeerProcess(pc)
      mesh.run(500)
      mesh.restart(pc)
      agreed(mesh)
      mesh.run(10_000)
      nothingRefused(mesh)
    }
  for (const job of jobs) running(mesh, job, 1)
})

test('where each start of a PC brings the other version, faults break no promise either', { timeout: 300_000 }, () => {
  const turns: Program = ({ index, starts }) => ((index + starts) % 2 === 0 ? Next : Peer)
  for (const family of ['within', 'calm', 'pair'] as const)
    for (let seed = 1; seed <= 8; seed++) {
      const { violations } = play(expand(seed, family, 20_000), { wire: true, program: turns })
      expect(violations, `${family} ${seed}`).toEqual([])
    }
})
