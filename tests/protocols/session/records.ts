/** A session record for tests, and peers with ids that are in order. */
import { createHash } from 'node:crypto'
import { peerIdOf } from '../../../protocols/codec.ts'
import type { Crypto, PeerId } from '../../../protocols/ports.ts'
import type { SessionRecord } from '../../../protocols/session/index.ts'

export const peerOf = (name: string): PeerId => peerIdOf(new Uint8Array(createHash('sha256').update(name).digest()))
/** Smallest id first. */
export const [A, B, C, D] = ['one', 'two', 'three', 'four'].map(peerOf).sort() as [PeerId, PeerId, PeerId, PeerId]

export const hashes: Crypto = {
  sha256: (...parts) => {
    const hash = createHash('sha256')
    for (const part of parts) hash.update(part)
    return new Uint8Array(hash.digest())
  },
  hmac: () => new Uint8Array(32),
  sign: () => new Uint8Array(64),
  verify: () => false
}

export function record(fields: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: '0123456789abcdef0123456789abcdef',
    spec: {
      appUri: 'exec:make',
      args: ['-j2'],
      env: {},
      cwd: '',
      user: 'ann',
      cpuMilli: 1000,
      memoryBytes: 2 ** 28,
      labels: {},
      restart: 'no',
      stdin: false
    },
    submitter: A,
    keepers: [A, B, C],
    desired: 'run',
    state: 'running',
    epoch: 1,
    seq: 2,
    owner: D,
    runner: D,
    tried: [],
    restarts: [],
    createdAt: 1000,
    startedAt: 2000,
    history: [],
    ...fields
  }
}
