/** Randomness of the operating system, drawn in pages so that a number costs no system call. */
import { randomBytes, randomFillSync } from 'node:crypto'
import type { Random } from '../../protocols/ports.ts'

const PAGE_WORDS = 1024

export function systemRandom(): Random {
  const page = new Uint32Array(PAGE_WORDS)
  let used = PAGE_WORDS
  const u32 = (): number => {
    if (used === PAGE_WORDS) {
      randomFillSync(page)
      used = 0
    }
    return page[used++]!
  }
  return {
    u32,
    float: () => (u32() * 2 ** 21 + (u32() >>> 11)) / 2 ** 53,
    bytes: (length) => new Uint8Array(randomBytes(length))
  }
}
