/**
 * One message of each kind that travels between peers or is kept on their disks, with every field it may have: what the
 * golden vectors are made of. Keys and times are fixed, so that the same program always makes the same bytes.
 */
import { z } from 'zod'
import { ChannelFrame } from '../../../protocols/channel/index.ts'
import { decodeAs, encodeCbor, encodeFrame, fromHex } from '../../../protocols/codec.ts'
import {
  decodeAdDynamic,
  decodeAdStatic,
  encodeAdDynamic,
  encodeAdStatic,
  GossipFrame
} from '../../../protocols/gossip/index.ts'
import type { AdDynamic, AdStatic } from '../../../protocols/gossip/index.ts'
import { isGenuine, readEntry, signEntry } from '../../../protocols/gossip/entry.ts'
import { decodeEnrol, encodeEnrol } from '../../../protocols/joining/enrol-wire.ts'
import type { EnrolFrame } from '../../../protocols/joining/enrol-wire.ts'
import {
  decodeHello,
  encodeHello,
  openDelegation,
  openGenesis,
  readCertificate
} from '../../../protocols/joining/index.ts'
import type { HelloMessage } from '../../../protocols/joining/index.ts'
import { MemFrame, readRecord, signRecord } from '../../../protocols/membership/index.ts'
import { CtlFrame } from '../../../protocols/peer/rpc.ts'
import { SchedFrame } from '../../../protocols/placement/index.ts'
import { decodeSlot, encodeSlot, RegisterFrame } from '../../../protocols/register/index.ts'
import { RecordWire, RegFrame, signForce } from '../../../protocols/session/index.ts'
import type { SessionRecord } from '../../../protocols/session/index.ts'
import { device, fill, testMesh, WALL } from '../joining/fixtures.ts'

export interface Sample {
  /** What the bytes must be read as. */
  says: unknown
  bytes: Uint8Array
  /** Throws for what it cannot read. */
  read(bytes: Uint8Array): unknown
}
export type Samples = Readonly<Record<string, Sample>>

const { first, genesis, delegation, issue } = testMesh()
const [den, lark] = [device(2), device(3)]
const certificate = issue(den, { labels: { room: 'office' } })
const ID = '0123456789abcdef0123456789abcdef'
const HASH = 'ab'.repeat(32)

const memberFields = { peer: den.peer, inc: 7, boot: '00112233aabbccdd', name: 'den', ver: '0.1.0' }
const here = { ...memberFields, addrs: ['/ip4/192.168.1.20/tcp/7777', '/ip6/fd00::20/tcp/7777'] }
const gone = { ...memberFields, inc: 8, addrs: [], left: 'forever' as const }
const word = signRecord(here, den.crypto)

const adStatic: AdStatic = {
  os: 'Debian 12',
  arch: 'x64',
  cpuModel: 'Example CPU at 3 GHz',
  cores: 8,
  memoryBytes: 2 ** 34,
  gpus: ['Example GPU'],
  labels: { room: 'office' },
  name: 'den',
  version: '0.1.0',
  urls: ['https://den.local:8443'],
  offer: { cpuMilli: 4000, memoryBytes: 2 ** 33 },
  tlsFingerprint: HASH,
  missing: { temperatureC: 'no sensor' }
}
const adDynamic: AdDynamic = {
  cpu: 0.25,
  perCore: Uint8Array.of(0, 64, 128, 255),
  load1: 1.5,
  memoryUsedBytes: 2 ** 32,
  diskBytes: 2 ** 39,
  diskFreeBytes: 2 ** 38,
  rxBytesPerS: 1200,
  txBytesPerS: 3400,
  temperatureC: 48.5,
  battery: { percent: 80, charging: true },
  bootedAt: WALL,
  granted: { cpuMilli: 1000, memoryBytes: 2 ** 30 },
  paused: false,
  draining: true,
  sessions: 2,
  usedBy: 'ann',
  forks: [ID]
}

const entry = signEntry(den.crypto, 'ledger', {
  key: 'ledger/user/ann',
  author: den.peer,
  epoch: WALL,
  seq: 3,
  wall: WALL + 5,
  body: new Uint8Array(encodeCbor({ role: 'owner' }))
})
const ownEntry = signEntry(den.crypto, 'ad.d', {
  key: `ad.d/${den.peer}`,
  author: den.peer,
  epoch: 4,
  seq: 17,
  wall: WALL + 5,
  body: new Uint8Array(encodeAdDynamic(adDynamic))
})

