/** Entries reach everybody, soon and once; gaps are found; rules of the topics hold. */
import { expect, test } from 'vitest'
import { createGossip, entries, entry, GOSSIP, step, TOPICS } from '../../../protocols/gossip/index.ts'
import type { GossipEffect, GossipEvent, GossipState } from '../../../protocols/gossip/index.ts'
import { fakeCrypto, idOf, isWhole, keyOf, Mesh, names, seededRandom } from '../membership/mesh.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function whole(seed: number, count: number): Mesh {
  const mesh = Mesh.formed(seed, names(count))
  expect(mesh.runUntil(() => isWhole(mesh), 5000)).toBeDefined()
  mesh.run(2000)
  return mesh
}

function allHave(mesh: Mesh, key: string, body: string): boolean {
  return mesh.running().every((pc) => Buffer.from(entry(pc.gossip, key)?.body ?? []).toString() === body)
}

/** One peer alone, with all effects in hand. */
function lone(
  name: string,
  members: readonly string[] = [],
  settings = {}
): { state: GossipState; now: number; step: (event: GossipEvent) => GossipEffect[] } {
  const known = new Set([name, ...members].map(idOf))
  const state = createGossip({
    self: idOf(name),
    crypto: fakeCrypto(keyOf(name)),
    isMember: (peer) => known.has(peer),
    mayWrite: (_topic, key) => !key.endsWith('/forbidden'),
    settings
  })
  const random = seededRandom(1)
  const one = {
    state,
    now: 0,
    step: (event: GossipEvent) => step(state, event, { self: idOf(name), now: one.now, wall: 1000 + one.now, random })
  }
  return one
}

/** The bytes of an entry as its author signs it. */
function written(author: string, key: string, seq: number, body = 'x', epoch = 1): Uint8Array {
  const pc = lone(author)
  pc.step({ k: 'put', key, epoch, seq, body: text(body) })
  return entry(pc.state, key)!.bytes
}

function push(from: string, ...bytes: Uint8Array[]): GossipEvent {
  return { k: 'msg', from: idOf(from), msg: { t: 'push', g: bytes } }
}

function counted(effects: readonly GossipEffect[]): string[] {
  return effects.flatMap((effect) => (effect.e === 'count' ? [effect.name] : []))
}

test('among four peers an entry is with all after one hop', () => {
  const mesh = whole(1, 4)
  mesh.pc('pc0').put('sess/a', 1, text('one'))
  expect(mesh.runUntil(() => allHave(mesh, 'sess/a', 'one'), 1000)).toBeLessThanOrEqual(2)
})

test.each([
  { count: 10, withinMs: 450 },
  { count: 100, withinMs: 900 }
])('among $count peers an entry is with all within $withinMs ms, in a handful of sends each', ({ count, withinMs }) => {
  const mesh = whole(2, count)
  const before = mesh.running().map((pc) => pc.sent.byKind.get('push') ?? 0)
  mesh.pc('pc3').put('sess/a', 1, text('one'))
  expect(mesh.runUntil(() => allHave(mesh, 'sess/a', 'one'), 10_000)).toBeLessThanOrEqual(withinMs)
  mesh.run(3000)
  const sends = mesh.running().map((pc, i) => (pc.sent.byKind.get('push') ?? 0) - before[i]!)
  // One more where comparing found it first.
  expect(Math.max(...sends)).toBeLessThanOrEqual(4 * Math.ceil(Math.log10(count + 1)) + 1)
  expect(
    mesh.running().every((pc) => pc.gossip.outbox.size === 0),
    'the push ends'
  ).toBe(true)
})

test('a hundred peers that write at the same moment all hold a hundred entries within two seconds', () => {
  const mesh = whole(3, 100)
  for (const pc of mesh.running()) pc.put(`ad.d/${pc.id}`, 1, text(`load of ${pc.name}`))
  const tookMs = mesh.runUntil(() => mesh.running().every((pc) => pc.entriesAt.size === 100), 20_000)
  expect(tookMs).toBeLessThan(2000)
  expect(mesh.running().every((pc) => entries(pc.gossip, 'ad.d/').length === 100)).toBe(true)
})

test('what the push lost is found within two rounds of comparing', () => {
  const mesh = whole(4, 10)
  mesh.lossRatio = 1
  mesh.pc('pc0').put('ledger/users/ada', 1, text('admin'))
  mesh.run(2500)
  mesh.lossRatio = 0
  expect(mesh.runUntil(() => allHave(mesh, 'ledger/users/ada', 'admin'), 5 * GOSSIP.repairMs)).toBeDefined()
})

