/** A mesh too large for rows, as cells: how a PC looks in little, and in words. Pure. */
import type { NodeView } from '../../node/http/views.ts'
import { valueOf } from './reading.ts'
import { percent } from './units.ts'
import { nodeWord } from './words.ts'

/** More PCs than these are a grid of cells. */
export const ROWS_MAX = 60
/** Steps of load that the eye tells apart. */
export const LEVELS = 5

/** `silent`: not answering. `unread`: it answers, and has not told its load. */
export type CellLook = 'load-0' | 'load-1' | 'load-2' | 'load-3' | 'load-4' | 'unread' | 'paused' | 'silent' | 'away'

export function lookOf(node: NodeView): CellLook {
  if (node.state === 'dead' || node.state === 'left') return 'away'
  if (node.state === 'suspect') return 'silent'
  if (node.offer?.paused) return 'paused'
  const cpu = valueOf(node.cpu)
  if (cpu === null) return 'unread'
  return `load-${Math.max(0, Math.min(LEVELS - 1, Math.floor(cpu * LEVELS))) as 0 | 1 | 2 | 3 | 4}`
}

/** "pc17, ready, 43%". */
export function cellWords(node: NodeView): string {
  const cpu = node.state === 'alive' ? valueOf(node.cpu) : null
  return `${node.name}, ${nodeWord(node).word}${cpu === null ? '' : `, ${percent(cpu)}`}`
}

/** By name, whatever becomes of them: a PC keeps its place under the pointer. */
export function inPlace(nodes: readonly NodeView[]): NodeView[] {
  return nodes.filter((node) => node.state !== 'left').sort((a, b) => names.compare(a.name, b.name))
}

const names = new Intl.Collator(undefined, { numeric: true })