const record: SessionRecord = {
  id: ID,
  spec: {
    appUri: 'exec:make',
    args: ['-j2', 'all'],
    env: { CC: 'cc' },
    cwd: 'src',
    user: 'ann',
    cpuMilli: 1000,
    memoryBytes: 2 ** 28,
    labels: { room: 'office' },
    on: 'den',
    notOn: 'lark',
    restart: 'on-node-loss',
    mode: 'strict',
    class: 1,
    array: 100,
    stdin: true,
    terminal: { columns: 120, rows: 40, required: false },
    input: { hash: HASH, bytes: 4096 }
  },
  submitter: first.peer,
  keepers: [first.peer, den.peer, lark.peer],
  voters: [den.peer],
  takeover: signForce(den.crypto, ID, { by: 'ann', peer: den.peer, epoch: 1_000_000, at: WALL + 1500 }),
  desired: 'run',
  state: 'finished',
  epoch: 3,
  seq: 12,
  owner: den.peer,
  runner: den.peer,
  why: {
    sentence: 'den has the most room',
    candidates: [
      { peer: den.peer, name: 'den', score: 0.75, reason: 'most room' },
      { peer: lark.peer, name: 'lark', score: null, reason: 'paused' }
    ]
  },
  reason: 'ended with 0',
  tried: [{ peer: lark.peer, why: 'no such program' }],
  restarts: [WALL + 1000],
  exit: { code: 0, signal: null },
  output: { hash: HASH, bytes: 512, files: 3 },
  outputError: 'one file was left out',
  logBytes: 99,
  progress: { done: 57, failed: 3, running: 4, over: [0, 58, 60, 62], failing: [7, 10] },
  chunk: { of: ID, n: 3, tasks: [58, 60, 62, 64] },
  createdAt: WALL,
  startedAt: WALL + 1000,
  endedAt: WALL + 2000,
  history: [{ at: WALL + 2000, state: 'finished', by: den.peer, cause: 'exit' }]
}

const [n, offset] = [5, 70_000]
const ballot = { reign: 1, n: 9, peer: den.peer, boot: '00112233aabbccdd' }
const value = {
  ver: 4,
  attempt: '00112233aabbccdd-8',
  cfg: { ver: 2, voters: [first.peer, den.peer], joint: [first.peer, den.peer, lark.peer] },
  own: { peer: den.peer, epoch: 3, seq: 6, attempt: '00112233aabbccdd-7', over: false }
}
const slot = { promised: ballot, accepted: { ...ballot, n: 8 }, value }
const free = { freeCpu: 3000, freeMem: 2 ** 32 }

const hello = (message: HelloMessage): Sample => ({ says: message, bytes: encodeHello(message), read: decodeHello })
const enrol = (frame: EnrolFrame): Sample => ({ says: frame, bytes: encodeEnrol(frame), read: decodeEnrol })
const frameOf =
  <T>(schema: z.ZodType<T>) =>
  (message: T): Sample => ({
    says: message,
    bytes: encodeFrame(message),
    read: (bytes) => decodeAs(schema, bytes, 'frame')
  })
const mem = frameOf(MemFrame)
const gossip = frameOf(GossipFrame)
const sched = frameOf(SchedFrame)
const reg = frameOf<RegFrame | RegisterFrame>(z.discriminatedUnion('t', [RegFrame, RegisterFrame]))
const ctl = frameOf(CtlFrame)
const chan = frameOf(ChannelFrame)

const verdict = { s: 'suspect' as const, b: [first.peer, lark.peer], w: 'refused' as const }
const sums = fill(128, 7)

