import { expect, test } from 'vitest'
import { firstEpochOf, isForceGenuine, reignOf, signForce } from '../../../protocols/session/index.ts'
import { KeyRing } from '../../../sim/crypto.ts'

const ring = new KeyRing(1)
const key = ring.key('pc den')
const crypto = ring.cryptoOf(key)
const ID = '0123456789abcdef0123456789abcdef'
const word = { by: 'ann', peer: key.peerId, epoch: firstEpochOf(1), at: 5 }

test('a word is genuine as it was signed, and not with anything else in it', () => {
  const signed = signForce(crypto, ID, word)
  expect(isForceGenuine(crypto, ID, signed)).toBe(true)
  expect(isForceGenuine(crypto, ID.replace('0', '1'), signed)).toBe(false)
  expect(isForceGenuine(crypto, ID, { ...signed, by: 'eve' })).toBe(false)
  expect(isForceGenuine(crypto, ID, { ...signed, epoch: firstEpochOf(2) })).toBe(false)
  expect(isForceGenuine(crypto, ID, { ...signed, peer: ring.key('pc attic').peerId })).toBe(false)
  expect(isForceGenuine(crypto, ID, { ...signed, peer: 'nobody' })).toBe(false)
})

test('the epochs of a reign are above all of the one before, however long its holder went on unheard', () => {
  expect(reignOf(0)).toBe(0)
  expect(reignOf(firstEpochOf(1) - 1)).toBe(0)
  expect(reignOf(firstEpochOf(1))).toBe(1)
  expect(firstEpochOf(reignOf(firstEpochOf(1) + 7) + 1)).toBe(2_000_000)
})
