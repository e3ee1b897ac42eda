/** The rules one by one: one peer alone, its effects in hand. */
import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { createMembership, member, MEMBERSHIP, selfRecord, step } from '../../../protocols/membership/index.ts'
import { neighboursOf } from '../../../protocols/membership/rings.ts'
import type {
  MembershipEffect,
  MembershipEvent,
  MembershipState,
  MemMessage
} from '../../../protocols/membership/index.ts'
import { fakeCrypto, idOf, keyOf, names, seededRandom } from './mesh.ts'

interface Lone {
  state: MembershipState
  now: number
  step: (event: MembershipEvent) => MembershipEffect[]
}

function lone(name: string, addresses = [`/dns4/${name}`]): Lone {
  const state = createMembership({ peer: idOf(name), name, addresses, version: '1' }, fakeCrypto(keyOf(name)))
  const random = seededRandom(1)
  const one: Lone = {
    state,
    now: 0,
    step: (event) => step(state, event, { self: idOf(name), now: one.now, wall: one.now, random })
  }
  one.step({ k: 'start' })
  return one
}

const recordOf = (name: string, addresses?: string[]): Uint8Array => selfRecord(lone(name, addresses).state)

/** `others` are members with links. */
function meeting(others: readonly string[]): Lone {
  const one = lone('me')
  for (const name of others) {
    one.step({ k: 'hello', from: idOf(name), record: recordOf(name) })
    one.step({ k: 'link', peer: idOf(name), up: true })
  }
  return one
}

const strangers = Array.from({ length: 40 }, (_, i) => `stranger${i}`)
const lower = strangers.find((name) => idOf(name) < idOf('me'))!
const higher = strangers.find((name) => idOf(name) > idOf('me'))!

const sent = (effects: readonly MembershipEffect[], kind: MemMessage['t']) =>
  effects.flatMap((effect) =>
    effect.e === 'send' && effect.msg.t === kind ? [{ to: effect.to, msg: effect.msg as MemMessage }] : []
  )
const dials = (effects: readonly MembershipEffect[]) => effects.filter((effect) => effect.e === 'dial')
const timer = (effects: readonly MembershipEffect[], prefix: string) =>
  effects.flatMap((effect) => (effect.e === 'timer' && effect.tag.startsWith(prefix) ? [effect] : [])).at(-1)
const news = (from: string, item: Extract<MemMessage, { t: 'news' }>['g'][number]): MembershipEvent => ({
  k: 'msg',
  from: idOf(from),
  msg: { t: 'news', g: [item] }
})
const accusation = (of: string, by: string, inc = 1): MembershipEvent =>
  news(by, { k: 'v', p: idOf(of), i: inc, s: 'suspect', b: [idOf(by)], w: 'timeout' })

/** Lets time go to the next probe and returns what it sent. */
function probe(one: Lone): MembershipEffect[] {
  one.now = one.state.probeDueAt
  return one.step({ k: 'timer', tag: 'probe' })
}

test('of two members the lower peer id dials at once, the other after a second', () => {
  const one = meeting(['pc0'])
  const atOnce = one.step(news('pc0', { k: 'a', r: recordOf(higher) }))
  expect(dials(atOnce)).toEqual([{ e: 'dial', peer: idOf(higher), addresses: [`/dns4/${higher}`] }])
  const waits = one.step(news('pc0', { k: 'a', r: recordOf(lower) }))
  expect(dials(waits)).toEqual([])
  expect(timer(waits, 'dial:')).toEqual({ e: 'timer', tag: `dial:${idOf(lower)}`, inMs: MEMBERSHIP.dialWaitMs })
  one.now += MEMBERSHIP.dialWaitMs
  expect(dials(one.step({ k: 'timer', tag: `dial:${idOf(lower)}` })).length).toBe(1)
})