export const SAMPLES: Readonly<Record<string, Samples>> = {
  hello: {
    hello: hello({
      t: 'hello',
      v: [1, 1],
      mesh: genesis.idBytes,
      n: 3,
      cert: certificate,
      record: word,
      wall: WALL,
      features: ['one', 'two']
    }),
    welcome: hello({ t: 'welcome' }),
    bye: hello({ t: 'bye', code: 'NOT_MEMBER', text: 'this is another mesh' }),
    'a genesis': {
      says: genesis,
      bytes: genesis.signed,
      read: (bytes) => openGenesis(bytes, first.crypto)
    },
    'a delegation': {
      says: openDelegation(delegation, genesis, first.crypto),
      bytes: delegation,
      read: (bytes) => openDelegation(bytes, genesis, first.crypto)
    },
    'a certificate': { says: readCertificate(certificate), bytes: certificate, read: readCertificate }
  },
  join: {
    hi: enrol({ t: 'hi', v: [1, 1], commit: fill(32, 1), invite: fill(8, 2) }),
    proof: enrol({
      t: 'proof',
      genesis: genesis.signed,
      certificate,
      nonce: fill(32, 3),
      wall: WALL,
      sig: fill(64, 4)
    }),
    secret: enrol({ t: 'secret', mac: fill(32, 5) }),
    details: enrol({ t: 'details', nonce: fill(32, 6), body: fill(20, 7), pop: fill(64, 8) }),
    ask: enrol({ t: 'ask' }),
    admit: enrol({
      t: 'admit',
      certificate,
      ca: fill(30, 9),
      leaf: fill(40, 10),
      members: [{ peer: first.peer, addresses: ['/ip4/192.168.1.10/tcp/7777'] }]
    }),
    done: enrol({ t: 'done' }),
    no: enrol({ t: 'no', code: 'DENIED', text: 'the door is closed' })
  },
  mem: {
    ping: mem({ t: 'ping', n, g: [] }),
    'ping with all kinds of news': mem({
      t: 'ping',
      n,
      g: [
        { k: 'a', r: word },
        { k: 'a', r: word, v: verdict, o: 12 },
        { k: 'v', p: den.peer, i: 7, ...verdict, o: 12, m: 700 }
      ]
    }),
    ack: mem({ t: 'ack', n, g: [] }),
    preq: mem({ t: 'preq', n, p: den.peer, w: 400, g: [] }),
    iack: mem({ t: 'iack', n }),
    nack: mem({ t: 'nack', n }),
    news: mem({ t: 'news', g: [{ k: 'v', p: den.peer, i: 7, s: 'dead', b: [first.peer], w: 'timeout' }] }),
    sync: mem({ t: 'sync', r: [[1, 5, sums]] }),
    list: mem({ t: 'list', q: [[2, 17]], g: [{ k: 'a', r: word }] }),
    'a member': signed(here),
    'a member that left': signed(gone)
  },
  gossip: {
    push: gossip({ t: 'push', g: [entry.bytes, ownEntry.bytes] }),
    ids: gossip({ t: 'ids', i: fill(12, 1) }),
    pull: gossip({ t: 'pull', i: fill(6, 2) }),
    sum: gossip({ t: 'sum', a: true, r: [[0, 0, sums]] }),
    have: gossip({ t: 'have', a: false, q: [[3, 300]], v: [[entry.key, WALL, 3, den.peer]], m: true }),
    want: gossip({ t: 'want', k: [entry.key, ownEntry.key] }),
    'an entry': { says: entry, bytes: entry.bytes, read: entryRead },
    'an entry of its own author': { says: ownEntry, bytes: ownEntry.bytes, read: entryRead },
    'a static advertisement': { says: adStatic, bytes: encodeAdStatic(adStatic), read: decodeAdStatic },
    'a dynamic advertisement': { says: adDynamic, bytes: encodeAdDynamic(adDynamic), read: decodeAdDynamic }
  },
  sched: {
    reserve: sched({ t: 'reserve', id: ID, cpu: 1000, mem: 2 ** 28, wait: true, class: 2 }),
    queued: sched({ t: 'queued', id: ID, place: 2, estMs: 1500, freeCpu: -1000, freeMem: 0 }),
    pull: sched({ t: 'pull', id: ID, ...free }),
    held: sched({ t: 'held', id: ID, ...free }),
    refused: sched({ t: 'refused', id: ID, why: 'it is paused', ...free }),
    cancel: sched({ t: 'cancel', id: ID }),
    bind: sched({ t: 'bind', record }),
    bound: sched({ t: 'bound', id: ID, epoch: 3 }),
    unbound: sched({ t: 'unbound', id: ID, why: 'the room was given away' }),
    did: sched({
      t: 'did',
      id: ID,
      of: ID,
      epoch: 3,
      from: 7,
      list: [
        [12, 0, 950],
        [13, null, 20]
      ],
      over: { why: 'done', blame: false }
    }),
    took: sched({ t: 'took', id: ID, upTo: 9 }),
    drop: sched({ t: 'drop', id: ID })
  },
  reg: {
    put: reg({ t: 'put', n, record }),
    ack: reg({ t: 'ack', n }),
    newer: reg({ t: 'newer', n, record }),
    nak: reg({ t: 'nak', n, why: 'the disk is full' }),
    get: reg({ t: 'get', n, id: ID }),
    got: reg({ t: 'got', n, record }),
    'got nothing': reg({ t: 'got', n, record: null }),
    have: reg({ t: 'have', list: [[ID, 3, 12, den.peer]] }),
    discard: reg({ t: 'discard', n, id: ID }),
    stop: reg({ t: 'stop', n, id: ID, by: 'ann' }),
    prepare: reg({ t: 'prepare', id: ID, b: ballot, cv: 2 }),
    promise: reg({ t: 'promise', id: ID, b: ballot, a: slot.accepted, v: value }),
    'promise, nothing accepted': reg({
      t: 'promise',
      id: ID,
      b: ballot,
      a: { n: 0, peer: '', boot: '' },
      v: null
    }),
    accept: reg({ t: 'accept', id: ID, b: ballot, v: value }),
    accepted: reg({ t: 'accepted', id: ID, b: ballot }),
    refuse: reg({ t: 'refuse', id: ID, b: ballot, p: { ...ballot, n: 10 }, cfg: value.cfg }),
    unknown: reg({ t: 'unknown', id: ID, b: ballot }),
    join: reg({ t: 'join', id: ID }),
    'join, after a word': reg({ t: 'join', id: ID, cv: 2 ** 40 }),
    joined: reg({ t: 'joined', id: ID, ok: true }),
    'a register on disk': { says: slot, bytes: encodeSlot(slot), read: decodeSlot },
    'a record on disk': {
      says: record,
      bytes: encodeCbor(record),
      read: (bytes) => decodeAs(RecordWire, bytes, 'record')
    }
  },
  ctl: {
    ask: ctl({ t: 'ask', n, what: 'renew', arg: { spki: fill(8, 1) } }),
    answer: ctl({ t: 'answer', n, ok: true, value: { certificate: fill(8, 2) } }),
    'answer: no': ctl({ t: 'answer', n, ok: false, value: null, code: 'DENIED', text: 'not now' })
  },
  chan: {
    o: chan({ t: 'o', c: n, s: 1, k: 'attach', m: { session: ID, from: 0 } }),
    d: chan({ t: 'd', c: n, s: 0, o: offset, b: Uint8Array.of(1, 2, 3) }),
    e: chan({ t: 'e', c: n, s: 1, o: offset }),
    c: chan({ t: 'c', c: n, s: 0, o: offset }),
    r: chan({ t: 'r', c: n, s: 1, o: offset }),
    x: chan({ t: 'x', c: n, s: 0, w: 'the session is gone' })
  }
}

