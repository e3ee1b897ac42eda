import { expect, test } from 'vitest'
import { MeshError } from '../../protocols/errors.ts'
import type { SessionSpec } from '../../protocols/session/index.ts'
import type { PeerHost } from '../../node/adapters/host.ts'
import { watchSession } from '../../node/attachment.ts'
import type { Attachment } from '../../node/http/api.ts'
import { sessionView } from '../../node/views.ts'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import { serveWatchers } from '../../node/watched.ts'
import { driven, formed, pass, peerOf } from './virtual.ts'

interface Frame {
  stream: 1 | 2 | 3
  offset: number
  bytes: Uint8Array
}

interface Log {
  frames: Frame[]
  final: boolean
  wake: (() => void)[]
}

/** What the watchers of one PC ask of its sessiond: a log that a test writes, and what came back for the program. */
class FakeHost {
  readonly logs = new Map<string, Log>()
  readonly input: string[] = []
  readonly given: string[] = []
  screen = { offset: 0, columns: 80, rows: 24, bytes: new Uint8Array() }
  /** Frames handed out so far, over all readers. */
  read = 0
  readers = 0

  write(session: string, epoch: number, text: string | Uint8Array, stream: 1 | 2 | 3 = 1): void {
    const log = this.log(session, epoch)
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
    const before = log.frames.at(-1)?.offset ?? 0
    log.frames.push({ stream, bytes, offset: before + bytes.length })
    this.#wake(log)
  }
  end(session: string, epoch: number): void {
    const log = this.log(session, epoch)
    log.final = true
    this.#wake(log)
  }
  log(session: string, epoch: number) {
    const key = `${session}/${epoch}`
    let log = this.logs.get(key)
    if (log === undefined) this.logs.set(key, (log = { frames: [], final: false, wake: [] }))
    return log
  }
  asPort(): PeerHost {
    return {
      output: (
        session: string,
        epoch: number,
        from: number,
        { follow, signal }: { follow: boolean; signal?: AbortSignal }
      ) => this.#output(session, epoch, from, follow, signal),
      input: async (_session: string, _epoch: number, bytes: Uint8Array) =>
        void this.input.push(new TextDecoder().decode(bytes)),
      endInput: () => this.given.push('end of input'),
      epochs: async (session: string) =>
        [...this.logs.keys()].flatMap((key) => (key.startsWith(session) ? [Number(key.split('/')[1])] : [])),
      viewer: () => ({
        resize: ({ columns, rows }: { columns: number; rows: number }) => this.given.push(`${columns}x${rows}`),
        close: () => {
          if (/^\d+x/.test(this.given.at(-1) ?? '')) this.given.push('viewer gone')
        }
      }),
      screen: async () => this.screen,
      signal: (_session: string, _epoch: number, name: string) => this.given.push(name)
    } as unknown as PeerHost
  }
  async *#output(
    session: string,
    epoch: number,
    from: number,
    follow: boolean,
    signal?: AbortSignal
  ): AsyncGenerator<Frame> {
    const log = this.log(session, epoch)
    signal?.addEventListener('abort', () => this.#wake(log))
    this.readers++
    try {
      yield* this.#frames(log, from, follow, signal)
    } finally {
      this.readers--
    }
  }
  async *#frames(log: Log, from: number, follow: boolean, signal?: AbortSignal): AsyncGenerator<Frame> {
    for (let i = 0; ;) {
      if (signal?.aborted === true) return
      const frame = log.frames[i]
      if (frame !== undefined) {
        i++
        if (frame.offset <= from) continue
        this.read++
        yield frame
      } else if (log.final || !follow) return
      else await new Promise<void>((resolve) => log.wake.push(resolve))
    }
  }
  #wake(log: Log): void {
    for (const wake of log.wake.splice(0)) wake()
  }
}

interface Scene {
  mesh: SimMesh
  hosts: FakeHost[]
  watch(
    n: number,
    job: Job,
    options?: { from?: number; follow?: boolean; stdin?: boolean; screen?: boolean }
  ): Attachment
}

function scene(seed: number, peers = 3): Scene {
  const mesh = formed(seed, peers)
  const hosts = mesh.pcs.map(() => new FakeHost())
  const contextOf = (n: number) => ({
    peer: peerOf(mesh, n),
    host: hosts[n]!.asPort(),
    view: (record: Parameters<typeof sessionView>[0]) => sessionView(record, undefined)
  })
  for (let n = 0; n < peers; n++) serveWatchers(contextOf(n).peer, contextOf(n).host)
  return {
    mesh,
    hosts,
    watch: (n, job, { from = 0, follow = true, stdin = false, screen = false } = {}) =>
      watchSession(contextOf(n), job.id!, { from, follow, stdin, screen })
  }
}

