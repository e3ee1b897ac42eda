import { expect, test } from 'vitest'
import type { Change, Value } from '../../protocols/register/index.ts'
import { violation } from '../../sim/linearizable.ts'
import type { Operation } from '../../sim/linearizable.ts'
import { createRandom } from '../../sim/random.ts'

const own = (attempt: string, seq: number): Value['own'] => ({ peer: 'A', epoch: 0, seq, attempt, over: false })
const made = (ver: number, attempt: string): Value => ({
  ver,
  attempt,
  cfg: { ver: 1, voters: ['A'] },
  own: own(attempt, ver)
})
const first = made(1, 'first')
const after = (base: Value): Change => ({ k: 'own', after: base.attempt, own: own('', base.ver + 1) })
const op = (
  attempt: string,
  change: Change,
  calledAt: number,
  returnedAt: number,
  outcome: Operation['outcome'],
  value: Value | undefined
): Operation => ({ attempt, change, calledAt, returnedAt, outcome, value })
const READ: Change = { k: 'read' }

test('a read that goes back behind an answered change is no history of a register', () => {
  const second = made(2, 'w')
  const write = op('w', after(first), 0, 1, 'applied', second)
  expect(violation(first, [write, op('r', READ, 2, 3, 'unchanged', second)])).toBeUndefined()
  expect(violation(first, [write, op('r', READ, 2, 3, 'unchanged', first)])).toContain('came back')
  // At the same time either may come first.
  expect(violation(first, [write, op('r', READ, 0.5, 3, 'unchanged', first)])).toBeUndefined()
})

test('one version has one maker', () => {
  const history = [
    op('v', after(first), 0, 5, 'applied', made(2, 'v')),
    op('w', after(first), 0, 5, 'applied', made(2, 'w'))
  ]
  expect(violation(first, history)).toContain('version 2 was read as made by')
})

test('what was surely not applied makes no version, and what nobody asked for neither', () => {
  const read = op('r', READ, 2, 3, 'unchanged', made(2, 'w'))
  expect(violation(first, [op('w', after(first), 0, 1, 'failed', undefined), read])).toContain('said to be failed')
  expect(violation(first, [read])).toContain('nobody asked for')
  expect(violation(first, [op('w', after(first), 0, Infinity, undefined, undefined), read])).toBeUndefined()
})

test('a value is not read before its change was asked for', () => {
  const second = made(2, 'w')
  const history = [op('r', READ, 0, 1, 'unchanged', second), op('w', after(first), 2, 3, 'applied', second)]
  expect(violation(first, history)).toContain('before w asked for it')
})

test('a change whose condition did not hold was not to be applied', () => {
  const history = [
    op('v', after(first), 0, 1, 'applied', made(2, 'v')),
    op('w', after(first), 2, 3, 'applied', made(3, 'w'))
  ]
  expect(violation(first, history)).toContain('did not allow it')
})

test('agrees with a search through all orders on small histories, right and wrong ones', () => {
  const verdicts = { right: 0, wrong: 0 }
  for (let seed = 1; seed <= 3_000; seed++) {
    const history = small(seed)
    const right = search(first, history)
    expect(violation(first, history) === undefined, `seed ${seed} ${JSON.stringify(history)}`).toBe(right)
    verdicts[right ? 'right' : 'wrong']++
  }
  expect(Math.min(verdicts.right, verdicts.wrong)).toBeGreaterThan(300)
})

/** A true history of up to six operations; every second one is bent at one place. */
function small(seed: number): Operation[] {
  const random = createRandom(seed, 'history')
  const history: Operation[] = []
  const values = [first]
  for (let i = 0; i < 3 + (random.u32() % 4); i++) {
    const at = i * 10
    const current = values.at(-1)!
    const believed = random.u32() % 3 > 0 ? current : values[random.u32() % values.length]!
    const name = `o${i}`
    const [calledAt, returnedAt] = [at - 14 * random.float(), at + 14 * random.float()]
    const change = random.u32() % 2 === 0 ? after(believed) : READ
    const applies = change.k === 'own' && believed === current
    if (applies) values.push(made(current.ver + 1, name))
    const lost = applies && random.u32() % 4 === 0
    const outcome = lost ? undefined : applies ? 'applied' : 'unchanged'
    history.push(op(name, change, calledAt, lost ? Infinity : returnedAt, outcome, lost ? undefined : values.at(-1)!))
  }
  if (seed % 2 === 0) {
    const reads = history.filter(({ change, value }) => change.k === 'read' && value !== undefined)
    const bent = reads[random.u32() % Math.max(1, reads.length)]
    if (bent !== undefined) bent.value = values[random.u32() % values.length]!
  }
  return history
}

/** Wing and Gong: is there an order that respects time, in which each answer is what a register would have said? */
function search(value: Value, left: readonly Operation[]): boolean {
  if (left.every(({ returnedAt }) => returnedAt === Infinity)) return true
  const firstReturn = Math.min(...left.map(({ returnedAt }) => returnedAt))
  return left.some((each) => {
    if (each.calledAt > firstReturn) return false
    const { change, attempt, outcome } = each
    const holds = change.k === 'own' && change.after === value.own.attempt
    const next = holds ? made(value.ver + 1, attempt) : value
    if (outcome === 'applied' && !holds) return false
    if (outcome === 'unchanged' && holds) return false
    if (each.value !== undefined && (each.value.ver !== next.ver || each.value.attempt !== next.attempt)) return false
    return search(
      next,
      left.filter((other) => other !== each)
    )
  })
}
