/** Real peers for the benches: always from the bundle, as people run them, which is built first when it is stale. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { namespacesMissing, startMesh } from '../mesh/harness/index.ts'
import type { Mesh, MeshOptions, Peer } from '../mesh/harness/index.ts'

const root = join(import.meta.dirname, '..', '..')
/** The command as people have it on their PATH. */
export const OMEGA = join(root, 'node_modules', '.bin', 'omega')

export async function startBundledMesh(options: MeshOptions): Promise<Mesh> {
  const built = spawnSync(process.execPath, [join(root, 'node', 'install', 'build.mjs')], {
    cwd: root,
    stdio: ['ignore', 2, 2]
  })
  if (built.status !== 0) throw new Error('the bundle could not be built: see the messages above')
  process.env.OMEGA_TEST_BUNDLE = '1'
  return await startMesh(options)
}

/** What `omega` runs: the bundle while it is as new as the sources, and else, slower, the sources. */
export function commandRunsFrom(): string {
  const setup = join(root, 'node', 'install', 'setup.mjs')
  const script = `import(${JSON.stringify(setup)}).then(({ isFresh }) => console.log(isFresh('node')))`
  const fresh = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout.trim() === 'true'
  return fresh ? 'the bundle' : 'the sources, which changed while this ran'
}

/** Between two PCs, or only between two processes: no figure over the network is read without it. */
export const between = (): string =>
  namespacesMissing() === undefined ? 'network namespaces on a bridge' : 'one loopback'

/** The two processes of a peer that stay. */
export function processesOfPeer(peer: Peer): { peerPid: number; sessiondPid: number } {
  const pid = (what: string, fits: (command: string) => boolean): number => {
    const found = peer.processes().filter(({ command }) => fits(command))
    if (found.length !== 1) throw new Error(`${found.length} processes are the ${what} of ${peer.name}, not one`)
    return found[0]!.pid
  }
  return {
    peerPid: pid('peer', (command) => /omega\.js up /.test(command)),
    sessiondPid: pid('sessiond', (command) => /^omega-sessiond|sessiond\.js/.test(command))
  }
}
