import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import { makeDelegation, makeGenesis, openDelegation, openGenesis } from '../../../protocols/joining/index.ts'
import { fill, testMesh, WALL } from './fixtures.ts'

const mesh = testMesh()
const { crypto } = mesh.first

test('the mesh id is the SHA-256 of the record that the root key signed', () => {
  expect(mesh.genesis.id).toBe(toHex(crypto.sha256(mesh.genesis.signed.subarray(64))))
  expect(mesh.genesis.name).toBe('home')
})

test('the same name and root key make another mesh when the nonce differs', () => {
  const make = (nonce: number) =>
    openGenesis(
      makeGenesis({ name: 'home', root: mesh.root.publicKey, nonce: fill(16, nonce), created: WALL }, mesh.root.sign),
      crypto
    )
  expect(make(1).id).not.toBe(make(2).id)
})

test('a genesis signed by another key than its root is refused', () => {
  const forged = makeGenesis(
    { name: 'home', root: mesh.root.publicKey, nonce: fill(16, 1), created: WALL },
    crypto.sign
  )
  expect(() => openGenesis(forged, crypto)).toThrow(/not signed by its root key/)
})

test('a mesh name that could fake a screen is refused', () => {
  for (const name of ['', 'a\nb', 'a\u202eb', ' home', 'x'.repeat(65), 'ä'.repeat(33)]) {
    expect(() =>
      makeGenesis({ name, root: mesh.root.publicKey, nonce: fill(16, 1), created: WALL }, mesh.root.sign)
    ).toThrow()
  }
})

test('a delegation of another mesh, or by another key, is refused', () => {
  const other = testMesh(2)
  expect(() => openDelegation(other.delegation, mesh.genesis, crypto)).toThrow(/not signed by the root key/)
  const fields = {
    mesh: other.genesis.idBytes,
    device: mesh.first.key,
    caps: ['enrol' as const],
    nbf: WALL,
    exp: WALL + 1
  }
  expect(() => openDelegation(makeDelegation(fields, mesh.root.sign), mesh.genesis, crypto)).toThrow(/is for mesh/)
  expect(openDelegation(mesh.delegation, mesh.genesis, crypto).caps).toEqual(['enrol', 'renew'])
})

test('no bytes make the parsers of genesis and delegation throw anything but CERT_INVALID', () => {
  const isRefused = (run: () => unknown): boolean => {
    try {
      run()
    } catch (error) {
      return error instanceof MeshError && error.code === 'CERT_INVALID'
    }
    return false
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      expect(isRefused(() => openGenesis(bytes, crypto))).toBe(true)
      expect(isRefused(() => openDelegation(bytes, mesh.genesis, crypto))).toBe(true)
    })
  )
  fc.assert(
    fc.property(fc.nat(mesh.genesis.signed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = mesh.genesis.signed.slice()
      changed[at]! ^= flip
      expect(isRefused(() => openGenesis(changed, crypto))).toBe(true)
      expect(isRefused(() => openGenesis(mesh.genesis.signed.slice(0, at), crypto))).toBe(true)
    })
  )
})
