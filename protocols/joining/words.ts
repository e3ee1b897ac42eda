/**
 * Six words of 11 bits each that both screens show: 66 bits of the transcript, enough since neither side can choose its
 * part after seeing the other's (the newcomer commits first, see enrol-transcript.ts). The list is BIP39 English, passed in.
 */
import { MeshError } from '../errors.ts'

const WORDS = 6
const BITS = 11

export function sixWords(hash: Uint8Array, list: readonly string[]): string {
  if (list.length !== 1 << BITS)
    throw new MeshError('BAD_REQUEST', `a word list has ${1 << BITS} words, this one ${list.length}`)
  if (hash.length * 8 < WORDS * BITS) throw new MeshError('BAD_REQUEST', `six words need 9 bytes, not ${hash.length}`)
  const words: string[] = []
  let bits = 0
  let value = 0
  for (let i = 0; words.length < WORDS; i++) {
    value = (value << 8) | hash[i]!
    bits += 8
    if (bits < BITS) continue
    bits -= BITS
    words.push(list[value >> bits]!)
    value &= (1 << bits) - 1
  }
  return words.join(' ')
}
