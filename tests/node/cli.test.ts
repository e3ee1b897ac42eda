import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MeshError } from '../../protocols/errors.ts'
import type { SpecInput } from '../../protocols/session/index.ts'
import { runCli } from '../../node/cli/program.ts'
import { closeAll, openDoors } from './http/open-doors.ts'
import type { TestDoors } from './http/open-doors.ts'
import { MemoryPeer, nodeOf, sessionOf } from './http/memory-peer.ts'

const MAIN = resolve(import.meta.dirname, '../../node/main.ts')
let dataDir: string
let api: MemoryPeer
let doors: TestDoors | undefined
const before = process.env.OMEGA_DATA_DIR

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'omega-cli-'))
  process.env.OMEGA_DATA_DIR = dataDir
  api = new MemoryPeer()
  doors = undefined
})
afterEach(async () => {
  await closeAll()
  rmSync(dataDir, { recursive: true, force: true })
  if (before === undefined) delete process.env.OMEGA_DATA_DIR
  else process.env.OMEGA_DATA_DIR = before
})

interface Said {
  code: number | undefined
  out: string
  err: string
}

/** A command in this process, at a peer that lives in memory. */
async function omega(...argv: string[]): Promise<Said> {
  doors ??= await openDoors({ api, dataDir })
  return await offline(...argv)
}
async function offline(...argv: string[]): Promise<Said> {
  let [out, err] = ['', '']
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  try {
    const code = await runCli(argv)
    return { code, out, err }
  } finally {
    stdout.mockRestore()
    stderr.mockRestore()
  }
}
/** The whole program, as a person starts it. */
async function program(argv: readonly string[], input = '', cwd = dataDir): Promise<Said> {
  doors ??= await openDoors({ api, dataDir })
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd, env: { ...process.env, OMEGA_DATA_DIR: dataDir } })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (err += String(chunk)))
  child.stdin.end(input)
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code: code ?? -1, out, err }
}
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const created = (): SpecInput => api.calls.find((call) => call.name === 'create')!.args[0] as SpecInput

// ---- wrong command lines ----

test.each<[string, string[], RegExp]>([
  ['an unknown command', ['frobnicate'], /unknown command 'frobnicate'/],
  ['a command that is nearly right', ['stauts'], /unknown command 'stauts'.*status/],
  ['a flag that does not exist', ['status', '--loud'], /unknown option '--loud'/],
  ['a flag without its value', ['run', '--cpu'], /--cpu.*argument missing/],
  [
    'a restart that is none',
    ['submit', '--restart', 'sometimes', '--', 'x'],
    /--restart.*'sometimes' is invalid.*no, on-failure, on-node-loss, always/
  ],
  ['nothing to run', ['run'], /missing required argument 'command'/],
  ['one word too many', ['nodes', 'den'], /too many arguments/],
  ['an unknown command of node', ['node', 'explode'], /unknown command 'explode'/]
])('%s is one clear line on stderr, nothing on stdout, and exit code 2', async (_what, argv, words) => {
  const { code, out, err } = await offline(...argv)
  expect([code, out]).toEqual([2, ''])
  expect(lines(err)).toHaveLength(1)
  expect(err).toMatch(/^omega: /)
  expect(err).toMatch(words)
})

test('no command at all is told with the commands there are, and exit code 2', async () => {
  const { code, out, err } = await offline()
  expect([code, out]).toEqual([2, ''])
  expect(err).toMatch(/Usage: omega/)
})

test.each([
  ['submit', '--cpu', 'two', '--', 'x'],
  ['submit', '--cpu', '0', '--', 'x'],
  ['submit', '--memory', 'much', '--', 'x'],
  ['submit', '--label', 'gpu', '--', 'x'],
  ['submit', '--env', '=x', '--', 'x'],
  ['invite', '--uses', '0'],
  ['invite', '--uses', '1.5'],
  ['invite', '--ttl', 'soon'],
  ['invite', '--open', '10']
])(
  'omega %s %s %s: a value that does not fit is one line with the flag and the value, and exit code 1',
  async (...argv) => {
    const { code, out, err } = await omega(
      ...(argv[0] === 'submit' ? ['submit', '--no-files', ...argv.slice(1)] : argv)
    )
    expect([code, out]).toEqual([1, ''])
    expect(lines(err)).toHaveLength(1)
    expect(err).toContain(`${argv[1]} ${argv[2]}`)
    expect(api.calls).toEqual([])
  }
)