test('a newcomer is given everything once, not by everybody', () => {
  const mesh = whole(5, 12)
  for (let i = 0; i < 300; i++) mesh.pc(`pc${i % 12}`).put(`sess/${i}`, 1, text(`summary ${i} `.repeat(10)))
  mesh.run(20_000)
  const total = entries(mesh.pc('pc1').gossip, 'sess/').reduce((sum, one) => sum + one.bytes.length, 0)
  const before = mesh.running().reduce((sum, pc) => sum + pc.sent.bytes, 0)
  mesh.add('new')
  mesh.boot('new')
  mesh.show('new', 'pc4')
  expect(mesh.runUntil(() => entries(mesh.pc('new').gossip, 'sess/').length === 300, 15_000)).toBeDefined()
  const given = mesh.running().reduce((sum, pc) => sum + (pc.name === 'new' ? 0 : pc.sent.bytes), 0) - before
  expect(given).toBeLessThan(3 * total)
})

test('what two neighbours offer is asked of one, and of the other when the first does not deliver', () => {
  const pc = lone('a', ['b', 'c'])
  for (const peer of ['b', 'c']) pc.step({ k: 'link', peer: idOf(peer), up: true })
  const offer = (from: string, seq: number): string[] => {
    const have: GossipEvent = {
      k: 'msg',
      from: idOf(from),
      msg: { t: 'have', a: true, q: [], v: [['sess/x', 1, seq, idOf('b')]], m: false }
    }
    return pc.step(have).flatMap((effect) => (effect.e === 'send' && effect.msg.t === 'want' ? [effect.to] : []))
  }
  expect(offer('b', 1)).toEqual([idOf('b')])
  expect(offer('c', 1)).toEqual([])
  expect(offer('c', 2), 'a newer one is worth asking for').toEqual([idOf('c')])
  pc.now += GOSSIP.wantAgainMs
  expect(offer('b', 2)).toEqual([idOf('b')])
  pc.step(push('b', written('b', 'sess/x', 2)))
  pc.now += GOSSIP.wantAgainMs
  expect(offer('c', 2)).toEqual([])
})

test('after a partition both sides hold the newest of both', () => {
  const mesh = whole(6, 6)
  mesh.partition(['pc0', 'pc1', 'pc2'], ['pc3', 'pc4', 'pc5'])
  mesh.run(30_000)
  mesh.pc('pc0').put('sess/left', 1, text('l'))
  mesh.pc('pc3').put('sess/right', 1, text('r'))
  mesh.pc('pc1').put('sess/both', 1, text('older'))
  mesh.pc('pc4').put('sess/both', 2, text('newer'))
  mesh.run(5000)
  mesh.heal()
  const done = (): boolean =>
    allHave(mesh, 'sess/left', 'l') && allHave(mesh, 'sess/right', 'r') && allHave(mesh, 'sess/both', 'newer')
  expect(mesh.runUntil(done, 90_000)).toBeDefined()
})

test('a large entry crosses in bounded frames, and two thousand entries within their budget of bytes', () => {
  const mesh = whole(7, 2)
  mesh.pc('pc0').put('ledger/big', 1, new Uint8Array(GOSSIP.bodyBytes).fill(7))
  mesh.run(100)
  expect(entry(mesh.pc('pc1').gossip, 'ledger/big')!.body.length).toBe(GOSSIP.bodyBytes)
  const before = mesh.pc('pc0').sent.bytes
  for (let i = 0; i < 2000; i++) mesh.pc('pc0').put(`sess/${i}`, 1, new Uint8Array(400))
  mesh.run(5000)
  const spent = mesh.pc('pc0').sent.bytes - before
  expect(spent).toBeLessThan(GOSSIP.burstBytes + 6 * GOSSIP.bytesPerSecond)
  expect(mesh.runUntil(() => entries(mesh.pc('pc1').gossip, 'sess/').length === 2000, 60_000)).toBeDefined()
})

