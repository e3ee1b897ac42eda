import { expect, test } from 'vitest'
import { MeshError } from '../../protocols/errors.ts'
import type { Store } from '../../protocols/ports.ts'
import { clearScope, scopedStore } from '../../node/scoped-store.ts'

class MemoryStore implements Store {
  readonly values = new Map<string, Uint8Array>()
  failing = false
  syncs: boolean[] = []
  load: Store['load'] = (prefix, done) => {
    if (this.failing) return done(new MeshError('STORE_FAILED', 'torn'), [])
    done(undefined, [...this.values].filter(([key]) => key.startsWith(prefix)).sort())
  }
  write: Store['write'] = (ops, { sync }, done) => {
    this.syncs.push(sync)
    if (this.failing) return done(new MeshError('STORE_FAILED', 'full'))
    for (const op of ops)
      if ('put' in op) this.values.set(op.put, op.value)
      else this.values.delete(op.del)
    done()
  }
}
const one = Uint8Array.of(1)
function load(store: Store, prefix: string): [string, Uint8Array][] {
  let found: [string, Uint8Array][] | undefined
  store.load(prefix, (error, pairs) => {
    expect(error).toBeUndefined()
    found = pairs.map(([key, value]) => [key, value])
  })
  return found!
}

test('two meshes on one disk never read what the other wrote', () => {
  const disk = new MemoryStore()
  const [a, b] = [scopedStore(disk, 'aaaa/'), scopedStore(disk, 'bbbb/')]
  a.write(
    [
      { put: 'm/x', value: one },
      { put: 'r/y', value: one }
    ],
    { sync: true },
    () => {}
  )
  b.write([{ put: 'm/x', value: Uint8Array.of(2) }], { sync: false }, () => {})
  expect(load(a, '').map(([key]) => key)).toEqual(['m/x', 'r/y'])
  expect(load(a, 'm/')).toEqual([['m/x', one]])
  expect(load(b, '')).toEqual([['m/x', Uint8Array.of(2)]])
  b.write([{ del: 'm/x' }], { sync: true }, () => {})
  expect(load(a, 'm/')).toEqual([['m/x', one]])
  expect(disk.syncs).toEqual([true, false, true])
})

test('forgetting a mesh leaves the other whole', async () => {
  const disk = new MemoryStore()
  scopedStore(disk, 'aaaa/').write([{ put: 'm/x', value: one }], { sync: true }, () => {})
  scopedStore(disk, 'bbbb/').write([{ put: 'm/x', value: one }], { sync: true }, () => {})
  await clearScope(disk, 'aaaa/')
  expect([...disk.values.keys()]).toEqual(['bbbb/m/x'])
  expect(disk.syncs.at(-1), 'on disk before it is said').toBe(true)
})

test('what the disk refuses is passed on', async () => {
  const disk = new MemoryStore()
  const scoped = scopedStore(disk, 'aaaa/')
  disk.failing = true
  const errors: (MeshError | undefined)[] = []
  scoped.load('', (error) => errors.push(error))
  scoped.write([{ put: 'x', value: one }], { sync: true }, (error) => errors.push(error))
  expect(errors.map((error) => error?.code)).toEqual(['STORE_FAILED', 'STORE_FAILED'])
  await expect(clearScope(disk, 'aaaa/')).rejects.toMatchObject({ code: 'STORE_FAILED' })
})
