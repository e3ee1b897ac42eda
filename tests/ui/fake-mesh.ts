/**
 * A mesh that exists only for tests of the page: PCs with readings that move, missing readings, PCs that are away, and
 * sessions in every state. Same seed, same mesh.
 */
import type { EventView, NodeDetail, NodeView, Reading, SessionView, StatusView } from '../../node/http/views.ts'

export type Scenario = 'office' | 'alone' | 'full' | 'looking'

const GIB = 2 ** 30
const SAMPLES = 30

export interface FakeMesh {
  status: StatusView
  nodes: NodeView[]
  sessions: SessionView[]
  events: EventView[]
  /** Moves every reading by one step. */
  step(): void
  detail(id: string): NodeDetail | undefined
}

/** mulberry32 */
export function randomFrom(seed: number): () => number {
  let s = seed >>> 0
  return () => {
    s = (s + 0x6d2b79f5) >>> 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Machine {
  name: string
  os: string
  model: string
  cores: number
  gib: number
  tb: number
  free: number
  cpu: number
  gpus: string[] | string
  temperature: number | string
  battery?: string
  state?: NodeView['state']
  paused?: boolean
  usedBy?: string
  perCore?: string
}

const OFFICE: Machine[] = [
  {
    name: 'workbench',
    os: 'Debian 13',
    model: 'AMD Ryzen 9 7950X',
    cores: 32,
    gib: 128,
    tb: 2,
    free: 0.6,
    cpu: 0.16,
    gpus: ['Radeon RX 7900 XTX'],
    temperature: 52
  },
  {
    name: 'atlas',
    os: 'Debian 13',
    model: 'AMD EPYC 9354',
    cores: 64,
    gib: 256,
    tb: 16,
    free: 0.59,
    cpu: 0.93,
    gpus: ['NVIDIA L40S', 'NVIDIA L40S'],
    temperature: 71,
    usedBy: 'anna and ben run 3 sessions here'
  },
  {
    name: 'studio',
    os: 'macOS 26.1',
    model: 'Apple M2 Max',
    cores: 12,
    gib: 64,
    tb: 1,
    free: 0.62,
    cpu: 0.23,
    gpus: ['Apple M2 Max, 38 cores'],
    temperature: 'macOS tells temperatures only to root',
    perCore: 'macOS does not tell it for each core'
  },
  {
    name: 'den',
    os: 'Windows 11',
    model: 'Intel Core i7-13700',
    cores: 24,
    gib: 32,
    tb: 1,
    free: 0.04,
    cpu: 0.09,
    gpus: 'nvidia-smi did not answer within 5 s',
    temperature: 48
  },
  {
    name: 'lark',
    os: 'Fedora 44',
    model: 'Intel Core i5-1340P',
    cores: 8,
    gib: 16,
    tb: 0.5,
    free: 0.18,
    cpu: 0.05,
    gpus: [],
    temperature: 41,
    battery: '63 %, discharging',
    state: 'dead'
  }
]

const LONG_NAME = 'the-computer-in-the-corner-of-the-upstairs-storage-room-by-the-window'

export function fakeMesh(scenario: Scenario, seed = 7): FakeMesh {
  const random = randomFrom(seed)
  const now = Date.now()
  const machines = scenario === 'full' ? many(random) : scenario === 'office' ? OFFICE : OFFICE.slice(0, 1)
  const nodes = scenario === 'looking' ? [] : machines.map((machine, i) => node(machine, i, now, random))
  const sessions = scenario === 'office' ? office(nodes, now) : scenario === 'full' ? crowd(nodes, now, random) : []
  const mesh: FakeMesh = {
    nodes,
    sessions,
    events: scenario === 'looking' ? [] : events(scenario, sessions, now),
    status: status(scenario, nodes, sessions, now),
    step() {
      for (const n of mesh.nodes) if (n.state === 'alive') move(n, random)
    },
    detail: (id) => {
      const found = mesh.nodes.find((n) => n.peerId === id || n.name === id)
      return found && detailOf(found)
    }
  }
  return mesh
}

function many(random: () => number): Machine[] {
  return Array.from({ length: 40 }, (_, i) => {
    const base = OFFICE[i % OFFICE.length] as Machine
    const name = i === 0 ? 'workbench' : i === 3 ? LONG_NAME : `${base.name}-${String(i).padStart(2, '0')}`
    const state: NodeView['state'] =
      i === 0 ? 'alive' : i % 11 === 10 ? 'suspect' : i % 9 === 8 ? 'dead' : i === 20 ? 'left' : 'alive'
    return { ...base, name, state, cpu: random() * 0.97, paused: i === 5, cores: i === 7 ? 192 : base.cores }
  })
}

const known = <T>(value: T): Reading<T> => ({ value })
const missing = (reason: string) => ({ missing: reason })
const orMissing = <T>(value: T | string | undefined, reason: string): Reading<T> =>
  value === undefined ? missing(reason) : typeof value === 'string' ? missing(value) : known(value as T)

function node(machine: Machine, i: number, now: number, random: () => number): NodeView {
  const state = machine.state ?? 'alive'
  const bytes = machine.gib * GIB
  const self = i === 0
  const used = bytes * (0.25 + random() * 0.4)
  const line = (around: number) =>
    Array.from({ length: SAMPLES }, (_, k) => (i === 2 && k < 9 ? null : clamp(around + (random() - 0.5) * 0.16)))
  return {
    peerId: `12D3KooW${Array.from({ length: 44 }, () => 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'.charAt(Math.floor(random() * 49))).join('')}`,
    name: machine.name,
    state,
    reason: {
      alive: self ? 'serves this page' : 'answers workbench',
      suspect: 'no answer to workbench for 3 s; den and atlas are asked',
      dead: 'no answer to workbench, atlas and den',
      left: 'left the mesh by itself'
    }[state],
    self,
    addresses: [
      `/ip4/192.168.1.${20 + i}/tcp/7777`,
      `/ip6/fe80::5054:ff:fe12:${(0x3400 + i).toString(16)}/tcp/7777`,
      `/ip4/10.8.0.${i + 2}/tcp/7777`
    ].slice(0, 1 + (i % 3)),
    lastSeenMs: self ? now : state === 'alive' ? now - 900 : state === 'suspect' ? now - 4_000 : now - 47 * 60_000,
    ageMs: state === 'dead' ? 47 * 60_000 : Math.round(random() * 1500),
    version: '0.1.0',
    os: known(machine.os),
    cpuModel: known(machine.model),
    cores: known(machine.cores),
    cpu: state === 'alive' ? known(machine.cpu) : missing('the PC is away'),
    perCore: machine.perCore
      ? missing(machine.perCore)
      : known(Array.from({ length: machine.cores }, () => clamp(machine.cpu + (random() - 0.5) * 0.6))),
    load1: machine.os.startsWith('Windows')
      ? missing('Windows has no load average')
      : known(machine.cores * machine.cpu),
    memoryBytes: known(bytes),
    memoryUsedBytes: known(used),
    diskBytes: known(machine.tb * 1e12),
    diskFreeBytes: known(machine.tb * 1e12 * machine.free),
    netRxBytesPerS: i === 4 ? missing('no second sample yet') : known(random() * 4e6),
    netTxBytesPerS: known(random() * 9e5),
    gpus: orMissing<string[]>(machine.gpus, 'not read yet'),
    displays: known(true),
    temperatureC: orMissing<number>(machine.temperature, 'no sensor'),
    battery: orMissing<string>(undefined, 'this PC has no battery'),
    ...(machine.battery && { battery: known(machine.battery) }),
    bootedAtMs: known(now - (i + 1) * 3.3 * 86_400_000),
    rttMs: self ? missing('it is this PC') : state === 'dead' ? missing('the PC is away') : known(0.3 + i * 0.4),
    witness: false,
    offer: {
      cpuMilli: machine.cores * 750,
      memoryBytes: bytes * 0.75,
      grantedCpuMilli: machine.cpu > 0.5 ? machine.cores * 500 : 1000,
      grantedMemoryBytes: bytes * 0.2,
      paused: machine.paused ?? false
    },
    usedBy: machine.usedBy ?? '',
    labels: i === 1 ? { room: 'cellar', gpu: 'l40s' } : {},
    history: { cpu: line(machine.cpu), memory: line(used / bytes) }
  }
}

function move(n: NodeView, random: () => number): void {
  if ('value' in n.cpu) n.cpu = known(clamp(n.cpu.value + (random() - 0.5) * 0.06))
  if ('value' in n.perCore) n.perCore = known(n.perCore.value.map((c) => clamp(c + (random() - 0.5) * 0.2)))
  if ('value' in n.netRxBytesPerS)
    n.netRxBytesPerS = known(Math.max(0, n.netRxBytesPerS.value * (0.7 + random() * 0.6)))
  if ('value' in n.netTxBytesPerS)
    n.netTxBytesPerS = known(Math.max(0, n.netTxBytesPerS.value * (0.7 + random() * 0.6)))
  n.ageMs = Math.round(random() * 1200)
  n.lastSeenMs = Date.now() - n.ageMs
  const memory =
    'value' in n.memoryUsedBytes && 'value' in n.memoryBytes ? n.memoryUsedBytes.value / n.memoryBytes.value : null
  n.history = {
    cpu: [...n.history.cpu.slice(1), 'value' in n.cpu ? n.cpu.value : null],
    memory: [...n.history.memory.slice(1), memory]
  }
}

const clamp = (v: number) => Math.min(1, Math.max(0, v))

interface Job {
  command: string
  state: SessionView['state']
  on: number | null
  user: string
  minutes: number
  sentence: string
  reason: string
  exit?: SessionView['exit']
  cores?: number
}

const JOBS: Job[] = [
  {
    command: 'make -j48 all',
    state: 'running',
    on: 1,
    user: 'anna',
    minutes: 4,
    sentence: 'atlas: most free cores (40 of 48 asked for at once)',
    reason: 'started',
    cores: 48
  },
  {
    command: 'blender -b harbour.blend -a',
    state: 'running',
    on: 1,
    user: 'ben',
    minutes: 131,
    sentence: 'atlas: only PC with the label gpu=l40s',
    reason: 'started',
    cores: 8
  },
  {
    command: 'python3 train.py --epochs 40 --data /srv/sets/harbour',
    state: 'running',
    on: 2,
    user: 'anna',
    minutes: 33,
    sentence: 'studio: asked for by --on',
    reason: 'started'
  },
  {
    command: 'ffmpeg -i holiday-2026-part-one-uncut-original.mkv -c:v libx265 -crf 22 -preset slow out.mkv',
    state: 'running',
    on: 0,
    user: 'anna',
    minutes: 51,
    sentence: 'workbench: has the files already',
    reason: 'moved from lark, which went away',
    cores: 12
  },
  {
    command: 'stress-ng --cpu 96',
    state: 'pending',
    on: null,
    user: 'ben',
    minutes: 7,
    sentence: '',
    reason: 'no PC has 96 free cores: the most is 40, at atlas',
    cores: 96
  },
  {
    command: 'rsync -a /home/anna /mnt/backup',
    state: 'frozen',
    on: 3,
    user: 'anna',
    minutes: 90,
    sentence: 'den: has the label disk=backup',
    reason: 'den lost its peer for 5 s; waiting for its keepers'
  },
  {
    command: 'cargo test --release',
    state: 'finished',
    on: 1,
    user: 'ben',
    minutes: 190,
    sentence: 'atlas: most free cores',
    reason: 'ended',
    exit: { code: 0, signal: null },
    cores: 16
  },
  {
    command: 'sh -c "exit 3"',
    state: 'finished',
    on: 3,
    user: 'anna',
    minutes: 200,
    sentence: 'den: free',
    reason: 'ended',
    exit: { code: 3, signal: null }
  },
  {
    command: 'sleep 9000',
    state: 'stopped',
    on: 0,
    user: 'anna',
    minutes: 300,
    sentence: 'workbench: free',
    reason: 'stopped by anna',
    exit: { code: null, signal: 'TERM' }
  },
  {
    command: 'no-such-program',
    state: 'failed',
    on: 2,
    user: 'anna',
    minutes: 320,
    sentence: 'studio: free',
    reason: 'studio has no program called no-such-program'
  }
]

function office(nodes: NodeView[], now: number): SessionView[] {
  return JOBS.map((job, i) => session(job, i, nodes, now))
}

function crowd(nodes: NodeView[], now: number, random: () => number): SessionView[] {
  return Array.from({ length: 200 }, (_, i) => {
    const base = JOBS[i % JOBS.length] as Job
    return session(
      {
        ...base,
        command: `${base.command} # ${i}`,
        on: base.on === null ? null : Math.floor(random() * 20),
        minutes: i * 3 + 1
      },
      i,
      nodes,
      now
    )
  })
}

function session(job: Job, i: number, nodes: NodeView[], now: number): SessionView {
  const runner = job.on === null ? null : (nodes[job.on]?.peerId ?? null)
  const self = nodes[0] as NodeView
  const createdAt = now - job.minutes * 60_000
  const ended = ['finished', 'stopped', 'failed'].includes(job.state)
  const [program = '', ...args] = job.command.split(' ')
  return {
    id: (i + 1).toString(16).padStart(32, '0').replace(/^0{8}/, '70000000'),
    state: job.state,
    appUri: `exec:${program}`,
    args,
    command: job.command,
    user: job.user,
    submitter: self.peerId,
    owner: runner ?? self.peerId,
    runner,
    keepers: nodes.slice(0, 2).map((n) => n.peerId),
    epoch: job.reason.startsWith('moved') ? 2 : 1,
    placement:
      runner === null
        ? null
        : {
            sentence: job.sentence,
            candidates: nodes.slice(0, 6).map((n, k) => ({
              peer: n.peerId,
              name: n.name,
              score: n.state === 'alive' ? 1 - k * 0.17 : null,
              reason:
                n.peerId === runner
                  ? job.sentence
                  : n.state === 'alive'
                    ? `${3 + k} of the cores asked for are free`
                    : 'is away'
            }))
          },
    frozenOn: [],
    reason: job.reason,
    cpuMilli: (job.cores ?? 1) * 1000,
    memoryBytes: 2 * GIB,
    restart: 'on-node-loss',
    mode: 'available',
    terminal: false,
    display: false,
    priority: 2,
    tasks: null,
    strict: null,
    exit: job.exit ?? null,
    output: job.state === 'finished' ? { hash: 'ab'.repeat(32), bytes: 1_300_000, files: 12 } : null,
    createdAt,
    startedAt: runner === null ? null : createdAt + 180,
    endedAt: ended ? createdAt + 60_000 : null,
    history: [
      { at: createdAt, state: 'submitted' as const, by: self.peerId, cause: `asked for by ${job.user}` },
      { at: createdAt + 12, state: 'placing' as const, by: self.peerId, cause: 'accepted by two keepers' },
      ...(runner === null ? [] : [{ at: createdAt + 180, state: 'running' as const, by: runner, cause: 'started' }]),
      ...(job.state === 'running' || job.state === 'placing'
        ? []
        : [{ at: createdAt + 60_000, state: job.state, by: runner ?? self.peerId, cause: job.reason }])
    ]
  }
}

function events(scenario: Scenario, sessions: SessionView[], now: number): EventView[] {
  if (scenario === 'alone')
    return [
      {
        seq: 1,
        at: now - 60_000,
        kind: 'peer',
        level: 'info',
        text: 'workbench started and made the mesh',
        subject: null
      }
    ]
  const texts: [EventView['kind'], EventView['level'], string][] = [
    ['peer', 'info', 'workbench started'],
    ['node', 'info', 'atlas, studio and den answer'],
    ['security', 'info', 'anna signed in from 192.168.1.31'],
    ['node', 'warn', 'lark does not answer any more'],
    ['session', 'info', 'ffmpeg went on at workbench, 1.4 s after lark was missed'],
    ['session', 'info', 'make -j48 all started on atlas'],
    ['session', 'warn', 'stress-ng --cpu 96 waits: no PC has 96 free cores']
  ]
  const total = scenario === 'full' ? 60 : texts.length
  return Array.from({ length: total }, (_, i) => {
    const [kind, level, text] = texts[i % texts.length] as (typeof texts)[number]
    return {
      seq: i + 1,
      at: now - (total - i) * 7 * 60_000,
      kind,
      level,
      text,
      subject: kind === 'session' ? (sessions[0]?.id ?? null) : null
    }
  })
}

function status(scenario: Scenario, nodes: NodeView[], sessions: SessionView[], now: number): StatusView {
  const self = nodes[0]
  const looking = scenario === 'looking'
  return {
    peerId: self?.peerId ?? '12D3KooWFreshFreshFresh',
    name: self?.name ?? 'newcomer',
    mesh: looking ? null : { id: 'c0ffee'.padEnd(64, '0'), name: "workbench's mesh" },
    phase: looking ? 'looking' : 'active',
    version: '0.1.0',
    urls: [],
    dataDir: '/home/anna/.local/share/omega',
    uptimeS: 5000,
    members: { alive: nodes.filter((n) => n.state === 'alive').length, total: nodes.length },
    sessions: { running: sessions.filter((s) => s.state === 'running').length, total: sessions.length },
    notices:
      scenario === 'full'
        ? [
            {
              code: 'NO_MULTICAST',
              text: 'This network has no route for multicast.',
              fix: 'PCs are found by the addresses they had; new ones need an invite.'
            }
          ]
        : [],
    doors:
      scenario === 'full' && nodes[1]
        ? [
            {
              peerId: nodes[1].peerId,
              name: nodes[1].name,
              untilMs: now + 500_000,
              knocks: [
                {
                  name: 'newcomer',
                  words: 'apple river stone candle window forest',
                  platform: 'linux x64',
                  state: 'waiting'
                }
              ]
            }
          ]
        : [],
    offers: looking
      ? [
          {
            id: 'o1',
            meshName: "workbench's mesh",
            memberName: 'atlas',
            words: 'apple river stone candle window forest'
          },
          {
            id: 'o2',
            meshName: "the neighbour's mesh",
            memberName: 'kitchen',
            words: 'zebra ladder ocean pepper violin cactus'
          }
        ]
      : [],
    paused: false,
    leash: {
      connected: true,
      children: sessions.filter((s) => s.runner === self?.peerId && s.state === 'running').length
    },
    simulation: null
  }
}

function detailOf(n: NodeView): NodeDetail {
  const away = n.state === 'dead'
  return {
    ...n,
    disks: away
      ? missing('the PC is away')
      : known([
          {
            mount: '/',
            device: '/dev/nvme0n1p2',
            bytes: 1e12,
            freeBytes: 6.2e11,
            readBytesPerS: 120_000,
            writeBytesPerS: 3_400_000
          },
          {
            mount: '/srv/a-rather-long-mount-point/with/many/parts',
            device: '/dev/mapper/vg0-archive',
            bytes: 8e12,
            freeBytes: 3e11,
            readBytesPerS: 0,
            writeBytesPerS: null
          }
        ]),
    interfaces: away
      ? missing('the PC is away')
      : known([
          {
            name: 'eno1',
            addresses: ['192.168.1.20/24', 'fe80::5054:ff:fe12:3456/64'],
            rxBytesPerS: 2.2e6,
            txBytesPerS: 4e5,
            rxBytes: 9.1e11,
            txBytes: 2.2e11,
            speedMbps: 2500
          },
          { name: 'wlp3s0', addresses: [], rxBytesPerS: 0, txBytesPerS: null, rxBytes: 0, txBytes: 0, speedMbps: null }
        ]),
    hardware: away
      ? {}
      : {
          system: [
            {
              manufacturer: 'ASUS',
              model: 'System Product Name',
              version: 'System Version',
              virtual: false,
              serial: ''
            }
          ],
          memLayout: [
            { bank: 'DIMM A2', size: 34359738368, type: 'DDR5', clockSpeed: 6000 },
            { bank: 'DIMM B2', size: 34359738368, type: 'DDR5', clockSpeed: 6000 }
          ],
          graphics: [{ vendor: 'AMD', model: 'Radeon RX 7900 XTX', vram: 24576, driver: null }],
          bios: [{ vendor: 'American Megatrends', version: '1616', releaseDate: '2026-03-11' }]
        },
    hardwareAgeMs: away ? null : 312_000,
    hardwareMissing: away ? 'the PC is away, and it told none before' : null
  }
}
