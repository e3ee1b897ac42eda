import { expect, test } from 'vitest'
import { deviceCrypto } from '../../../node/adapters/crypto.ts'
import { fromHex, toHex } from '../../../protocols/codec.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('signs as RFC 8032 test 2 does', () => {
  const crypto = deviceCrypto(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
  expect(toHex(crypto.publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
  const signature = crypto.sign(Uint8Array.of(0x72))
  expect(toHex(signature)).toBe(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
  )
  expect(crypto.verify(crypto.publicKey, Uint8Array.of(0x72), signature)).toBe(true)
})

test('hashes parts as one text', () => {
  const crypto = deviceCrypto(new Uint8Array(32))
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  expect(toHex(crypto.sha256())).toBe(empty)
  expect(toHex(crypto.sha256(bytes('a'), bytes('bc')))).toBe(toHex(crypto.sha256(bytes('abc'))))
  expect(toHex(crypto.hmac(bytes('Jefe'), bytes('what do ya want '), bytes('for nothing?')))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  )
})

test('verify is false for anything changed or malformed, and never throws', () => {
  const crypto = deviceCrypto(new Uint8Array(32).fill(9))
  const message = bytes('a message')
  const good = crypto.sign(message)
  for (let i = 0; i < 64; i++) {
    const bad = good.slice()
    bad[i]! ^= 1
    expect(crypto.verify(crypto.publicKey, message, bad)).toBe(false)
  }
  expect(crypto.verify(crypto.publicKey, bytes('b message'), good)).toBe(false)
  for (const length of [0, 1, 31, 33, 64]) expect(crypto.verify(new Uint8Array(length), message, good)).toBe(false)
  for (const length of [0, 63, 65]) expect(crypto.verify(crypto.publicKey, message, new Uint8Array(length))).toBe(false)
  for (let i = 0; i < 256; i++) expect(crypto.verify(new Uint8Array(32).fill(i), message, good)).toBe(false)
  expect(crypto.verify(crypto.publicKey, message, good)).toBe(true)
})

test('more keys than are kept still verify', () => {
  const message = bytes('m')
  const first = deviceCrypto(new Uint8Array(32).fill(1))
  const signature = first.sign(message)
  const other = deviceCrypto(new Uint8Array(32).fill(2))
  for (let i = 0; i < 1100; i++) {
    const key = new Uint8Array(32)
    new DataView(key.buffer).setUint32(0, i)
    other.verify(key, message, signature)
  }
  expect(other.verify(first.publicKey, message, signature)).toBe(true)
})

test('a device key of the wrong length is refused with its length', () => {
  expect(() => deviceCrypto(new Uint8Array(31))).toThrow(/31/)
})