test('help is on stdout with an example, and no error', async () => {
  for (const command of [
    'up',
    'down',
    'status',
    'invite',
    'join',
    'leave',
    'nodes',
    'run',
    'submit',
    'ps',
    'show',
    'logs',
    'stop'
  ]) {
    const { code, out, err } = await offline(command, '--help')
    expect([code, err], command).toEqual([0, ''])
    expect(out, command).toMatch(new RegExp(`Example:\\n  omega ${command}`))
    expect(out, command).toContain('--json')
  }
  expect(await offline('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+/) })
})

test('without a peer a command says so, with the folder and the way out', async () => {
  const { code, out, err } = await offline('status')
  expect([code, out]).toEqual([1, ''])
  expect(lines(err)).toHaveLength(1)
  expect(err).toContain(`no peer runs on this PC (data folder ${dataDir}); start it with \`omega up\``)
})

test('what the peer refuses is said in its own words', async () => {
  api.refuse = new MeshError('NO_CANDIDATE', 'no PC has 64 cores')
  const { code, err } = await omega('submit', '--no-files', '--', 'x')
  expect(code).toBe(1)
  expect(lines(err)).toEqual(['omega: no PC has 64 cores'])
})

// ---- what a command asks for ----

test('all after the program belongs to the program, flags or not, with -- or without', async () => {
  for (const argv of [
    ['submit', '--no-files', '--', 'cmd', '-x', '--json', '--', '-y'],
    ['submit', '--no-files', 'cmd', '-x', '--json', '--', '-y']
  ]) {
    api.calls.length = 0
    const { code, out } = await omega(...argv)
    expect(code, argv.join(' ')).toBe(0)
    expect(lines(out)).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)])
    expect(created()).toMatchObject({ app_uri: 'exec:cmd', args: ['-x', '--json', '--', '-y'], stdin: false })
  }
})

test('flags become the request, and what was not said is not sent', async () => {
  const flags = [
    '--cpu',
    '2.5',
    '--memory',
    '2G',
    '--on',
    'den',
    '--not-on',
    'attic',
    '--label',
    'a=1',
    '--label',
    'b=x=y',
    '--env',
    'K=V',
    '--restart',
    'always'
  ]
  await omega('submit', '--no-files', ...flags, '--', 'make', 'all')
  expect(created()).toMatchObject({
    app_uri: 'exec:make',
    args: ['all'],
    cpu_cores: 2.5,
    ram_bytes: 2 ** 31,
    constraints: { on: 'den', not_on: 'attic', labels: { a: '1', b: 'x=y' } },
    restart: 'always',
    env: { K: 'V' }
  })
  expect(created()).not.toHaveProperty('inputs')
})

test('a launcher named by the person is kept, and a path is no launcher', async () => {
  await omega('submit', '--no-files', '--', 'shell:ls | wc -l')
  expect(created().app_uri).toBe('shell:ls | wc -l')
  api.calls.length = 0
  await omega('submit', '--no-files', '--', './a:b')
  expect(created().app_uri).toBe('exec:./a:b')
})

test('the variables of the terminal go along, and no other of the person', async () => {
  process.env.OMEGA_TEST_SECRET = 'hidden'
  try {
    await omega('submit', '--no-files', '--', 'x')
    expect(
      Object.keys(created().env).every((key) =>
        ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TERM', 'COLORTERM', 'NO_COLOR'].includes(key)
      )
    ).toBe(true)
  } finally {
    delete process.env.OMEGA_TEST_SECRET
  }
})

test.each<[string[], string, unknown[]]>([
  [['invite', '--uses', '3', '--ttl', '2h'], 'invite', [{ uses: 3, ttlMs: 7_200_000 }]],
  [['invite', '--open', '10m'], 'openDoor', [600_000]],
  [['invite', '--close'], 'closeDoor', []],
  [['join', 'omega-invite:x'], 'join', ['omega-invite:x']],
  [['leave'], 'leave', []]
])('omega %j asks the peer for %s', async (argv, name, args) => {
  const { code, err } = await omega(...argv)
  expect(code, err).toBe(0)
  expect(api.calls).toEqual([{ name, args }])
})

