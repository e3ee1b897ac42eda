import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import {
  decodeServerFrame,
  encodeClientFrame,
  OUTPUT_WINDOW_BYTES,
  STDIN_WINDOW_BYTES
} from '../../../node/http/attach-wire.ts'
import type { ServerFrame } from '../../../node/http/attach-wire.ts'
import { encodeSize } from '../../../node/terminal-size.ts'
import type { SessionView } from '../../../node/http/views.ts'
import { MeshError } from '../../../protocols/errors.ts'
import { localSocketTo, socketTo } from './live-client.ts'
import { sessionOf } from './memory-peer.ts'
import type { Script } from './memory-peer.ts'
import { closeAll, openDoors } from './open-doors.ts'
import type { TestDoors } from './open-doors.ts'

afterEach(closeAll)

const ID = 'abcdef0123456789abcdef0123456789'
const bytes = (text: string) => new TextEncoder().encode(text)
const out = (stream: 1 | 2, text: string, offset: number) => ({ stream, bytes: bytes(text), offset })

test('output comes in order with its offsets, then the final record, then the end', async () => {
  const doors = await withScript(() => ({ output: [out(1, 'a', 1), out(2, 'b', 2), out(1, 'c', 3)] }))
  const line = attach(doors)
  expect(await line.rest()).toEqual([
    { kind: 'output', stream: 1, offset: 1, bytes: bytes('a') },
    { kind: 'output', stream: 2, offset: 2, bytes: bytes('b') },
    { kind: 'output', stream: 1, offset: 3, bytes: bytes('c') },
    { kind: 'final', session: expect.objectContaining({ state: 'finished', exit: { code: 0, signal: null } }) }
  ])
})

test('attaching from an offset gives what comes after it', async () => {
  const doors = await withScript(() => ({ output: [out(1, 'a', 1), out(1, 'b', 2)] }))
  expect(await attach(doors, '?from=1').rest()).toMatchObject([{ kind: 'output', offset: 2 }, { kind: 'final' }])
})

test('of a terminal its sizes stand in the output, and the client tells how much it can show', async () => {
  const sizes: unknown[] = []
  const told = Promise.withResolvers<SessionView>()
  const doors = await withScript(() => ({
    output: [
      { stream: 3, bytes: encodeSize({ columns: 80, rows: 24 }, true), offset: 9 },
      out(1, 'a', 10),
      { stream: 3, bytes: encodeSize({ columns: 70, rows: 24 }), offset: 19 }
    ],
    ended: told.promise,
    resize: ({ columns, rows }) => {
      sizes.push([columns, rows])
      told.resolve(sessionOf(ID, 'ada'))
    }
  }))
  const line = attach(doors)
  line.socket.once('open', () => line.socket.send(encodeClientFrame({ kind: 'size', columns: 70, rows: 30 })))
  expect(await line.rest()).toMatchObject([
    { kind: 'size', offset: 9, columns: 80, rows: 24, fresh: true },
    { kind: 'output', offset: 10 },
    { kind: 'size', offset: 19, columns: 70, rows: 24, fresh: false },
    { kind: 'final' }
  ])
  expect(sizes).toEqual([[70, 30]])
})

test('progress is told while waiting', async () => {
  const doors = await withScript(() => ({
    output: [],
    onProgress: (tell) => {
      tell('placing')
      tell('runs on attic')
    }
  }))
  expect(await attach(doors).rest()).toMatchObject([
    { kind: 'progress', text: 'placing' },
    { kind: 'progress', text: 'runs on attic' },
    { kind: 'final' }
  ])
})

test('a client that does not acknowledge stops the reading of output after one window', async () => {
  const CHUNK = 64 << 10
  let pulled = 0
  const doors = await withScript(() => ({
    output: (async function* () {
      for (let n = 1; n <= 100; n++) {
        pulled++
        yield { stream: 1 as const, bytes: new Uint8Array(CHUNK), offset: n * CHUNK }
      }
    })()
  }))
  const line = attach(doors)
  const window = OUTPUT_WINDOW_BYTES / CHUNK
  for (let n = 0; n < window; n++) expect((await line.next()).kind).toBe('output')
  // An answer to another request shows that the server had its turn and gave nothing more.
  await doors.local('GET', '/health')
  expect(pulled).toBe(window)
  line.socket.send(encodeClientFrame({ kind: 'ack', bytes: 3 * CHUNK }))
  for (let n = 0; n < 3; n++) await line.next()
  await doors.local('GET', '/health')
  expect(pulled).toBe(window + 3)
})

test('stdin is taken only as fast as the program reads it, and output is not held up meanwhile', async () => {
  const written: number[] = []
  const reading = Promise.withResolvers<void>()
  const says = Promise.withResolvers<void>()
  const doors = await withScript(() => ({
    output: (async function* () {
      await says.promise
      yield out(1, 'x', 1)
    })(),
    writeStdin: async (chunk) => {
      await reading.promise
      written.push(chunk.length)
    }
  }))
  const line = attach(doors, '?stdin=1')
  expect(await line.next()).toEqual({ kind: 'credit', bytes: STDIN_WINDOW_BYTES })
  for (let sent = 0; sent < STDIN_WINDOW_BYTES; sent += 32 << 10)
    line.socket.send(encodeClientFrame({ kind: 'stdin', bytes: new Uint8Array(32 << 10) }))
  says.resolve()
  expect(await line.next()).toMatchObject({ kind: 'output' })
  expect(written).toEqual([])
  reading.resolve()
  expect(await line.next()).toMatchObject({ kind: 'final' })
})

