/** The history of a register, as the judge of a mesh keeps it: who asked when, what came back, and what cannot be. */
import { expect, test } from 'vitest'
import { createRegisters, step } from '../../protocols/register/index.ts'
import type { RegisterEvent } from '../../protocols/register/index.ts'
import { createRandom } from '../../sim/random.ts'
import { RegisterLog } from '../../sim/register-log.ts'

const ID = 'ab'.repeat(16)

/** One peer that votes alone, on a disk that takes everything at once. */
function alone(lies: (answered: number) => boolean = () => false) {
  let nowMs = 0
  let answered = 0
  const log = new RegisterLog(() => nowMs)
  const observe = log.observer({ id: 'p0', name: 'den', mono: 0, clock: { rate: 1, wallOffsetMs: 0 } })
  const state = createRegisters('0123456789abcdef')
  const random = createRandom(1, 'alone')
  const tell = (event: RegisterEvent): void => {
    nowMs++
    const effects = step(state, event, { self: 'p0', now: nowMs, wall: nowMs, random }).map((effect) =>
      effect.e === 'done' && effect.value !== undefined && lies(++answered)
        ? { ...effect, value: { ...effect.value, ver: effect.value.ver + 5 } }
        : effect
    )
    observe(event, effects, state)
    for (const effect of effects) if (effect.e === 'write') tell({ k: 'written', op: effect.op, ok: true })
  }
  return { log, tell }
}
const read = (attempt: string): RegisterEvent => ({
  k: 'change',
  id: ID,
  change: { k: 'read' },
  attempt,
  withinMs: 1000
})

test('each operation is in the history once, and a truthful one is right', () => {
  const { log, tell } = alone()
  tell({ k: 'create', id: ID })
  tell(read('a'))
  tell(read('b'))
  tell({ k: 'want', id: ID, rank: 0 })
  tell({ k: 'give', id: ID, to: { peer: null, over: true } })
  expect(log.operations).toBeGreaterThanOrEqual(4)
  expect(log.violations()).toEqual([])
})

test('an answer that nobody can have made, or that goes back in time, is told', () => {
  const { log, tell } = alone((answered) => answered === 1)
  tell({ k: 'create', id: ID })
  tell(read('a'))
  tell(read('b'))
  expect(log.violations()).toEqual([expect.stringMatching(/^register of session ababab: /)])
})

test('a right that was given up and taken by its former holder is no change of hands', () => {
  const { log, tell } = alone()
  tell({ k: 'create', id: ID })
  tell({ k: 'want', id: ID, rank: 0 })
  tell({ k: 'give', id: ID, to: { peer: null, over: false } })
  expect([...log.turns]).not.toContain('taken')
})

test('two PCs that count on one right are told of, unless the first has given it away or a person has said so', () => {
  let nowMs = 0
  const log = new RegisterLog(() => nowMs)
  const state = createRegisters('0123456789abcdef')
  const at = (id: string, rate: number) => {
    const clock = { rate, wallOffsetMs: 0 }
    const observe = log.observer({ id, name: id, clock, mono: 0 })
    return {
      holds: (epoch: number, until: number) => observe({ k: 'wake' }, [{ e: 'held', id: ID, epoch, until }], state),
      gives: () => observe({ k: 'give', id: ID, to: { peer: null, over: false } }, [], state)
    }
  }
  const [slow, other] = [at('p0', 0.5), at('p1', 1)]
  slow.holds(1, 1000)
  nowMs = 1999
  expect([log.holds(ID, 'p0'), log.holds(ID, 'p1')]).toEqual([true, false])
  other.holds(2, 5000)
  expect(log.twofold).toEqual([{ text: expect.stringContaining('for 1 ms more, in epoch 1'), atMs: 1999 }])
  slow.gives()
  other.holds(2, 6000)
  slow.holds(2 ** 40, 5000)
  expect(log.twofold).toHaveLength(1)
})
