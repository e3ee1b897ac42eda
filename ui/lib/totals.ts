/**
 * The mesh as one computer: sums over the PCs that answer, with who is in the sum, who is not and why, and the worst one,
 * since an average hides the full disk.
 */
import type { NodeView, Reading } from '../../node/http/views.ts'
import { both, isKnown, valueOf } from './reading.ts'

export interface Total {
  /** Used of whole, or rate in and rate out for the network. */
  sum: Reading<[number, number]>
  counted: number
  /** PCs that answer but do not have this reading. */
  without: { name: string; reason: string }[]
  /** The PC nearest to its limit (or with most traffic); ratio is 0 … 1 of its own whole, null for the network. */
  worst: { peerId: string; name: string; ratio: number | null; amount: number } | null
  /** Age of the oldest reading in the sum. */
  oldestMs: number | null
}

type Age = (node: NodeView) => number | null

export function answering(nodes: readonly NodeView[]): NodeView[] {
  return nodes.filter((node) => node.state === 'alive' || node.state === 'suspect')
}

/** Busy cores of all cores. */
export function processor(nodes: readonly NodeView[], age: Age): Total {
  return total(nodes, age, (n) => toPair(both(n.cpu, n.cores), ([cpu, cores]) => [cpu * cores, cores]))
}
export function memoryTotal(nodes: readonly NodeView[], age: Age): Total {
  return total(nodes, age, (n) => both(n.memoryUsedBytes, n.memoryBytes))
}
export function disk(nodes: readonly NodeView[], age: Age): Total {
  return total(nodes, age, (n) => toPair(both(n.diskFreeBytes, n.diskBytes), ([free, whole]) => [whole - free, whole]))
}
export function network(nodes: readonly NodeView[], age: Age): Total {
  const all = total(nodes, age, (n) => both(n.netRxBytesPerS, n.netTxBytesPerS))
  let worst: Total['worst'] = null
  for (const node of answering(nodes)) {
    const amount = (valueOf(node.netRxBytesPerS) ?? 0) + (valueOf(node.netTxBytesPerS) ?? 0)
    if (amount > (worst?.amount ?? 0)) worst = { peerId: node.peerId, name: node.name, ratio: null, amount }
  }
  return { ...all, worst }
}

function toPair<T>(reading: Reading<T>, convert: (value: T) => [number, number]): Reading<[number, number]> {
  return isKnown(reading) ? { value: convert(reading.value) } : reading
}

function total(nodes: readonly NodeView[], age: Age, read: (node: NodeView) => Reading<[number, number]>): Total {
  const out: Total = { sum: { missing: 'no PC reports it' }, counted: 0, without: [], worst: null, oldestMs: null }
  let first = 0
  let second = 0
  for (const node of answering(nodes)) {
    const reading = read(node)
    if (!isKnown(reading)) {
      out.without.push({ name: node.name, reason: reading.missing })
      continue
    }
    const [a, b] = reading.value
    first += a
    second += b
    out.counted++
    out.oldestMs = Math.max(out.oldestMs ?? 0, age(node) ?? 0)
    const ratio = b > 0 ? a / b : 0
    if (!out.worst || ratio > (out.worst.ratio ?? 0))
      out.worst = { peerId: node.peerId, name: node.name, ratio, amount: a }
  }
  const only = out.without.length === 1 ? out.without[0] : undefined
  if (out.counted) out.sum = { value: [first, second] }
  else if (only) out.sum = { missing: only.reason }
  return out
}

/** The largest piece of memory one session can get now: work never spans two PCs. */
export function largestFit(nodes: readonly NodeView[]): { name: string; bytes: number } | null {
  let best: { name: string; bytes: number } | null = null
  for (const node of nodes) {
    if (node.state !== 'alive' || !node.offer || node.offer.paused) continue
    const bytes = node.offer.memoryBytes - node.offer.grantedMemoryBytes
    if (bytes > (best?.bytes ?? 0)) best = { name: node.name, bytes }
  }
  return best
}

/**
 * Share of the whole at each step of the last minute, newest last. A PC without a sample at a step is left out of both
 * sides of the fraction, so that a gap of one does not look like a fall of all.
 */
export function sharedHistory(nodes: readonly NodeView[], kind: 'cpu' | 'memory'): (number | null)[] {
  const rows = answering(nodes).map((n) => ({
    line: n.history[kind],
    weight: valueOf(kind === 'cpu' ? n.cores : n.memoryBytes) ?? 0
  }))
  const length = Math.max(0, ...rows.map((row) => row.line.length))
  return Array.from({ length }, (_, i) => {
    let used = 0
    let whole = 0
    for (const { line, weight } of rows) {
      const sample = line[line.length - length + i]
      if (sample === null || sample === undefined) continue
      used += sample * weight
      whole += weight
    }
    return whole > 0 ? used / whole : null
  })
}
