/** Every peer as an ordinary user, with nothing granted to it. */
import { mkdirSync, readFileSync, writeFileSync, chownSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startMesh } from './harness/index.ts'

test.skipIf(process.getuid?.() !== 0)(
  'peers of ordinary users join, run each other’s work and bring files back',
  { timeout: 300_000 },
  async () => {
    await using mesh = await startMesh({
      peers: [
        { name: 'atlas', uid: 20_001 },
        { name: 'den', uid: 20_002 }
      ]
    })
    const atlas = mesh.peer('atlas')
    const folder = join(atlas.workDir, 'project')
    mkdirSync(folder)
    writeFileSync(join(folder, 'in.txt'), 'seven\n')
    for (const path of [folder, join(folder, 'in.txt')]) chownSync(path, 20_001, 20_001)
    const script = 'cat in.txt; id -u; nice; echo done > out.txt'
    const ran = await atlas.omega(['run', '--on', 'den', '--', 'sh', '-c', script], { cwd: folder })
    expect(ran).toMatchObject({ code: 0, stdout: 'seven\n20002\n10\n' })
    expect(readFileSync(join(folder, 'out.txt'), 'utf8')).toBe('done\n')
    const other = await mesh.peer('den').exec(['ls', atlas.dataDir]).end(30_000)
    expect(other.code).not.toBe(0)
  }
)
