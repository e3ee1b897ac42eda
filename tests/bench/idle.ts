/**
 * What a peer costs when nothing happens: memory and processor of its two processes in an idle mesh of three, without and with
 * a page open at one of them, beside a bare Node that does nothing.
 */
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { localSocketPath } from '../../node/http/local-socket.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'
import { cpuMsOf, memoryOf, occupiedMib, wakeupsOf } from './measure.ts'
import { between, processesOfPeer, startBundledMesh } from './mesh.ts'
import { bench, goal, rounded, stretch } from './report.ts'

/** 150 MB. */
const GOAL_MIB = 143
const GOAL_CPU_PERCENT = 1

await bench('idle', async (size) => {
  await using mesh = await startBundledMesh({ peers: ['atlas', 'den', 'lark'] })
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 2 ** 30)'], { stdio: 'ignore' })
  try {
    await settled(mesh)
    await stretch(size.count(60, 10))
    const seconds = size.count(60, 10)
    const quiet = await idleOver(seconds, mesh.peers)
    const page = await openPage(mesh.peer('atlas'))
    await stretch(size.count(10, 3))
    const watched = await idleOver(seconds, mesh.peers)
    page.socket.terminate()
    const worst = quiet.toSorted((a, b) => b.together.rssMib - a.together.rssMib)[0]!
    const busiest = quiet.toSorted((a, b) => b.together.cpuPercentOfACore - a.together.cpuPercentOfACore)[0]!
    return {
      between: between(),
      seconds,
      quiet,
      withAPageAtAtlas: watched,
      pageMessages: page.messages(),
      bareNode: memoryOf(bare.pid!),
      goals: [
        goal('RSS of peer and sessiond together, MiB', worst.together.rssMib, GOAL_MIB),
        goal('the same with the pages of Node that both share counted once, MiB', worst.together.occupiedMib, GOAL_MIB),
        goal('processor of both together, % of a core', busiest.together.cpuPercentOfACore, GOAL_CPU_PERCENT)
      ]
    }
  } finally {
    bare.kill('SIGKILL')
  }
})

/** The helper that looks at the hardware at the start has ended everywhere. */
async function settled(mesh: Mesh): Promise<void> {
  const only = (peer: Peer) => peer.processes().length === 2
  await mesh.until(() => mesh.peers.every(only), {
    what: 'PCs where only the peer and sessiond run',
    withinMs: 120_000
  })
}

async function idleOver(seconds: number, peers: Peer[]) {
  const pids = peers.map(processesOfPeer)
  const look = () =>
    pids.map(({ peerPid, sessiondPid }) => ({
      peer: { cpuMs: cpuMsOf(peerPid), wakeups: wakeupsOf(peerPid) },
      sessiond: { cpuMs: cpuMsOf(sessiondPid), wakeups: wakeupsOf(sessiondPid) }
    }))
  const [before, startedAt] = [look(), performance.now()]
  await stretch(seconds)
  const [after, tookS] = [look(), (performance.now() - startedAt) / 1000]
  return peers.map(({ name }, i) => {
    const of = (part: 'peer' | 'sessiond', pid: number) => ({
      ...memoryOf(pid),
      cpuPercentOfACore: rounded((after[i]![part].cpuMs - before[i]![part].cpuMs) / tookS / 10),
      mainThreadWakeupsPerS: rounded((after[i]![part].wakeups - before[i]![part].wakeups) / tookS)
    })
    const [peer, sessiond] = [of('peer', pids[i]!.peerPid), of('sessiond', pids[i]!.sessiondPid)]
    const both = (key: 'rssMib' | 'pssMib' | 'cpuPercentOfACore') => rounded(peer[key] + sessiond[key])
    return {
      name,
      peer,
      sessiond,
      together: {
        rssMib: both('rssMib'),
        pssMib: both('pssMib'),
        occupiedMib: occupiedMib([pids[i]!.peerPid, pids[i]!.sessiondPid]),
        cpuPercentOfACore: both('cpuPercentOfACore')
      }
    }
  })
}

/** As the page does after sign-in: the whole first, then what changes. */
function openPage(peer: Peer): Promise<{ socket: WebSocket; messages(): number }> {
  const path = localSocketPath(peer.dataDir)
  const socket = new WebSocket('ws://localhost/api/v1/live', { createConnection: () => connect(path) })
  let messages = 0
  return new Promise((resolve, reject) => {
    socket.on('message', () => {
      if (messages++ === 0) resolve({ socket, messages: () => messages })
    })
    socket.once('error', reject)
    socket.once('close', (code) => reject(new Error(`the live line closed with ${code}`)))
  })
}
