/** A member's own word, signed with a real Ed25519 key. */
import { createPrivateKey, generateKeyPairSync, sign, verify, createPublicKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodeCbor, peerIdOf } from '../../../protocols/codec.ts'
import { createMembership, readRecord, selfRecord, step } from '../../../protocols/membership/index.ts'
import type { Crypto } from '../../../protocols/ports.ts'
import { seededRandom } from './mesh.ts'

const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

function realCrypto(): { id: string; crypto: Crypto } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const raw = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })).slice(-32)
  const unused = (): never => {
    throw new Error('not used')
  }
  return {
    id: peerIdOf(raw),
    crypto: {
      sha256: unused,
      hmac: unused,
      sign: (bytes) => new Uint8Array(sign(null, bytes, key)),
      verify: (publicRaw, bytes, signature) =>
        verify(
          null,
          bytes,
          createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicRaw]), format: 'der', type: 'spki' }),
          signature
        )
    }
  }
}

function record(): { id: string; crypto: Crypto; bytes: Uint8Array } {
  const { id, crypto } = realCrypto()
  const state = createMembership(
    { peer: id, name: 'desk', addresses: ['/ip4/192.0.2.1/tcp/7777'], version: '0.1.0' },
    crypto
  )
  expect(selfRecord(state).length).toBe(0)
  step(state, { k: 'start' }, { self: id, now: 0, wall: 0, random: seededRandom(1) })
  return { id, crypto, bytes: selfRecord(state) }
}

test('a record is read back by whoever verifies it', () => {
  const { id, bytes } = record()
  const reader = realCrypto()
  expect(readRecord(bytes, reader.crypto)).toEqual({
    peer: id,
    inc: 1,
    boot: expect.stringMatching(/^[0-9a-f]{16}$/),
    name: 'desk',
    addrs: ['/ip4/192.0.2.1/tcp/7777'],
    ver: '0.1.0'
  })
})

test('a record with one byte changed, or cut short, is nobody’s word', () => {
  const { bytes, crypto } = record()
  for (let i = 0; i < bytes.length; i += 3) {
    const bad = bytes.slice()
    bad[i]! ^= 4
    expect(readRecord(bad, crypto), `byte ${i}`).toBeUndefined()
    expect(readRecord(bytes.slice(0, i), crypto)).toBeUndefined()
  }
})

test('nobody can sign for another peer', () => {
  const { id } = record()
  const { crypto } = realCrypto()
  const body = encodeCbor({ peer: id, inc: 9, boot: '0'.repeat(16), name: 'x', addrs: [], ver: '1' })
  const domain = new TextEncoder().encode('omega/member/1\0')
  const signature = crypto.sign(Buffer.concat([domain, body]))
  expect(readRecord(new Uint8Array(Buffer.concat([body, signature])), crypto)).toBeUndefined()
})

test('unknown fields of a later version are kept: the bytes are relayed as they are', () => {
  const { id, crypto } = realCrypto()
  const body = encodeCbor({ peer: id, inc: 9, boot: '0'.repeat(16), name: 'x', addrs: [], ver: '9', zone: 'attic' })
  const domain = new TextEncoder().encode('omega/member/1\0')
  const bytes = new Uint8Array(Buffer.concat([body, crypto.sign(Buffer.concat([domain, body]))]))
  expect(readRecord(bytes, crypto)?.ver).toBe('9')
  const other = realCrypto()
  const state = createMembership({ peer: other.id, name: 'other', addresses: [], version: '0.1.0' }, other.crypto)
  const effects = step(
    state,
    { k: 'hello', from: id, record: bytes },
    { self: other.id, now: 0, wall: 0, random: seededRandom(1) }
  )
  expect(effects.find((effect) => effect.e === 'keep')).toEqual({ e: 'keep', peer: id, bytes })
})
