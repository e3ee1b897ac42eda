/**
 * A peer process reduced to its host, for tests that kill it: `node peer-process.ts DATA_DIR [CONFIG_JSON]`. A line of JSON
 * on stdin names a method of the host and its arguments ({ inMs } is a moment so long from now); what the host tells comes
 * out as lines of JSON.
 */
import { createInterface } from 'node:readline'
import type { Log } from '../../../protocols/ports.ts'
import { openBlobCache } from '../../../node/adapters/blob-cache.ts'
import { createHost } from '../../../node/adapters/host.ts'

const [dataDir = '', config = '{}'] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const log: Log = { debug() {}, info() {}, warn: (phrase, fields) => say({ t: 'warn', phrase, ...fields }), error() {} }
const blobs = await openBlobCache({ dataDir, log })
const clock = { mono: () => performance.now() }
const momentOf = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'inMs' in value ? clock.mono() + Number(value.inMs) : value
const host = await createHost({
  dataDir,
  log,
  clock,
  peerId: 'peer-1',
  peerName: 'den',
  blobs,
  config: { hardwareHelper: '', ...(JSON.parse(config) as object) }
})
host.attach({
  started: (session, epoch, pid) => say({ t: 'started', session, epoch, pid }),
  notStarted: (session, epoch, reason) => say({ t: 'notStarted', session, epoch, reason }),
  exited: (session, epoch, exit) => say({ t: 'exited', session, epoch, exit }),
  children: (list) => say({ t: 'children', list }),
  lost: (why) => say({ t: 'lost', why })
})
for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line, momentOf) as [keyof typeof host, ...unknown[]]
  await (host[method] as (...args: unknown[]) => unknown).apply(host, args)
}
