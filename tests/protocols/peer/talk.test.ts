/** Questions and channels between two whole peers: what the handles promise to those who use them. */
import { expect, test } from 'vitest'
import type { MeshError } from '../../../protocols/errors.ts'
import type { ChannelHandle, Peer } from '../../../protocols/peer/index.ts'
import { startMesh } from '../../../sim/mesh.ts'
import type { SimMesh } from '../../../sim/mesh.ts'

interface Two {
  mesh: SimMesh
  a: Peer
  b: Peer
}
function two(seed: number, peers = 2): Two {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree(), { withinMs: 30_000, what: 'the mesh has formed' })
  mesh.until(() => mesh.pcs.every((pc) => mesh.pcs.every((other) => other === pc || pc.peer!.isLinked(other.id))), {
    withinMs: 10_000,
    what: 'all are linked'
  })
  return { mesh, a: mesh.pc(0).peer!, b: mesh.pc(1).peer! }
}
function ask({ mesh, a, b }: Two, what: string, arg: unknown = null, withinMs = 1000): () => unknown {
  let told: unknown = 'nothing yet'
  a.rpc.ask(b.self, what, arg, withinMs, (error, value) => (told = error === undefined ? { value } : error))
  expect(
    told === 'nothing yet' || (told as MeshError).code !== undefined,
    'no answer from inside the call but a refusal'
  ).toBe(true)
  mesh.run(0)
  return () => told
}

// ---- questions ----

test('a question is answered once, with what the other said', () => {
  const pair = two(1)
  pair.b.rpc.serve('echo', (from, arg, answer) => answer(undefined, { from, arg }))
  const told = ask(pair, 'echo', { deep: [1, 'two'] })
  pair.mesh.run(50)
  expect(told()).toEqual({ value: { from: pair.a.self, arg: { deep: [1, 'two'] } } })
})

test('an answer without a value is null, and an error keeps its code and words', () => {
  const pair = two(2)
  pair.b.rpc.serve('quiet', (_from, _arg, answer) => answer(undefined))
  const quiet = ask(pair, 'quiet')
  const unknown = ask(pair, 'nobody serves this')
  pair.mesh.run(50)
  expect(quiet()).toEqual({ value: null })
  expect(unknown()).toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('"nobody serves this"') })
})

test('a question without an answer ends at its deadline, and an answer after it is dropped', () => {
  const pair = two(3)
  let late: (() => void) | undefined
  pair.b.rpc.serve('slow', (_from, _arg, answer) => (late = () => answer(undefined, 'too late')))
  const told = ask(pair, 'slow', null, 500)
  pair.mesh.run(499)
  expect(told()).toBe('nothing yet')
  pair.mesh.run(5)
  expect(told()).toMatchObject({ code: 'DEADLINE', message: expect.stringContaining('500 ms') })
  late!()
  pair.mesh.run(50)
  expect(told()).toMatchObject({ code: 'DEADLINE' })
})

test('a link that breaks ends the questions over it at once; without a link they are refused', () => {
  const pair = two(4)
  pair.b.rpc.serve('slow', () => {})
  const told = ask(pair, 'slow', null, 60_000)
  pair.mesh.run(20)
  pair.mesh.killPeerProcess(1)
  pair.mesh.run(100)
  expect(told()).toMatchObject({ code: 'PEER_UNREACHABLE' })
  expect(ask(pair, 'slow')()).toMatchObject({ code: 'PEER_UNREACHABLE' })
})

test('nobody can answer for another', () => {
  const { mesh, a, b } = two(5, 3)
  const liar = mesh.pc(2).peer!
  b.rpc.serve('slow', () => {})
  let told: unknown = 'nothing yet'
  a.rpc.ask(b.self, 'slow', null, 1000, (error, value) => (told = error ?? value))
  for (let n = 0; n < 20; n++) liar.rpc.frame(a.self, { t: 'ask', n, what: 'x', arg: null })
  for (let n = 0; n < 20; n++) a.rpc.frame(liar.self, { t: 'answer', n, ok: true, value: 'forged' })
  mesh.run(100)
  expect(told).toBe('nothing yet')
})

test('a thousand questions may be open; the next is refused, and room comes back', () => {
  const pair = two(6)
  pair.b.rpc.serve('slow', () => {})
  for (let i = 0; i < 1000; i++) pair.a.rpc.ask(pair.b.self, 'slow', null, 1000, () => {})
  expect(ask(pair, 'slow')()).toMatchObject({ code: 'BUSY', message: expect.stringContaining('1000') })
  pair.mesh.run(1100)
  const told = ask(pair, 'unknown')
  pair.mesh.run(50)
  expect(told()).toMatchObject({ code: 'BAD_REQUEST' })
})