test('a newer version replaces, an older one and the same one do not', () => {
  const pc = lone('a', ['b', 'c'])
  pc.step({ k: 'link', peer: idOf('b'), up: true })
  const one = written('b', 'sess/x', 1, 'one')
  const two = written('b', 'sess/x', 2, 'two')
  expect(pc.step(push('b', two)).some((effect) => effect.e === 'entry')).toBe(true)
  expect(counted(pc.step(push('b', one)))).toEqual(['gossip.stale'])
  expect(pc.step(push('b', two))).toEqual([])
  expect(
    pc
      .step(push('b', written('b', 'sess/x', 0, 'three', 2)))
      .some((effect) => effect.e === 'entry' && effect.was?.seq === 2)
  ).toBe(true)
  const high = idOf('b') > idOf('c') ? 'b' : 'c'
  const low = high === 'b' ? 'c' : 'b'
  pc.step(push('b', written(low, 'sess/tie', 1, 'low')))
  pc.step(push('b', written(high, 'sess/tie', 1, 'high')))
  expect(counted(pc.step(push('b', written(low, 'sess/tie', 1, 'low again'))))).toEqual(['gossip.stale'])
  expect(entry(pc.state, 'sess/tie')?.author).toBe(idOf(high))
})

test('nothing goes back to whom it came from, and an author is not told its own word', () => {
  const pc = lone('a', ['b', 'c'])
  for (const peer of ['b', 'c']) pc.step({ k: 'link', peer: idOf(peer), up: true })
  const toC = pc.step(push('b', written('b', 'sess/x', 1)))
  expect(toC.filter((effect) => effect.e === 'send').map((effect) => effect.to)).toEqual([idOf('c')])
  const toNobody = pc.step(push('c', written('b', 'sess/y', 1)))
  expect(toNobody.filter((effect) => effect.e === 'send')).toEqual([])
  expect(pc.state.outbox.size).toBe(0)
})

test('a changed byte anywhere makes an entry worthless', () => {
  const bytes = written('b', 'sess/x', 1, 'a body')
  for (let i = 0; i < bytes.length; i++) {
    const pc = lone('a', ['b'])
    const bad = bytes.slice()
    bad[i]! ^= 1
    const effects = pc.step(push('b', bad))
    expect(
      effects.some((effect) => effect.e === 'entry'),
      `byte ${i}`
    ).toBe(false)
    expect(entries(pc.state, 'sess/')).toEqual([])
  }
})

test('nobody can write what belongs to another peer', () => {
  const pc = lone('b')
  expect(() => pc.step({ k: 'put', key: `ad.d/${idOf('a')}`, epoch: 1, seq: 1, body: text('x') })).toThrow(/only/)
  expect(() => pc.step({ k: 'put', key: 'nonsense/1', epoch: 1, seq: 1, body: text('x') })).toThrow(/no gossip key/)
  expect(() =>
    pc.step({ k: 'put', key: 'sess/1', epoch: 1, seq: 1, body: new Uint8Array(GOSSIP.bodyBytes + 1) })
  ).toThrow(/at most/)
  const own = written('b', `ad.d/${idOf('b')}`, 1)
  const reader = lone('a', ['b'])
  reader.step(push('b', own))
  expect(entries(reader.state, 'ad.d/').map((one) => one.key)).toEqual([`ad.d/${idOf('b')}`])
})

test('an entry of an author that is no member yet waits for the news of it, a stranger waits in vain', () => {
  const known = new Set<string>([idOf('a'), idOf('b')])
  const state = createGossip({ self: idOf('a'), crypto: fakeCrypto(keyOf('a')), isMember: (peer) => known.has(peer) })
  const random = seededRandom(1)
  const at = (now: number, event: GossipEvent): GossipEffect[] =>
    step(state, event, { self: idOf('a'), now, wall: now, random })
  at(0, push('b', written('late', 'sess/late', 1), written('stranger', 'sess/stranger', 1)))
  expect(entries(state, 'sess/')).toEqual([])
  known.add(idOf('late'))
  expect(at(500, { k: 'timer', tag: 'parked' }).some((effect) => effect.e === 'entry')).toBe(true)
  expect(counted(at(GOSSIP.parkMs, { k: 'timer', tag: 'parked' }))).toEqual(['gossip.forbidden'])
  expect(state.parked.size).toBe(0)
  expect(state.parkedBytes).toBe(0)
  expect(entries(state, 'sess/').map((one) => one.key)).toEqual(['sess/late'])
})

