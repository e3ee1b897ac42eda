/** A part of the store under its own prefix, so that one mesh never reads what another left behind. */
import type { Store } from '../protocols/ports.ts'

export function scopedStore(store: Store, prefix: string): Store {
  return {
    load: (inner, done) =>
      store.load(prefix + inner, (error, pairs) =>
        done(
          error,
          pairs.map(([key, value]) => [key.slice(prefix.length), value] as const)
        )
      ),
    write: (ops, options, done) =>
      store.write(
        ops.map((op) => ('put' in op ? { put: prefix + op.put, value: op.value } : { del: prefix + op.del })),
        options,
        done
      )
  }
}

/** Forgets all of a part. */
export function clearScope(store: Store, prefix: string): Promise<void> {
  return new Promise((resolve, reject) => {
    store.load(prefix, (error, pairs) => {
      if (error !== undefined) return reject(error)
      store.write(
        pairs.map(([key]) => ({ del: key })),
        { sync: true },
        (failed) => (failed === undefined ? resolve() : reject(failed))
      )
    })
  })
}
