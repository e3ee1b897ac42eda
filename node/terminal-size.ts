/**
 * The size of a terminal as it stands in session logs and on wires: u16 columns, u16 rows (big endian). A fifth byte says
 * that what follows draws a whole screen, so whoever shows it begins with an empty one.
 */
import { TERMINAL_MAX } from '../protocols/ports.ts'

export interface TerminalSize {
  columns: number
  rows: number
}

export function encodeSize({ columns, rows }: TerminalSize, fresh = false): Uint8Array {
  const bytes = new Uint8Array(fresh ? 5 : 4)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, columns)
  view.setUint16(2, rows)
  if (fresh) bytes[4] = 1
  return bytes
}

/** Undefined for what is no size of a terminal. */
export function decodeSize(bytes: Uint8Array): (TerminalSize & { fresh: boolean }) | undefined {
  if (bytes.length < 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4)
  const [columns, rows] = [view.getUint16(0), view.getUint16(2)]
  const fits = columns >= 1 && columns <= TERMINAL_MAX && rows >= 1 && rows <= TERMINAL_MAX
  return fits ? { columns, rows, fresh: bytes[4] === 1 } : undefined
}

/** What all of them can show whole; undefined: nobody said. */
export function smallestOf(sizes: Iterable<TerminalSize>): TerminalSize | undefined {
  let smallest: TerminalSize | undefined
  for (const { columns, rows } of sizes)
    smallest = {
      columns: Math.min(columns, smallest?.columns ?? columns),
      rows: Math.min(rows, smallest?.rows ?? rows)
    }
  return smallest
}
