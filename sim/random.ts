/**
 * Seeded randomness: xoshiro128** (Blackman and Vigna), one independent stream for each purpose of each peer. Streams are
 * told apart by hashing their names into the seed, so one more draw in one place shifts no other place.
 */
import type { Random } from '../protocols/ports.ts'

export function createRandom(seed: number, ...names: readonly (string | number)[]): Random {
  const next = splitmix32(names.reduce<number>((hash, name) => mixText(hash, String(name)), seed >>> 0))
  let [a, b, c, d] = [next(), next(), next(), next()]
  // all zero is the one state that xoshiro cannot leave
  if ((a | b | c | d) === 0) a = 1

  const u32 = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotl(d, 11)
    return result
  }
  return {
    u32,
    // 53 bits, all that a number in [0, 1) can hold
    float: () => ((u32() >>> 5) * 0x4000000 + (u32() >>> 6)) / 2 ** 53,
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = u32() >>> 24
      return bytes
    }
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}

/** FNV-1a over the text, length first, so that ('ab', 'c') and ('a', 'bc') differ; finished by the mixer of splitmix. */
function mixText(hash: number, text: string): number {
  let h = Math.imul(hash ^ text.length ^ 0x811c9dc5, 0x01000193)
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return splitmix32(h)()
}

function splitmix32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) | 0
  }
}
