/**
 * Sessions per second from one submitter: `true` by the API, each accepted on disk, started, its output watched to the end;
 * 1, 8 and 32 under way at a time; on the other of two peers, on whichever fits, and on a peer alone. Beside each figure the
 * same number of bare starts from this process, as many at a time.
 */
import { spawn } from 'node:child_process'
import type { Peer } from '../mesh/harness/index.ts'
import { Submitter } from './api-session.ts'
import type { Ran } from './api-session.ts'
import { cpuMsOf } from './measure.ts'
import { between, processesOfPeer, startBundledMesh } from './mesh.ts'
import { bench, median, rounded, spread } from './report.ts'
import type { Size } from './report.ts'

const WIDTHS = [1, 8, 32]

await bench('throughput', async (size) => {
  return { between: between(), acrossTwo: await acrossTwo(size), alone: await alone(size) }
})

async function acrossTwo(size: Size) {
  await using mesh = await startBundledMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  return {
    onTheOther: await widths(atlas, [atlas, den], size, 'den'),
    anywhere: await widths(atlas, [atlas, den], size)
  }
}

async function alone(size: Size) {
  await using mesh = await startBundledMesh({ peers: ['atlas'] })
  return await widths(mesh.peer('atlas'), [mesh.peer('atlas')], size)
}

async function widths(from: Peer, peers: Peer[], size: Size, on?: string) {
  const submitter = new Submitter(from)
  const order = { program: 'true', ...(on !== undefined && { on }) }
  await inFlight(8, 8, () => submitter.run(order))
  const results = []
  for (const width of WIDTHS) results.push(await atWidth(width, submitter, order, peers, size))
  submitter.close()
  return results
}

async function atWidth(width: number, submitter: Submitter, order: { program: string }, peers: Peer[], size: Size) {
  const [repeats, sessions] = [size.count(3, 1), size.count(width === 1 ? 100 : 400, width === 1 ? 10 : 40)]
  const rates: number[] = []
  const bare: number[] = []
  const ran: Ran[] = []
  const cpu = { peers: 0, sessionds: 0 }
  for (let i = 0; i < repeats; i++) {
    bare.push(await perSecond(sessions, () => inFlight(sessions, width, spawnTrue)))
    const before = cpuOf(peers)
    rates.push(
      await perSecond(
        sessions,
        async () => void ran.push(...(await inFlight(sessions, width, () => submitter.run(order))))
      )
    )
    const after = cpuOf(peers)
    cpu.peers += after.peers - before.peers
    cpu.sessionds += after.sessionds - before.sessionds
  }
  const total = repeats * sessions
  return {
    inFlight: width,
    sessions: total,
    sessionsPerS: median(rates),
    bareStartsPerS: median(bare),
    ofBareStartsRatio: median(rates.map((rate, i) => rate / bare[i]!)),
    acceptedMs: spread(ran.map((one) => one.acceptedMs)),
    endedMs: spread(ran.map((one) => one.endedMs)),
    peersCpuMsPerSession: rounded(cpu.peers / total),
    sessiondsCpuMsPerSession: rounded(cpu.sessionds / total)
  }
}

/** Runs the step `count` times, `width` at a time. */
async function inFlight<T>(count: number, width: number, step: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let begun = 0
  const line = async (): Promise<void> => {
    while (begun++ < count) results.push(await step())
  }
  await Promise.all(Array.from({ length: width }, line))
  return results
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return rounded(count / ((performance.now() - startedAt) / 1000))
}

function spawnTrue(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('true', { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.resume()
    child.stderr.resume()
    child.once('error', reject)
    child.once('close', () => resolve())
  })
}

function cpuOf(peers: Peer[]): { peers: number; sessionds: number } {
  const pids = peers.map(processesOfPeer)
  const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
  return {
    peers: sum(pids.map(({ peerPid }) => cpuMsOf(peerPid))),
    sessionds: sum(pids.map(({ sessiondPid }) => cpuMsOf(sessiondPid)))
  }
}