function run(mesh: SimMesh, command: string, spec: Partial<SessionSpec>): Job {
  const job = mesh.submit(0, command, spec)
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 10_000, what: 'it runs' })
  mesh.until(() => mesh.pcs.every((pc) => pc.peer?.summary(job.id!)?.state === 'running'), {
    withinMs: 10_000,
    what: 'all know it'
  })
  return job
}

/** Collects the output as text, `E:` before standard error. */
function collect(attachment: Attachment, pace?: () => Promise<void>): { text: () => string; done: Promise<void> } {
  let text = ''
  const done = (async () => {
    for await (const frame of attachment.output) {
      text += (frame.stream === 2 ? 'E:' : '') + new TextDecoder().decode(frame.bytes)
      await pace?.()
    }
  })()
  done.catch(() => {})
  return { text: () => text, done }
}

test('a watcher elsewhere gets what the program writes, both streams in order, and how it ended', async () => {
  const { mesh, hosts, watch } = scene(1)
  const job = run(mesh, 'sleep 5', { on: 'pc1' })
  const attachment = watch(2, job)
  const seen = collect(attachment)
  hosts[1]!.write(job.id!, 1, 'one ')
  hosts[1]!.write(job.id!, 1, 'two ', 2)
  await pass(mesh, 200)
  expect(seen.text(), 'as it comes').toBe('one E:two ')
  hosts[1]!.write(job.id!, 1, 'three')
  hosts[1]!.end(job.id!, 1)
  await driven(mesh, seen.done)
  expect(seen.text()).toBe('one E:two three')
  expect(await attachment.ended).toMatchObject({ state: 'finished', exit: { code: 0 } })
})

test('a watcher on the same PC reads without any link', async () => {
  const { mesh, hosts, watch } = scene(2)
  const job = run(mesh, 'sleep 2', { on: 'pc1' })
  const attachment = watch(1, job, { from: 3 })
  const seen = collect(attachment)
  hosts[1]!.write(job.id!, 1, 'abc')
  hosts[1]!.write(job.id!, 1, 'def')
  hosts[1]!.end(job.id!, 1)
  await driven(mesh, seen.done)
  expect(seen.text(), 'from the offset asked for').toBe('def')
})

test('without following, what is there is given and the watch ends', async () => {
  const { mesh, hosts, watch } = scene(3)
  const job = run(mesh, 'sleep infinity', { on: 'pc1' })
  hosts[1]!.write(job.id!, 1, 'so far')
  const attachment = watch(2, job, { follow: false })
  const seen = collect(attachment)
  await driven(mesh, seen.done)
  expect(seen.text()).toBe('so far')
  expect(await attachment.ended).toMatchObject({ state: 'running' })
})

test.each([1, 2])(
  'where a later owner told how it ended, the output is that of the run that did, seen from pc%i',
  async (at) => {
    const { mesh, hosts, watch } = scene(20)
    const job = run(mesh, 'sleep infinity', { on: 'pc1' })
    hosts[1]!.write(job.id!, 1, 'all of it')
    hosts[1]!.end(job.id!, 1)
    for (const pc of mesh.pcs) {
      const { all } = pc.peer!.sessions.records
      const record = all.get(job.id!) ?? mesh.session(job.id)!
      all.set(job.id!, { ...record, epoch: record.epoch + 2, owner: mesh.pc(0).id, state: 'finished' })
    }
    const attachment = watch(at, job)
    const seen = collect(attachment)
    await driven(mesh, seen.done)
    expect(seen.text()).toBe('all of it')
  }
)

test('input, its end and signals reach the program where it runs', async () => {
  const { mesh, hosts, watch } = scene(4)
  const job = run(mesh, 'sleep infinity', { on: 'pc1', stdin: true })
  const attachment = watch(2, job, { stdin: true })
  collect(attachment)
  await driven(mesh, attachment.writeStdin(new TextEncoder().encode('hello ')))
  await driven(mesh, attachment.writeStdin(new TextEncoder().encode('there')))
  attachment.endStdin()
  attachment.signal('INT')
  await pass(mesh, 200)
  expect(hosts[1]!.input.join('')).toBe('hello there')
  expect(hosts[1]!.given.sort()).toEqual(['INT', 'end of input'])
  attachment.close()
})

test('a link that breaks in the middle costs no byte and doubles none', async () => {
  const { mesh, hosts, watch } = scene(5)
  const job = run(mesh, 'sleep 60', { on: 'pc1' })
  const attachment = watch(2, job)
  const seen = collect(attachment)
  let expected = ''
  for (let i = 0; i < 40; i++) {
    const part = `${i} ${'x'.repeat(i * 97)}\n`
    expected += part
    hosts[1]!.write(job.id!, 1, part)
    if (i % 7 === 3) mesh.pc(1).station.program!.breakLink(mesh.pc(2).id)
    await pass(mesh, 40)
  }
  hosts[1]!.end(job.id!, 1)
  await driven(mesh, seen.done, { withinMs: 120_000 })
  expect(seen.text()).toBe(expected)
})