test('pauses between dials double up to half a minute, give or take a quarter', () => {
  const one = meeting(['pc0'])
  let effects = one.step(news('pc0', { k: 'a', r: recordOf(higher) }))
  for (const baseMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    expect(dials(effects).length).toBe(1)
    const { tag, inMs } = timer(effects, 'dial:')!
    expect(inMs).toBeGreaterThanOrEqual(0.75 * baseMs)
    expect(inMs).toBeLessThanOrEqual(1.25 * baseMs + 1)
    one.now += inMs
    effects = one.step({ k: 'timer', tag })
  }
})

test('addresses that discovery showed come first, then what the member says, sixteen at most', () => {
  const said = Array.from({ length: 16 }, (_, i) => `/dns4/said/${i}`)
  const one = meeting(['pc0'])
  one.step({ k: 'seen', peer: idOf(higher), addresses: ['/dns4/seen/1', 'x'.repeat(500)] })
  const [dial] = dials(one.step(news('pc0', { k: 'a', r: recordOf(higher, said) })))
  expect(dial?.addresses.slice(0, 2)).toEqual(['/dns4/seen/1', '/dns4/said/0'])
  expect(dial?.addresses.length).toBe(16)
})

test('a peer that denies us is dialled no sooner because it is seen again', () => {
  const one = lone('me')
  one.step({ k: 'seen', peer: idOf(higher), addresses: ['/dns4/x'] })
  const denied = one.step({ k: 'dialFailed', peer: idOf(higher), why: 'denied', detail: '' })
  expect(timer(denied, 'dial:')?.inMs).toBe(MEMBERSHIP.dialRetryMaxMs)
  one.now += 10_000
  expect(one.step({ k: 'seen', peer: idOf(higher), addresses: ['/dns4/x'] })).toEqual([])
})

test('a broken link is dialled at once; refused twice, the member is suspect for a second only', () => {
  const one = meeting([lower])
  const peer = idOf(lower)
  expect(dials(one.step({ k: 'link', peer, up: false, why: 'reset' })).length).toBe(1)
  const first = one.step({ k: 'dialFailed', peer, why: 'refused', detail: '' })
  expect(timer(first, 'redial:')?.inMs).toBe(MEMBERSHIP.redialMs)
  expect(member(one.state, peer)?.state).toBe('alive')
  one.now += MEMBERSHIP.redialMs
  expect(dials(one.step({ k: 'timer', tag: `redial:${peer}` })).length).toBe(1)
  one.step({ k: 'dialFailed', peer, why: 'refused', detail: '' })
  expect(member(one.state, peer)?.state).toBe('suspect')
  for (let ms = 100; ms < MEMBERSHIP.suspectFastMs; ms += 100) {
    one.now += 100
    one.step({ k: 'timer', tag: `susp:${peer}` })
    expect(member(one.state, peer)?.state).toBe('suspect')
  }
  one.now += 100
  one.step({ k: 'timer', tag: `susp:${peer}` })
  expect(member(one.state, peer)?.state).toBe('dead')
})

test('a dial that times out after a broken link accuses nobody by itself', () => {
  const one = meeting([lower])
  const peer = idOf(lower)
  one.step({ k: 'link', peer, up: false, why: 'timeout' })
  one.step({ k: 'dialFailed', peer, why: 'timeout', detail: '' })
  one.step({ k: 'dialFailed', peer, why: 'refused', detail: '' })
  expect(member(one.state, peer)?.state).toBe('alive')
})

test.each([
  { others: 1, confirmations: 0, windowMs: 3000 },
  { others: 2, confirmations: 0, windowMs: 6000 },
  { others: 2, confirmations: 1, windowMs: 2000 },
  { others: 9, confirmations: 0, windowMs: 8000 },
  { others: 9, confirmations: 1, windowMs: 5000 },
  { others: 9, confirmations: 2, windowMs: 3245 },
  { others: 9, confirmations: 3, windowMs: 2000 },
  { others: 9, confirmations: 5, windowMs: 2000 }
])(
  'with $others others and $confirmations confirmations a suspicion lasts $windowMs ms',
  ({ others, confirmations, windowMs }) => {
    const one = meeting(names(others))
    one.now = 50_000
    for (let i = 0; i <= confirmations; i++)
      one.step(accusation('pc0', others === 1 ? 'pc0' : `pc${(1 + i) % others || 1}`))
    if (others === 2 && confirmations === 1)
      one.step(news('pc1', { k: 'v', p: idOf('pc0'), i: 1, s: 'suspect', b: [idOf('me')], w: 'timeout' }))
    const row = one.state.rows.get(idOf('pc0'))!
    expect(row.state).toBe('suspect')
    expect(row.deadline - row.suspectedAt).toBeCloseTo(windowMs, -1)
  }
)