test('pause, resume and stop are for this PC and that session, by its first digits', async () => {
  api.sessionsNow = [sessionOf('0123456789abcdef'.repeat(2), 'ann')]
  expect((await omega('node', 'pause')).code).toBe(0)
  expect((await omega('node', 'resume')).code).toBe(0)
  expect((await omega('stop', '012345')).code).toBe(0)
  expect(api.calls.map((call) => [call.name, call.args[0]])).toEqual([
    ['pause', undefined],
    ['resume', undefined],
    ['stop', '0123456789abcdef'.repeat(2)]
  ])
})

// ---- what a command prints ----

const DOCUMENTS: [string[], Record<string, unknown>][] = [
  [
    ['status'],
    {
      peerId: expect.any(String),
      name: 'den',
      mesh: { id: expect.any(String), name: 'home' },
      phase: 'active',
      version: expect.any(String),
      urls: []
    }
  ],
  [['invite'], { invite: 'omega-invite:test' }],
  [
    ['submit', '--no-files', '--', 'x'],
    {
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      state: 'pending',
      runner: expect.anything(),
      owner: expect.any(String),
      keepers: [expect.any(String)],
      placement: null,
      durability: 1
    }
  ],
  [
    ['show', 'ababab'],
    {
      id: 'ab'.repeat(16),
      state: 'running',
      runner: 'peer-of-den',
      owner: 'peer-of-den',
      keepers: ['peer-of-den'],
      placement: null
    }
  ],
  [['stop', 'ababab'], { id: 'ab'.repeat(16), state: 'stopped' }],
  [['leave'], { peerId: expect.any(String), phase: 'active' }]
]
test.each(DOCUMENTS)('omega %j --json is one document with the promised fields', async (argv, fields) => {
  api.sessionsNow = [sessionOf('ab'.repeat(16), 'ann')]
  const at = argv.indexOf('--')
  const { code, out, err } = await omega(
    ...(at < 0 ? [...argv, '--json'] : [...argv.slice(0, at), '--json', ...argv.slice(at)])
  )
  expect([code, err]).toEqual([0, ''])
  expect(lines(out)).toHaveLength(1)
  expect(JSON.parse(out)).toMatchObject(fields)
})

test('nodes --json is an array, and each node has its id, name, state and addresses', async () => {
  api.nodesNow = [
    nodeOf('p1', 'den', true),
    { ...nodeOf('p2', 'attic'), state: 'dead', addresses: ['/ip4/10.0.0.1/tcp/7777'] }
  ]
  const { out } = await omega('nodes', '--json')
  expect(JSON.parse(out)).toMatchObject([
    { peerId: 'p1', name: 'den', state: 'alive', addresses: [] },
    { peerId: 'p2', name: 'attic', state: 'dead', addresses: ['/ip4/10.0.0.1/tcp/7777'] }
  ])
})

test('ps shows what lives, with -a what has ended too, over more than one page', async () => {
  const state = (i: number) => (i % 2 === 0 ? 'running' : 'finished')
  api.sessionsNow = Array.from({ length: 1200 }, (_, i) =>
    sessionOf(i.toString(16).padStart(32, '0'), 'ann', { state: state(i), createdAt: i })
  )
  const ids = async (...flags: string[]) =>
    (JSON.parse((await omega('ps', '--json', ...flags)).out) as { id: string }[]).map((one) => one.id)
  expect(new Set(await ids()).size).toBe(600)
  expect(new Set(await ids('-a')).size).toBe(1200)
})

test('an array is one row with how far it has come, and one that is none is refused before it is sent', async () => {
  const tasks = { total: 1000, done: 990, failed: 4, running: 6, failing: [7, 8, 12, 15] }
  api.sessionsNow = [sessionOf('a'.repeat(32), 'ann', { runner: null, tasks })]
  expect((await omega('ps')).out).toMatch(/aaaaaaaa +running 990\/1000, 4 failed +6 tasks/)
  expect((await omega('show', 'aaaaaaaa')).out).toContain('failed    7, 12-14\n')
  for (const count of ['0', '1.5', '0-99', 'many'])
    expect(await omega('submit', '--no-files', '--array', count, '--', 'true')).toMatchObject({
      code: 1,
      err: expect.stringContaining('give how many tasks')
    })
  const plain = await omega('logs', 'a'.repeat(32))
  expect(plain).toMatchObject({ code: 1, err: expect.stringContaining('--task 0') })
})