test('a watcher that does not read holds the runner back at one window', async () => {
  const { mesh, hosts, watch } = scene(6)
  const job = run(mesh, 'sleep 30', { on: 'pc1' })
  for (let i = 0; i < 100; i++) hosts[1]!.write(job.id!, 1, new Uint8Array(32 * 1024))
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => (go = resolve))
  let first = true
  const attachment = watch(2, job)
  const seen = collect(attachment, async () => {
    if (first) await gate
    first = false
  })
  await pass(mesh, 2000)
  // one window on its way, one written beyond it before the runner waits
  expect(hosts[1]!.read * 32).toBeLessThanOrEqual(2 * 256 + 64)
  go()
  hosts[1]!.end(job.id!, 1)
  await driven(mesh, seen.done, { withinMs: 120_000 })
  expect(seen.text().length).toBe(100 * 32 * 1024)
})

test('when the runner dies and the session starts again elsewhere, the watcher follows and says so', async () => {
  const { mesh, hosts, watch } = scene(7, 4)
  const job = run(mesh, 'sleep 30', { notOn: 'pc0', restart: 'on-node-loss' })
  const old = mesh.pcs.findIndex((pc) => pc.id === mesh.session(job.id)!.runner)
  hosts[old]!.write(job.id!, 1, 'first ')
  const attachment = watch(0, job)
  const told: string[] = []
  attachment.onProgress((text) => told.push(text))
  const seen = collect(attachment)
  await pass(mesh, 500)
  mesh.kill(old)
  await pass(mesh, 15_000)
  const record = mesh.session(job.id)!
  expect(record.state).toBe('running')
  const next = mesh.pcs.findIndex((pc) => pc.id === record.runner)
  hosts[next]!.write(job.id!, record.epoch, 'second')
  hosts[next]!.end(job.id!, record.epoch)
  await driven(mesh, seen.done, { withinMs: 60_000 })
  expect(seen.text()).toBe('first second')
  expect(told).toContain(`it goes on at pc${next}`)
  expect(await attachment.ended).toMatchObject({ state: 'finished' })
})

test('when the runner dies and nobody may take the session over, the watch ends with the way out', async () => {
  const { mesh, watch } = scene(8)
  const job = run(mesh, 'sleep 60', { on: 'pc1', restart: 'no' })
  const attachment = watch(2, job)
  const seen = collect(attachment)
  await pass(mesh, 200)
  mesh.kill(1)
  await expect(driven(mesh, seen.done)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining('pc1 is away')
  })
  await expect(attachment.ended).rejects.toBeInstanceOf(MeshError)
})

test('input that waits for room in a channel that breaks for good is let go, and no later input hangs', async () => {
  const { mesh, hosts, watch } = scene(9)
  const job = run(mesh, 'sleep 60', { on: 'pc1', restart: 'no', stdin: true })
  hosts[1]!.input.push = () => 0
  const attachment = watch(2, job, { stdin: true })
  collect(attachment)
  await pass(mesh, 200)
  mesh.cut(['pc2'], ['pc1'])
  const writes = Array.from({ length: 10 }, () => attachment.writeStdin(new Uint8Array(64 * 1024)).catch(() => {}))
  await pass(mesh, 200)
  mesh.kill(1)
  await driven(mesh, Promise.all(writes), { withinMs: 120_000 })
  await driven(
    mesh,
    attachment.writeStdin(new Uint8Array(1)).catch(() => {}),
    { withinMs: 120_000 }
  )
})

test('Ctrl-C before anything runs stops the session, and why it waits is told meanwhile', async () => {
  const { mesh, watch } = scene(10)
  const job = mesh.submit(0, 'sleep 1', { labels: { gpu: 'yes' } })
  mesh.until(() => mesh.pcs.every((pc) => pc.peer?.summary(job.id ?? '')?.state === 'pending'), {
    withinMs: 10_000,
    what: 'it waits'
  })
  const attachment = watch(0, job)
  const told: string[] = []
  attachment.onProgress((text) => told.push(text))
  const seen = collect(attachment)
  await pass(mesh, 100)
  expect(told[0]).toMatch(/^waiting: no peer can take it now: .* no label gpu/)
  attachment.signal('INT')
  await driven(mesh, seen.done)
  expect(await attachment.ended).toMatchObject({ state: 'stopped' })
})

