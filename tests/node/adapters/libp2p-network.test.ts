import { createHash } from 'node:crypto'
import { vi } from 'vitest'
import { createNetwork } from '../../../node/adapters/libp2p-network.ts'
import type { Libp2pNetwork } from '../../../node/adapters/libp2p-network.ts'
import type { Log } from '../../../protocols/ports.ts'
import { networkContract } from '../../contracts/network.ts'

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meshId = createHash('sha256').update('a mesh').digest('hex')
const seedOf = (name: number): Uint8Array => createHash('sha256').update(`peer ${name}`).digest()
const listen = (seed: Uint8Array, more: object = {}): Promise<Libp2pNetwork> =>
  createNetwork({ seed, meshId, listenPort: 0, bind: '127.0.0.1', portIsDefault: false, log: quiet, ...more })
const stop = (network: Libp2pNetwork): Promise<void> => new Promise((resolve) => network.stop(resolve))
const settle = (until: () => boolean, what: string): Promise<unknown> =>
  vi
    .waitUntil(until, { timeout: 20_000, interval: 5 })
    .catch(() => Promise.reject(new Error(`never happened: ${what}`)))

networkContract('libp2p on loopback', async (count) => {
  const networks: Libp2pNetwork[] = []
  for (let i = 0; i < count; i++) networks.push(await listen(seedOf(i)))
  const open = [...networks]
  return {
    networks,
    deadAddress: '/ip4/127.0.0.1/tcp/1',
    settle: async (until, what) => void (await settle(until, what)),
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async restart(index) {
      await stop(networks[index]!)
      const again = await listen(seedOf(index))
      open.push(again)
      return again
    },
    async dispose() {
      await Promise.all(open.map(stop))
    }
  }
})