test('who may not write the ledger writes in vain, and what may is kept on disk', () => {
  const pc = lone('a', ['b'])
  pc.step(push('b', written('b', 'ledger/fine', 1)))
  const kept = pc.step(push('b', written('b', 'ledger/fine', 2)))
  expect(kept.some((effect) => effect.e === 'keep' && effect.key === 'ledger/fine')).toBe(true)
  const effects = pc.step(push('b', written('b', 'ledger/forbidden', 1)))
  expect(effects.some((effect) => effect.e === 'entry' || effect.e === 'keep')).toBe(false)
  pc.now = GOSSIP.parkMs + 1
  pc.step({ k: 'timer', tag: 'parked' })
  expect(entry(pc.state, 'ledger/forbidden')).toBeUndefined()
  expect(pc.step(push('b', written('b', 'sess/x', 1))).some((effect) => effect.e === 'keep')).toBe(false)
})

test('what was loaded from disk is told to the host, and what the disk spoiled is not', () => {
  const good = written('b', 'ledger/x', 3, 'kept')
  const bad = good.slice()
  bad[10]! ^= 255
  const pc = lone('a')
  const effects = pc.step({ k: 'load', entries: [good, bad, new Uint8Array(3)] })
  expect(effects.flatMap((effect) => (effect.e === 'entry' ? [effect.entry.key] : []))).toEqual(['ledger/x'])
  expect(counted(effects)).toEqual(['gossip.load.invalid', 'gossip.load.invalid'])
})

test('above the bound of a topic new keys are refused, known keys are still renewed', () => {
  const pc = lone('a', ['b'])
  for (let i = 0; i < TOPICS.sess.max; i++) pc.step({ k: 'put', key: `sess/${i}`, epoch: 1, seq: 1, body: text('x') })
  expect(counted(pc.step({ k: 'put', key: 'sess/more', epoch: 1, seq: 1, body: text('x') }))).toEqual(['gossip.full'])
  expect(counted(pc.step(push('b', written('b', 'sess/other', 1))))).toEqual(['gossip.full'])
  expect(
    pc.step({ k: 'put', key: 'sess/5', epoch: 1, seq: 2, body: text('y') }).some((effect) => effect.e === 'entry')
  ).toBe(true)
  pc.step({ k: 'forget', key: 'sess/0' })
  expect(pc.step(push('b', written('b', 'sess/other', 1))).some((effect) => effect.e === 'entry')).toBe(true)
})

test('what the host forgot does not come back, unless it is newer', () => {
  const mesh = whole(8, 3)
  mesh.pc('pc0').put('sess/x', 1, text('old'))
  mesh.run(1000)
  mesh.pc('pc1').gos({ k: 'forget', key: 'sess/x' })
  mesh.run(60_000)
  expect(entry(mesh.pc('pc1').gossip, 'sess/x')).toBeUndefined()
  const before = mesh.running().reduce((sum, pc) => sum + (pc.sent.byKind.get('have') ?? 0), 0)
  mesh.run(60_000)
  expect(
    mesh.running().reduce((sum, pc) => sum + (pc.sent.byKind.get('have') ?? 0), 0),
    'nobody argues about it'
  ).toBe(before)
  mesh.pc('pc0').put('sess/x', 2, text('new'))
  mesh.run(1000)
  expect(allHave(mesh, 'sess/x', 'new')).toBe(true)
})

test('a dynamic advertisement that nobody renews expires everywhere', () => {
  const mesh = whole(9, 3)
  const pc = mesh.pc('pc2')
  pc.put(`ad.d/${pc.id}`, 1, text('x'))
  pc.put(`ad.s/${pc.id}`, 1, text('y'))
  mesh.run(1000)
  mesh.powerOff('pc2')
  mesh.run(TOPICS['ad.d'].expireMs + 2 * GOSSIP.sweepMs)
  for (const other of ['pc0', 'pc1']) {
    expect(entry(mesh.pc(other).gossip, `ad.d/${pc.id}`)).toBeUndefined()
    expect(entry(mesh.pc(other).gossip, `ad.s/${pc.id}`)).toBeDefined()
  }
})

test('with nothing to say no timer ticks but those of comparing and expiry', () => {
  const mesh = whole(10, 5)
  mesh.pc('pc0').put('sess/x', 1, text('x'))
  mesh.run(5000)
  for (const pc of mesh.running()) {
    expect([...pc.timers.keys()].filter((tag) => tag.startsWith('gossip ')).sort()).toEqual([
      'gossip repair',
      'gossip sweep'
    ])
  }
})