test('an unanswered ping is followed by three helpers, and by suspicion when they fail too', () => {
  const one = meeting(['pc0', 'pc1', 'pc2', 'pc3', 'pc4'])
  const [ping] = sent(probe(one), 'ping')
  const { n } = ping!.msg as { n: number }
  one.now += MEMBERSHIP.probeDirectMs
  const requests = sent(one.step({ k: 'timer', tag: `wait:${n}` }), 'preq')
  expect(requests.length).toBe(MEMBERSHIP.helpers)
  expect(requests.every(({ to, msg }) => to !== ping!.to && msg.t === 'preq' && msg.p === ping!.to)).toBe(true)
  expect(member(one.state, ping!.to)?.state).toBe('alive')
  one.now += MEMBERSHIP.probeHelpersMs
  one.step({ k: 'timer', tag: `wait:${n}` })
  expect(member(one.state, ping!.to)?.state).toBe('suspect')
})

test('one helper that reached it is enough', () => {
  const one = meeting(['pc0', 'pc1', 'pc2'])
  const [ping] = sent(probe(one), 'ping')
  const { n } = ping!.msg as { n: number }
  one.now += MEMBERSHIP.probeDirectMs
  const [request] = sent(one.step({ k: 'timer', tag: `wait:${n}` }), 'preq')
  one.step({ k: 'msg', from: idOf('stranger'), msg: { t: 'iack', n } })
  expect(one.state.asked.has(n)).toBe(true)
  one.step({ k: 'msg', from: request!.to, msg: { t: 'iack', n } })
  one.now += MEMBERSHIP.probeHelpersMs
  one.step({ k: 'timer', tag: `wait:${n}` })
  expect(member(one.state, ping!.to)?.state).toBe('alive')
})

test('each period the next on the ring is asked and one of the round, and only once when they are the same', () => {
  const one = meeting(['pc0', 'pc1', 'pc2', 'pc3'])
  const targets = Array.from({ length: 8 }, () => sent(probe(one), 'ping').map(({ to }) => to))
  const [next] = neighboursOf(idOf('me'), names(4).map(idOf), 1).next
  expect(targets.every((asked) => asked[0] === next && new Set(asked).size === asked.length)).toBe(true)
  for (const round of [targets.slice(0, 4), targets.slice(4)]) expect(new Set(round.flat()).size).toBe(4)
  expect(targets.filter((asked) => asked.length === 1).length).toBe(2)
})

test('a helper passes the answer on, or says Nack in time', () => {
  const one = meeting(['pc0', 'pc1'])
  const ask = (n: number): MembershipEffect[] =>
    one.step({ k: 'msg', from: idOf('pc0'), msg: { t: 'preq', n, p: idOf('pc1'), w: 400, g: [] } })
  const [ping] = sent(ask(77), 'ping')
  const answered = one.step({
    k: 'msg',
    from: idOf('pc1'),
    msg: { t: 'ack', n: (ping!.msg as { n: number }).n, g: [] }
  })
  expect(sent(answered, 'iack')).toEqual([{ to: idOf('pc0'), msg: { t: 'iack', n: 77 } }])
  const late = ask(78)
  expect(timer(late, 'wait:')?.inMs).toBe(320)
  one.now += 320
  expect(sent(one.step({ k: 'timer', tag: timer(late, 'wait:')!.tag }), 'nack')).toEqual([
    { to: idOf('pc0'), msg: { t: 'nack', n: 78 } }
  ])
  const unknown = one.step({ k: 'msg', from: idOf('pc0'), msg: { t: 'preq', n: 79, p: idOf('nobody'), w: 400, g: [] } })
  expect(sent(unknown, 'nack').length).toBe(1)
})