// ---- channels ----

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 255)
const text = (parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString()

/** The other end of the next channel of that kind, and what it heard; it reads at once. */
function served(
  peer: Peer,
  kind = 'test'
): { handle?: ChannelHandle; from?: string; heard: Uint8Array[]; ended: number; closed: (string | undefined)[] } {
  const end: ReturnType<typeof served> = { heard: [], ended: 0, closed: [] }
  peer.channels.serve(kind, (handle, from) => {
    Object.assign(end, { handle, from })
    handle.onData((data) => {
      end.heard.push(data)
      handle.consumed(data.length)
    })
    handle.onEnd(() => end.ended++)
    handle.onClose((why) => end.closed.push(why))
  })
  return end
}

test('both ends talk, end and close, and the server knows who called and why', () => {
  const { mesh, a, b } = two(10)
  const far = served(b)
  const near = a.channels.open(b.self, 'test', { why: 'to see' })
  const closed: (string | undefined)[] = []
  const heard: Uint8Array[] = []
  near.onData((data) => (heard.push(data), near.consumed(data.length)))
  near.onClose((why) => closed.push(why))
  near.write(Buffer.from('hello'))
  near.end()
  mesh.run(20)
  expect([far.from, far.handle!.meta, text(far.heard), far.ended]).toEqual([a.self, { why: 'to see' }, 'hello', 1])
  far.handle!.write(Buffer.from('world'))
  far.handle!.end()
  mesh.run(20)
  expect(text(heard)).toBe('world')
  expect([closed, far.closed]).toEqual([[undefined], [undefined]])
})

test('what came before anybody listened is not lost, nor is an end or a close', () => {
  const { mesh, a, b } = two(11)
  let handle: ChannelHandle | undefined
  b.channels.serve('late', (channel) => (handle = channel))
  const near = a.channels.open(b.self, 'late', {})
  near.write(Buffer.from('early'))
  near.end()
  mesh.run(20)
  const heard: string[] = []
  handle!.onData((data) => heard.push(Buffer.from(data).toString()))
  handle!.onEnd(() => heard.push('the end'))
  near.abort('done with it')
  mesh.run(20)
  handle!.onClose((why) => heard.push(`closed: ${why}`))
  expect(heard).toEqual(['early', 'the end', 'closed: done with it'])
})

test('a writer is told to wait and then to go on, while all bytes arrive', () => {
  const { mesh, a, b } = two(12)
  const far = served(b)
  const near = a.channels.open(b.self, 'test', {})
  let room = 0
  near.onWritable(() => room++)
  expect(near.write(bytes(100_000))).toBe(true)
  expect(near.write(bytes(400_000))).toBe(false)
  mesh.run(200)
  expect(room).toBe(1)
  expect(near.write(bytes(10))).toBe(true)
  mesh.run(20)
  expect(Buffer.concat(far.heard).equals(Buffer.concat([bytes(100_000), bytes(400_000), bytes(10)]))).toBe(true)
})

test('a kind that nobody serves, a PC without a link and a program that died close the channel with a reason', () => {
  const { mesh, a, b } = two(13)
  const why = (channel: ChannelHandle): (() => unknown) => {
    let told: unknown = 'open'
    channel.onClose((reason) => (told = reason))
    return () => told
  }
  const unknown = why(a.channels.open(b.self, 'moon', {}))
  served(b)
  const dying = a.channels.open(b.self, 'test', {})
  const died = why(dying)
  mesh.run(50)
  expect(unknown()).toBe('this peer has no channel of kind "moon"')
  mesh.kill(1)
  mesh.run(60_000)
  expect(died()).toBe('the link did not come back in time')
  expect(dying.write(bytes(10)), 'a closed channel has no room').toBe(false)
  expect(why(a.channels.open(b.self, 'test', {}))()).toBe('no link to that peer')
})

test('many channels share one link, and a busy one does not stop the others', () => {
  const { mesh, a, b } = two(14)
  let got = 0
  b.channels.serve('many', (channel) => {
    channel.onData((data) => {
      got += data.length
      // one of them never reads
      if (channel.meta.n !== 0) channel.consumed(data.length)
    })
  })
  const all = Array.from({ length: 20 }, (_, n) => a.channels.open(b.self, 'many', { n }))
  for (const channel of all) channel.write(bytes(300_000))
  mesh.run(3000)
  expect(got).toBe(19 * 300_000 + 256 * 1024)
})

test('a link that breaks again and again costs no byte of any channel, in either direction', () => {
  const { mesh, a, b } = two(15)
  const far = served(b)
  const near = a.channels.open(b.self, 'test', {})
  const heard: Uint8Array[] = []
  near.onData((data) => (heard.push(data), near.consumed(data.length)))
  const written: [Buffer[], Buffer[]] = [[], []]
  for (let i = 0; i < 30; i++) {
    const part = Buffer.from(bytes(20_000 + i * 311))
    near.write(part)
    written[0].push(part)
    if (far.handle !== undefined) {
      far.handle.write(part.subarray(0, 7000 + i))
      written[1].push(part.subarray(0, 7000 + i))
    }
    mesh.run(3)
    if (i % 4 === 1) mesh.pc(i % 8 === 1 ? 0 : 1).station.program!.breakLink(i % 8 === 1 ? b.self : a.self)
    mesh.run(i % 3 === 0 ? 400 : 10)
  }
  near.end()
  mesh.run(5000)
  expect(Buffer.concat(far.heard).equals(Buffer.concat(written[0]))).toBe(true)
  expect(Buffer.concat(heard).equals(Buffer.concat(written[1]))).toBe(true)
  expect(far.ended).toBe(1)
})