test('each chunk that the program took is credited again', async () => {
  const end = Promise.withResolvers<void>()
  const doors = await withScript(() => ({ output: waiting(end.promise) }))
  const line = attach(doors, '?stdin=1')
  await line.next()
  line.socket.send(encodeClientFrame({ kind: 'stdin', bytes: new Uint8Array(1000) }))
  expect(await line.next()).toEqual({ kind: 'credit', bytes: 1000 })
  end.resolve()
})

test('stdin arrives whole, in order, and its end after it', async () => {
  const got: string[] = []
  const ended = Promise.withResolvers<void>()
  const doors = await withScript(() => ({
    output: waiting(ended.promise),
    writeStdin: async (chunk) => void got.push(Buffer.from(chunk).toString()),
    endStdin: () => {
      got.push('END')
      ended.resolve()
    }
  }))
  const line = attach(doors, '?stdin=1')
  await line.next()
  for (const text of ['one ', 'two ', 'three'])
    line.socket.send(encodeClientFrame({ kind: 'stdin', bytes: bytes(text) }))
  line.socket.send(encodeClientFrame({ kind: 'endStdin' }))
  await line.rest()
  expect(got).toEqual(['one ', 'two ', 'three', 'END'])
})

test('a signal sent before the session is attached is not lost', async () => {
  const got = Promise.withResolvers<string>()
  const doors = await withScript(() => ({ output: waiting(got.promise), signal: got.resolve }))
  const line = attach(doors)
  await once(line.socket, 'open')
  line.socket.send(encodeClientFrame({ kind: 'signal', name: 'INT' }))
  expect(await got.promise).toBe('INT')
})

test.for([
  [
    'stdin beyond the credit',
    '?stdin=1',
    encodeClientFrame({ kind: 'stdin', bytes: new Uint8Array(60_000) }),
    'WIRE_LIMIT'
  ],
  ['stdin without having asked for it', '', encodeClientFrame({ kind: 'stdin', bytes: bytes('x') }), 'BAD_REQUEST'],
  ['an acknowledgement of what was not sent', '', encodeClientFrame({ kind: 'ack', bytes: 5 }), 'WIRE_INVALID'],
  ['a kind that does not exist', '', Uint8Array.of(9), 'WIRE_INVALID'],
  ['an empty frame', '', new Uint8Array(), 'WIRE_INVALID'],
  ['text', '', 'hello', 'WIRE_INVALID']
] as const)('%s ends the line with the reason', async ([, query, message, code]) => {
  const closed = Promise.withResolvers<void>()
  const doors = await withScript(() => ({
    output: waiting(closed.promise),
    writeStdin: () => closed.promise,
    close: closed.resolve
  }))
  const line = attach(doors, query)
  await once(line.socket, 'open')
  for (let n = 0; n < 6; n++) line.socket.send(message)
  const error = (await line.rest()).find(({ kind }) => kind === 'error')
  expect(error).toMatchObject({ error: { code } })
  await closed.promise
})

test('a client that goes away ends the attachment, not the session', async () => {
  const closed = Promise.withResolvers<void>()
  const doors = await withScript(() => ({ output: waiting(closed.promise), close: closed.resolve }))
  const line = attach(doors)
  await once(line.socket, 'open')
  line.socket.terminate()
  await closed.promise
  expect(doors.api.calls.map(({ name }) => name)).not.toContain('stop')
})

test('an unknown session and a lost runner are told as errors', async () => {
  const doors = await withScript(() => ({ output: [], ended: lost() }))
  expect(await attach(doors).rest()).toEqual([
    { kind: 'error', error: { code: 'PEER_UNREACHABLE', message: 'attic is gone' } }
  ])
  doors.api.sessionsNow.length = 0
  expect(await attach(doors).rest()).toMatchObject([{ kind: 'error', error: { code: 'UNKNOWN_SESSION' } }])
})

test('a person attaches to their own sessions only, an admin to all', async () => {
  const doors = await withScript(() => ({ output: [] }))
  const ada = await doors.firstAdmin('ada')
  const bob = await doors.person('bob', 'user')
  doors.api.sessionsNow[0]!.user = 'cat'
  expect(await receive(socketTo(doors, `/api/v1/sessions/${ID}/attach`, { cookie: bob })).rest()).toMatchObject([
    { error: { code: 'DENIED' } }
  ])
  expect(await receive(socketTo(doors, `/api/v1/sessions/${ID}/attach`, { cookie: ada })).rest()).toMatchObject([
    { kind: 'final' }
  ])
})

async function withScript(script: () => Script): Promise<TestDoors> {
  const doors = await openDoors()
  doors.api.sessionsNow.push(sessionOf(ID, 'local'))
  doors.api.script = script
  return doors
}

const attach = (doors: TestDoors, query = '') => receive(localSocketTo(doors, `/api/v1/sessions/${ID}/attach${query}`))

/** Frames of a socket, each waited for. */
function receive(socket: WebSocket) {
  const arrived: ServerFrame[] = []
  let wake = () => {}
  let isClosed = false
  socket.on('message', (data: Buffer) => {
    arrived.push(decodeServerFrame(new Uint8Array(data)))
    wake()
  })
  socket.on('close', () => {
    isClosed = true
    wake()
  })
  const take = async (): Promise<ServerFrame | undefined> => {
    while (arrived.length === 0 && !isClosed) await new Promise<void>((go) => (wake = go))
    return arrived.shift()
  }
  return {
    socket,
    async next() {
      const frame = await take()
      if (frame === undefined) throw new Error('the line was closed')
      return frame
    },
    async rest() {
      const frames: ServerFrame[] = []
      for (let frame = await take(); frame !== undefined; frame = await take()) frames.push(frame)
      return frames
    }
  }
}

async function lost(): Promise<never> {
  throw new MeshError('PEER_UNREACHABLE', 'attic is gone')
}

async function* waiting(until: Promise<unknown>): AsyncGenerator<never> {
  await until
}