test('missed answers slow this peer down, clean ones bring it back', () => {
  const one = meeting(['pc0'])
  one.step({ k: 'lag', ms: 5000 })
  expect(one.state.health).toBe(1)
  expect(timer(probe(one), 'probe')?.inMs).toBe(2000)
  one.step({ k: 'msg', from: idOf('pc0'), msg: { t: 'ack', n: one.state.nextN, g: [] } })
  expect(one.state.health).toBe(0)
  expect(member(one.state, idOf('pc0'))?.rttMs).toBe(0)
  const missed = probe(one)
  expect(timer(missed, 'probe')?.inMs).toBe(1000)
  one.now += 300
  one.step({ k: 'timer', tag: `wait:${one.state.nextN}` })
  expect(one.state.health).toBe(1)
})

test('a peer that lagged accuses nobody for one period', () => {
  const one = meeting(['pc0'])
  probe(one)
  one.step({ k: 'lag', ms: 400 })
  one.now += MEMBERSHIP.probeDirectMs
  one.step({ k: 'timer', tag: `wait:${one.state.nextN}` })
  expect(member(one.state, idOf('pc0'))?.state).toBe('alive')
  one.step({ k: 'lag', ms: 100 })
  probe(one)
  one.now += 2 * MEMBERSHIP.probeDirectMs
  one.step({ k: 'timer', tag: `wait:${one.state.nextN}` })
  expect(member(one.state, idOf('pc0'))?.state).toBe('suspect')
})

test('whom others suspect and who spoke since is not declared dead', () => {
  const one = meeting(['pc0', 'pc1', 'pc2'])
  one.step(accusation('pc0', 'pc1'))
  for (let i = 0; i < 40; i++) {
    one.now += 500
    one.step({ k: 'heard', peer: idOf('pc0') })
    one.step({ k: 'timer', tag: `susp:${idOf('pc0')}` })
  }
  expect(member(one.state, idOf('pc0'))?.state).toBe('suspect')
  for (let i = 0; i < 10; i++) {
    one.now += 500
    one.step({ k: 'timer', tag: `susp:${idOf('pc0')}` })
  }
  expect(member(one.state, idOf('pc0'))?.state).toBe('dead')
})

test('a suspicion that ends while this peer stood still is not a verdict yet', () => {
  const one = meeting(['pc0', 'pc1', 'pc2'])
  one.step(accusation('pc0', 'pc1'))
  one.now += 60_000
  one.step({ k: 'timer', tag: `susp:${idOf('pc0')}` })
  expect(member(one.state, idOf('pc0'))?.state).toBe('suspect')
  for (let ms = 0; ms < MEMBERSHIP.probePeriodMs; ms += 200) {
    one.now += 200
    one.step({ k: 'timer', tag: `susp:${idOf('pc0')}` })
  }
  expect(member(one.state, idOf('pc0'))?.state).toBe('dead')
})

test('the link to a peer that others call dead is closed only when it is silent here too', () => {
  const dead: MembershipEvent = news('pc1', { k: 'v', p: idOf('pc0'), i: 1, s: 'dead', b: [idOf('pc1')], w: 'timeout' })
  const hears = meeting(['pc0', 'pc1'])
  const told = hears.step(dead)
  expect(told.filter((effect) => effect.e === 'close')).toEqual([])
  expect(sent(told, 'news').map(({ to }) => to)).toEqual([idOf('pc0')])
  const silent = meeting(['pc0', 'pc1'])
  silent.now += MEMBERSHIP.suspectMinMs
  expect(silent.step(dead).filter((effect) => effect.e === 'close')).toEqual([
    { e: 'close', peer: idOf('pc0'), why: 'it does not answer' }
  ])
})