test('for a person: a table with names, and no value where nothing was read', async () => {
  api.nodesNow = [
    nodeOf('p1', 'den', true),
    {
      ...nodeOf('p2', 'attic'),
      state: 'dead',
      reason: 'is off, asleep or cut off',
      lastSeenMs: null,
      cpu: { missing: 'attic is away' }
    }
  ]
  const { out } = await omega('nodes')
  const [head, den, attic] = lines(out)
  expect(head).toMatch(/^NAME +STATE +CPU +CORES/)
  expect(den).toMatch(/^den \(here\) +alive +25 % +4 +1\.9\/7\.5 GiB/)
  expect(attic).toMatch(/^attic +dead +- .*not heard yet +is off, asleep or cut off$/)
})

test('logs keeps both streams apart and in order, and --json prints a line a piece', async () => {
  api.sessionsNow = [sessionOf('ab'.repeat(16), 'ann')]
  const frame = (stream: 1 | 2, text: string, offset: number) => ({
    stream,
    bytes: new TextEncoder().encode(text),
    offset
  })
  api.script = () => ({ output: [frame(1, 'out ', 4), frame(2, 'err ', 8), frame(1, 'more', 12)] })
  const plain = await omega('logs', 'ababab')
  expect(plain).toMatchObject({ code: 0, out: 'out more', err: 'err ' })
  const json = lines((await omega('logs', '--json', 'ababab')).out).map(
    (line) => JSON.parse(line) as { stream?: number; data?: string }
  )
  expect(
    json.filter((one) => one.data !== undefined).map((one) => [one.stream, Buffer.from(one.data!, 'base64').toString()])
  ).toEqual([
    [1, 'out '],
    [2, 'err '],
    [1, 'more']
  ])
})

// ---- the program as a process ----

test('omega run is like the program itself: both streams apart, its input, its exit code', async () => {
  const stdin: string[] = []
  let ended = (): void => {}
  const inputOver = new Promise<void>((done) => (ended = done))
  api.script = (session) => ({
    output: (async function* () {
      yield { stream: 1 as const, bytes: Buffer.from('to stdout\n'), offset: 10 }
      yield { stream: 2 as const, bytes: Buffer.from('to stderr\n'), offset: 20 }
      await inputOver
      yield { stream: 1 as const, bytes: Buffer.from(`heard ${stdin.join('')}`), offset: 40 }
    })(),
    writeStdin: async (bytes) => void stdin.push(Buffer.from(bytes).toString()),
    endStdin: ended,
    ended: Promise.resolve({ ...session, state: 'finished', exit: { code: 7, signal: null } })
  })
  const said = await program(['run', '--no-files', '--', 'cmd', '-x'], 'what was typed')
  expect(said).toEqual({ code: 7, out: 'to stdout\nheard what was typed', err: 'to stderr\n' })
  expect(created()).toMatchObject({ app_uri: 'exec:cmd', args: ['-x'], stdin: true })
})

test('a program that a signal ended, one that never started, and one whose PC went away each have their own exit code', async () => {
  const end = (fields: object) => {
    api.script = (session) => ({ output: [], ended: Promise.resolve({ ...session, ...fields }) })
  }
  end({ state: 'finished', exit: { code: null, signal: 'SIGTERM' } })
  expect(await program(['run', '--no-files', '--', 'x'])).toMatchObject({ code: 143, out: '' })
  end({ state: 'failed', exit: null, startedAt: null, reason: 'nosuch: no such program on den' })
  expect(await program(['run', '--no-files', '--', 'x'])).toMatchObject({
    code: 127,
    err: expect.stringContaining('no such program on den')
  })
  api.script = () => ({ output: [], ended: Promise.reject(new MeshError('PEER_UNREACHABLE', 'den is away')) })
  expect(await program(['run', '--no-files', '--', 'x'])).toMatchObject({
    code: 69,
    err: expect.stringContaining('den is away')
  })
})

