/**
 * What every Store promises, in both shells. `settle` lets completions arrive; `restart` closes and opens the store
 * again; `powerCut` drops whatever was not on disk at that moment and opens what is left.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MeshError } from '../../protocols/errors.ts'
import type { Store, StoreOp } from '../../protocols/ports.ts'

export interface StoreHarness {
  store: Store
  /** Lets time pass until the condition holds; rejects with `what` when it never does. */
  settle(until: () => boolean, what: string): Promise<void>
  /** A clean stop and start on the same disk; writes handed over before are on it. */
  restart(): Promise<Store>
  /** The PC loses power now and comes back. The store before it is never used again. */
  powerCut(): Promise<Store>
  dispose(): Promise<void> | void
}
type Pairs = ReadonlyArray<readonly [string, Uint8Array]>

export function storeContract(name: string, make: () => Promise<StoreHarness> | StoreHarness): void {
  describe(`store: ${name}`, () => {
    let harness: StoreHarness
    beforeEach(async () => {
      harness = await make()
    })
    afterEach(async () => harness.dispose())

    const write = async (ops: readonly StoreOp[], sync = true, store = harness.store): Promise<void> => {
      let answers = 0
      let failure: MeshError | undefined
      store.write(ops, { sync }, (error) => {
        answers += 1
        failure = error
      })
      await harness.settle(() => answers > 0, 'a write answers')
      expect(failure).toBeUndefined()
      expect(answers).toBe(1)
    }
    const load = async (prefix: string, store = harness.store): Promise<Pairs> => {
      let result: Pairs | undefined
      let failure: MeshError | undefined
      store.load(prefix, (error, pairs) => {
        failure = error
        result = pairs
      })
      await harness.settle(() => result !== undefined, 'a load answers')
      expect(failure).toBeUndefined()
      return result!
    }
    const keys = async (prefix: string, store = harness.store): Promise<string[]> =>
      (await load(prefix, store)).map(([key]) => key)

    test('an empty store loads nothing', async () => {
      expect(await load('')).toEqual([])
    })

    test('what was written is loaded, byte for byte', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i)
      const large = new Uint8Array(100_000).fill(7)
      await write([
        { put: 'v/empty', value: new Uint8Array(0) },
        { put: 'v/every', value: every },
        { put: 'v/large', value: large }
      ])
      const pairs = await load('v/')
      expect(pairs.map(([key]) => key)).toEqual(['v/empty', 'v/every', 'v/large'])
      expect(pairs.map(([, value]) => Array.from(value))).toEqual([[], Array.from(every), Array.from(large)])
    })

    test('a load returns exactly the keys of its prefix, in key order', async () => {
      const all = ['s/b', 's/a', 's', 's/', 's/a/1', 's0', 'r/z', 's/~', 't/a', 's/Z', 's/10', 's/9']
      await write(all.map((put) => ({ put, value: bytes(put) })))
      expect(await keys('s/')).toEqual(['s/', 's/10', 's/9', 's/Z', 's/a', 's/a/1', 's/b', 's/~'])
      expect(await keys('s/a')).toEqual(['s/a', 's/a/1'])
      expect(await keys('')).toEqual([...all].sort())
      expect(await keys('nothing/')).toEqual([])
    })

    test('the last word of a batch about a key wins', async () => {
      await write([{ put: 'k', value: bytes('old') }])
      await write([
        { put: 'k', value: bytes('new') },
        { del: 'k' },
        { put: 'l', value: bytes('1') },
        { put: 'l', value: bytes('2') }
      ])
      expect((await load('')).map(([key, value]) => `${key}=${text(value)}`)).toEqual(['l=2'])
      await write([{ del: 'l' }, { del: 'was never there' }])
      expect(await keys('')).toEqual([])
    })

    test('nothing answers inside the call, and writes answer in call order', async () => {
      const answers: string[] = []
      harness.store.write([{ put: 'a', value: bytes('1') }], { sync: true }, () => answers.push('a'))
      harness.store.write([{ put: 'b', value: bytes('1') }], { sync: false }, () => answers.push('b'))
      harness.store.write([], { sync: true }, () => answers.push('empty'))
      harness.store.write([{ put: 'c', value: bytes('1') }], { sync: true }, () => answers.push('c'))
      harness.store.load('', () => answers.push('load'))
      expect(answers).toEqual([])
      await harness.settle(() => answers.length === 5, 'all five answer')
      expect(answers.filter((answer) => answer !== 'load')).toEqual(['a', 'b', 'empty', 'c'])
    })

    test('a load sees every write handed over before it', async () => {
      harness.store.write([{ put: 'x', value: bytes('1') }], { sync: false }, () => {})
      harness.store.write([{ put: 'x', value: bytes('2') }], { sync: true }, () => {})
      expect((await load('x')).map(([, value]) => text(value))).toEqual(['2'])
    })

    test('a value is taken at the call and a loaded one is the caller’s own', async () => {
      const value = bytes('before')
      harness.store.write([{ put: 'k', value }], { sync: true }, () => {})
      value.fill(0)
      const [first] = await load('k')
      expect(text(first![1])).toBe('before')
      first![1].fill(0)
      expect(text((await load('k'))[0]![1])).toBe('before')
    })

    test('everything is there after a restart', async () => {
      await write([{ put: 'a', value: bytes('1') }], true)
      harness.store.write([{ put: 'b', value: bytes('2') }], { sync: false }, () => {})
      const again = await harness.restart()
      expect((await load('', again)).map(([key, value]) => `${key}=${text(value)}`)).toEqual(['a=1', 'b=2'])
    })

    test('what a sync write acknowledged survives a power cut, with all that was written before it', async () => {
      await write([{ put: 'before', value: bytes('1') }], false)
      await write(
        Array.from({ length: 50 }, (_, i) => ({ put: `k/${String(i).padStart(2, '0')}`, value: bytes(String(i)) }))
      )
      const again = await harness.powerCut()
      expect(await keys('k/', again)).toHaveLength(50)
      expect(await keys('before', again)).toEqual(['before'])
    })

    test('after a power cut each batch is there whole or not at all, and none is missing before one that is there', async () => {
      const batches = 40
      let answered = 0
      for (let i = 0; i < batches; i++) {
        const ops = ['a', 'b', 'c'].map((part) => ({
          put: `${String(i).padStart(2, '0')}/${part}`,
          value: bytes('x'.repeat(200))
        }))
        harness.store.write(ops, { sync: i === 10 }, () => (answered += 1))
      }
      await harness.settle(() => answered > 11, 'the sync write answers')
      const left = await keys('', await harness.powerCut())
      expect(left.length % 3).toBe(0)
      const whole = left.length / 3
      expect(whole).toBeGreaterThanOrEqual(11)
      expect(left.filter((key) => key.endsWith('/a')).map((key) => Number(key.slice(0, 2)))).toEqual(
        Array.from({ length: whole }, (_, i) => i)
      )
    })

    test('two thousand keys written in one tick are all acknowledged and loaded in order', async () => {
      let answered = 0
      const names = Array.from({ length: 2000 }, (_, i) => `n/${String(i).padStart(5, '0')}`)
      for (const put of names) harness.store.write([{ put, value: bytes(put) }], { sync: true }, () => (answered += 1))
      await harness.settle(() => answered === names.length, 'all writes answer')
      expect(await keys('n/')).toEqual(names)
    })
  })
}

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