test('an accused neighbour hears of it with the next ping or answer', () => {
  const one = meeting(['pc0', 'pc1', 'pc2'])
  one.step(accusation('pc0', 'pc1'))
  const [ack] = sent(one.step({ k: 'msg', from: idOf('pc0'), msg: { t: 'ping', n: 5, g: [] } }), 'ack')
  expect((ack?.msg as { g: unknown[] }).g[0]).toMatchObject({ k: 'v', p: idOf('pc0'), s: 'suspect' })
})

test('news on a probe stays within a kilobyte however much there is', () => {
  const one = meeting(['pc0', 'pc1', 'pc2', 'pc3', 'pc4'])
  for (let i = 10; i < 60; i++) one.step(news('pc0', { k: 'a', r: recordOf(`pc${i}`) }))
  const [ack] = sent(one.step({ k: 'msg', from: idOf('pc1'), msg: { t: 'ping', n: 5, g: [] } }), 'ack')
  const bytes = encodeCbor(ack!.msg).length
  expect(bytes).toBeGreaterThan(500)
  expect(bytes).toBeLessThanOrEqual(MEMBERSHIP.piggybackBytes + 32)
})

test('each piece of news is sent a bounded number of times', () => {
  const one = meeting(names(8))
  one.step(news('pc0', { k: 'a', r: recordOf('pc20') }))
  let sends = 0
  for (let i = 0; i < 100; i++) {
    one.now += 200
    const effects = [
      ...one.step({ k: 'timer', tag: 'news' }),
      ...one.step({ k: 'msg', from: idOf(`pc${1 + (i % 7)}`), msg: { t: 'ping', n: i, g: [] } })
    ]
    for (const effect of effects)
      if (effect.e === 'send' && 'g' in effect.msg) sends += (effect.msg.g as unknown[]).length
  }
  // Nine news items began: eight newcomers met, one heard of.
  expect(sends).toBeLessThanOrEqual(9 * MEMBERSHIP.gossipRepeat * Math.ceil(Math.log10(10 + 1)))
  expect(one.state.news.size).toBe(0)
})

test('lists are compared by fingerprint first: equal ones cost one small message', () => {
  const one = meeting(['pc0'])
  const two = lone('pc0')
  two.step({ k: 'hello', from: idOf('me'), record: selfRecord(one.state) })
  two.step({ k: 'link', peer: idOf('me'), up: true })
  // What a peer says of itself carries a boot id, so both must hold the same word.
  one.step({ k: 'hello', from: idOf('pc0'), record: selfRecord(two.state) })
  const [sync] = sent(one.step({ k: 'timer', tag: 'sync' }), 'sync')
  expect(two.step({ k: 'msg', from: idOf('me'), msg: sync!.msg }).filter((effect) => effect.e === 'send')).toEqual([])
  one.step({ k: 'self', name: 'renamed' })
  const [other] = sent(one.step({ k: 'timer', tag: 'sync' }), 'sync')
  const [list] = sent(two.step({ k: 'msg', from: idOf('me'), msg: other!.msg }), 'list')
  const [answer] = sent(one.step({ k: 'msg', from: idOf('pc0'), msg: list!.msg }), 'list')
  expect(answer?.msg).toMatchObject({ q: [], g: [{ k: 'a' }] })
  two.step({ k: 'msg', from: idOf('me'), msg: answer!.msg })
  expect(member(two.state, idOf('me'))?.name).toBe('renamed')
})

test('the own row is alive, unlinked and always heard', () => {
  const one = meeting(['pc0'])
  one.now = 1234
  one.step({ k: 'heard', peer: idOf('pc0') })
  expect(member(one.state, idOf('me'))).toMatchObject({
    state: 'alive',
    linked: false,
    rttMs: undefined,
    heardAt: Infinity
  })
  expect(member(one.state, idOf('pc0'))).toMatchObject({
    state: 'alive',
    linked: true,
    heardAt: 1234,
    reason: 'answers'
  })
})