test('the folder travels as content, once, and a wrong flag ends the process with 2', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'omega-cli-folder-'))
  try {
    writeFileSync(join(folder, 'Makefile'), 'all:\n')
    expect((await program(['submit', '--', 'make'], '', folder)).code).toBe(0)
    const { inputs } = created()
    expect(inputs).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(api.blobs.has(inputs!.hash)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  expect(await program(['run', '--frob', 'x'])).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringMatching(/^omega: unknown option '--frob'/)
  })
})

// ---- strict sessions ----

const STRICT_ID = 'ab'.repeat(16)
function strictSession(awaits: string[]): void {
  api.nodesNow = [nodeOf('p1', 'den', true), { ...nodeOf('p2', 'attic'), state: 'dead' }]
  api.sessionsNow = [
    sessionOf(STRICT_ID, 'local', {
      mode: 'strict',
      runner: 'p2',
      owner: 'p2',
      keepers: ['p1', 'p2'],
      strict: {
        voters: ['p2'],
        lease: { holder: 'p2', endsInMs: 4210, ageMs: 1790, from: 'p2' },
        awaits,
        takenOver: null
      }
    })
  ]
}

test('show of a strict session says who votes and who may run it, for how long and on whose word', async () => {
  strictSession([])
  const { out } = await omega('show', 'ababab')
  expect(lines(out)).toEqual(
    expect.arrayContaining([
      'votes     attic',
      'right     attic for 4.2 s more, renewed 1.8 s ago, as attic says',
      expect.stringMatching(/; strict; .*by local on /)
    ])
  )
  api.sessionsNow[0]!.strict!.lease = { holder: 'p2', endsInMs: 0, ageMs: 61_000, from: 'p1' }
  expect((await omega('show', 'ababab')).out).toContain(
    'right     nobody: attic renewed it last 61.0 s ago, as den says'
  )
  api.sessionsNow[0]!.strict!.lease = null
  expect((await omega('show', 'ababab')).out).toContain('right     nobody who knows can be asked now')
})

test('a session that waits for a PC that is gone says so in show and ps, with the way out', async () => {
  strictSession(['p2'])
  const offer = 'is attic off? Then `omega takeover abababab` runs it here'
  expect((await omega('show', 'ababab')).out).toContain(`waits     ${offer}`)
  expect((await omega('ps')).err).toContain(`abababab: ${offer}`)
  expect((await omega('ps', '--json')).err).toBe('')
})

test('takeover asks a person, takes --yes for the answer, and does nothing without either', async () => {
  strictSession(['p2'])
  const silent = await omega('takeover', 'ababab')
  expect([silent.code, silent.err]).toEqual([
    1,
    expect.stringMatching(/attic: only you can tell whether it is off.*--yes/)
  ])
  expect(api.calls).toEqual([])
  const said = await omega('takeover', '--yes', 'ababab')
  expect([said.code, said.out]).toEqual([0, 'abababab is taken over here; it is running\n'])
  expect(api.calls.map((call) => call.name)).toEqual(['takeOver'])
})

test('where nobody is waited for, the peer says why nothing is to be taken over', async () => {
  strictSession([])
  api.refuse = new MeshError('BAD_REQUEST', 'attic looks after it, and answers')
  expect(await omega('takeover', 'ababab')).toMatchObject({
    code: 1,
    err: 'omega: attic looks after it, and answers\n'
  })
})

test('tie shows the rule with what it means, and sets it', async () => {
  api.nodesNow = [nodeOf('p1', 'den', true), { ...nodeOf('p2', 'shelf'), witness: true }]
  expect((await omega('tie')).out).toMatch(/^runner  with two PCs, a strict session needs only the one that runs it/)
  api.tieNow.witnesses = ['p2']
  const { out } = await omega('tie', 'anchor', 'p1')
  expect(lines(out)).toEqual([
    'anchor den  with two PCs, den takes strict sessions over by itself, and none runs without it',
    'shelf votes as a witness, so with two other PCs the rule is not needed'
  ])
  expect(JSON.parse((await omega('tie', '--json', 'both')).out)).toMatchObject({ rule: 'both', anchor: null })
  expect((await omega('tie', 'oracle')).code).toBe(1)
  expect((await omega('nodes')).out).toMatch(/shelf\s+witness/)
})
