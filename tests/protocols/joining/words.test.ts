import { entropyToMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sixWords } from '../../../protocols/joining/index.ts'

test('the words are the first six that BIP39 gives for the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
      expect(sixWords(hash, wordlist)).toBe(entropyToMnemonic(hash, wordlist).split(' ').slice(0, 6).join(' '))
    })
  )
})

test('a list of another length and a hash that is too short are refused', () => {
  expect(() => sixWords(new Uint8Array(32), wordlist.slice(1))).toThrow(/2048 words/)
  expect(() => sixWords(new Uint8Array(8), wordlist)).toThrow(/9 bytes/)
})