test('a watcher of a quiet program that goes away frees the runner at once, here and elsewhere', async () => {
  const { mesh, hosts, watch } = scene(11)
  const job = run(mesh, 'sleep infinity', { on: 'pc1' })
  for (const at of [1, 2]) {
    const attachment = watch(at, job)
    const seen = collect(attachment)
    await pass(mesh, 200)
    expect(hosts[1]!.readers).toBe(1)
    attachment.close()
    await driven(mesh, seen.done)
    await pass(mesh, 50)
    expect(hosts[1]!.readers).toBe(0)
    await expect(attachment.writeStdin(new Uint8Array(1))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  }
})

test.each([
  ['a session that is not there', { id: 'f'.repeat(32), epoch: 1, from: 0, follow: true }],
  ['no session', { epoch: 1, from: 0 }],
  ['an epoch that is text', { id: 'ID', epoch: 'x', from: 0 }],
  ['an offset below zero', { id: 'ID', epoch: 1, from: -1 }],
  ['an offset that is no number', { id: 'ID', epoch: 1, from: Number.NaN }]
])('a member that asks to watch %s is refused in words', async (_what, meta: Record<string, unknown>) => {
  const { mesh } = scene(12)
  const job = run(mesh, 'sleep infinity', { on: 'pc1' })
  const channel = peerOf(mesh, 2).channels.open(mesh.pc(1).id, 'io', {
    ...meta,
    ...(meta.id === 'ID' ? { id: job.id } : {})
  })
  let why: string | undefined = 'still open'
  channel.onClose((reason) => (why = reason))
  await pass(mesh, 100)
  expect(why).toBe('no such session here')
})

test('a watcher that sends what is no input loses its channel and hurts nothing', async () => {
  const { mesh, hosts } = scene(13)
  const job = run(mesh, 'sleep infinity', { on: 'pc1' })
  const channel = peerOf(mesh, 2).channels.open(mesh.pc(1).id, 'io', { id: job.id, epoch: 1, from: 0, follow: true })
  let why: string | undefined
  channel.onClose((reason) => (why = reason))
  channel.write(Uint8Array.of(9, 0, 0, 0, 0))
  await pass(mesh, 100)
  expect(why).toMatch(/input kind 9 does not exist/)
  expect(hosts[1]!.given).toEqual([])
  expect(mesh.session(job.id)!.state).toBe('running')
})

test('who comes to a terminal gets what it shows, then what it writes, and nothing of long ago', async () => {
  const { mesh, hosts, watch } = scene(14)
  const terminal = { columns: 80, rows: 24, required: true }
  const job = run(mesh, 'sleep infinity', { on: 'pc1', terminal })
  hosts[1]!.write(job.id!, 1, 'long ago')
  hosts[1]!.screen = { offset: 8, columns: 80, rows: 24, bytes: new Uint8Array(100_000).fill(97) }
  for (const at of [1, 2]) {
    const attachment = watch(at, job, { screen: true })
    const frames: { stream: number; offset: number; bytes: number }[] = []
    const done = (async () => {
      for await (const { stream, offset, bytes } of attachment.output)
        frames.push({ stream, offset, bytes: bytes.length })
    })()
    await pass(mesh, 300)
    hosts[1]!.write(job.id!, 1, `new${at}`)
    await pass(mesh, 300)
    expect(frames[0], 'its size, and that a new screen begins').toEqual({ stream: 3, offset: 0, bytes: 5 })
    expect(frames.slice(1, -1).reduce((sum, frame) => sum + frame.bytes, 0)).toBeGreaterThanOrEqual(100_000)
    expect(
      frames.slice(1, 4).map((frame) => frame.offset),
      'no part of a screen can be gone on from'
    ).toEqual([0, 0, 0])
    expect(frames.at(-1)).toMatchObject({ stream: 1, bytes: 4 })
    attachment.close()
    await driven(mesh, done)
  }
})

test('how large a terminal each watcher can show is told where it runs, until the watcher goes', async () => {
  const { mesh, hosts, watch } = scene(15)
  const job = run(mesh, 'sleep infinity', { on: 'pc1', terminal: { columns: 80, rows: 24, required: true } })
  for (const at of [1, 2]) {
    hosts[1]!.given.length = 0
    const attachment = watch(at, job)
    attachment.resize({ columns: 100, rows: 30 })
    const seen = collect(attachment)
    await pass(mesh, 200)
    attachment.resize({ columns: 90, rows: 20 })
    await pass(mesh, 200)
    attachment.close()
    await driven(mesh, seen.done)
    await pass(mesh, 200)
    expect(hosts[1]!.given).toEqual(['100x30', '90x20', 'viewer gone'])
  }
})
