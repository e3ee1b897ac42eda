/** Work for a mesh that people look at: sessions of people on many PCs, most of them short, drawn from the seed, without end. */
import type { SessionSpec } from '../../protocols/session/index.ts'
import type { SimMesh } from '../mesh.ts'
import type { SimPc } from '../pc.ts'
import { createRandom } from '../random.ts'

/** Each PC hands out a piece of work so often, and all together no more often than each second. */
const EACH_PC_MS = 50_000
const EACH_MIN_MS = 1000
const PEOPLE = ['ann', 'ben', 'cleo', 'dan'] as const
const MIB = 2 ** 20

export function startWork(mesh: SimMesh): void {
  const { timeline } = mesh.world
  const random = createRandom(mesh.seed, 'work')
  const below = (n: number): number => Math.floor(random.float() * n)
  const eachMs = Math.max(EACH_MIN_MS, EACH_PC_MS / mesh.pcs.length)
  const next = (): void => {
    timeline.at(eachMs * (0.5 + random.float()), () => {
      const pc = drawn(mesh.pcs, below)
      const [command, spec] = piece(below)
      if (pc !== undefined) mesh.submit(pc, command, spec)
      next()
    })
  }
  next()
}

/** One that can take an order; undefined when so many are off that none was met. */
function drawn(pcs: readonly SimPc[], below: (n: number) => number): SimPc | undefined {
  for (let tries = 0; tries < 10; tries++) {
    const pc = pcs[below(pcs.length)]!
    if (pc.peer?.phase === 'active') return pc
  }
  return undefined
}

function piece(below: (n: number) => number): [command: string, spec: Partial<SessionSpec>] {
  const kind = below(10)
  const seconds = kind < 6 ? 5 + below(25) : kind < 9 ? 30 + below(150) : 180 + below(720)
  const fails = below(20) === 0
  return [
    fails ? `work ${seconds} 1` : `sleep ${seconds}`,
    {
      user: PEOPLE[below(PEOPLE.length)]!,
      cpuMilli: ([500, 500, 1000, 1000, 2000] as const)[below(5)]!,
      memoryBytes: ([256, 512, 1024] as const)[below(3)]! * MIB,
      restart: below(10) < 6 ? 'no' : 'on-node-loss'
    }
  ]
}