/** Kinds of messages a plane has, with the fields of each. */
export const KINDS: Readonly<Record<string, ReadonlyMap<string, readonly string[]>>> = {
  mem: kindsOf(MemFrame),
  gossip: kindsOf(GossipFrame),
  sched: kindsOf(SchedFrame),
  reg: new Map([...kindsOf(RegFrame), ...kindsOf(RegisterFrame)]),
  ctl: kindsOf(CtlFrame),
  chan: kindsOf(ChannelFrame)
}
/** Fields of the largest thing that is stored. */
export const RECORD_FIELDS = Object.keys((RecordWire as unknown as z.ZodObject).shape)
export const sampleRecord = record

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const bytesOf = fromHex

function kindsOf(union: { options: readonly z.ZodObject[] }): Map<string, readonly string[]> {
  return new Map(
    union.options.map(({ shape }) => [String((shape.t as z.ZodLiteral).value), Object.keys(shape)] as const)
  )
}

function signed(says: typeof here | typeof gone): Sample {
  return {
    says,
    bytes: signRecord(says, den.crypto),
    read: (bytes) => readRecord(bytes, den.crypto) ?? refused('member')
  }
}

function entryRead(bytes: Uint8Array): unknown {
  const found = readEntry(bytes)
  return found !== undefined && isGenuine(found, lark.crypto) ? found : refused('entry')
}

function refused(what: string): never {
  throw new Error(`the ${what} was refused`)
}
