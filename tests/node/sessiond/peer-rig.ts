/** Starts peer-process.ts and talks to it. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { RunOrder } from '../../../protocols/ports.ts'
import type { SessiondConfig } from '../../../node/sessiond/config.ts'
import { orderOf } from './rig.ts'
import type { Told } from './rig.ts'

export interface PeerProcess {
  pid: number
  told: Told[]
  call(method: string, ...args: unknown[]): void
  until<T>(pick: (told: Told) => T | undefined): Promise<T>
  start(order: Partial<RunOrder>): Promise<{ session: string; epoch: number; pid: number }>
  /** Resolves when the process is gone. */
  kill(): Promise<void>
}

export async function startPeer(
  dataDir: string,
  options: { config?: Partial<SessiondConfig>; uid?: number } = {}
): Promise<PeerProcess> {
  const script = join(import.meta.dirname, 'peer-process.ts')
  const child = spawn(process.execPath, [script, dataDir, JSON.stringify(options.config ?? {})], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid })
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const told: Told[] = []
  const wake: (() => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.push(JSON.parse(line) as Told)
    for (const go of wake.splice(0)) go()
  })
  const peer: PeerProcess = {
    pid: child.pid!,
    told,
    call: (...call) => void child.stdin.write(`${JSON.stringify(call)}\n`),
    async until(pick) {
      for (let seen = 0; ;) {
        for (; seen < told.length; seen++) {
          const found = pick(told[seen]!)
          if (found !== undefined) return found
        }
        await new Promise<void>((resolve) => wake.push(resolve))
      }
    },
    async start(partial) {
      const order = orderOf(partial)
      peer.call('run', order)
      return await peer.until((told) => {
        if (!('session' in told) || told.session !== order.session || told.epoch !== order.epoch) return undefined
        if (told.t === 'notStarted') throw new Error(told.reason)
        return told.t === 'started' ? { session: order.session, epoch: order.epoch, pid: told.pid } : undefined
      })
    },
    async kill() {
      child.kill('SIGKILL')
      await gone
    }
  }
  onTestFinished(() => peer.kill())
  await peer.until((told) => (told.t === 'children' ? true : undefined))
  return peer
}
