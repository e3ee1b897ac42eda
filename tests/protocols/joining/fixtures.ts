/** A mesh of test keys: real Ed25519, fixed seeds, fixed times. */
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { deviceCrypto } from '../../../node/adapters/crypto.ts'
import { peerIdOf } from '../../../protocols/codec.ts'
import {
  DELEGATION_LIFE_MS,
  FIRST_MEMBER_CAPS,
  issueCertificate,
  makeDelegation,
  makeGenesis,
  MEMBER_CAPS,
  openGenesis
} from '../../../protocols/joining/index.ts'

/** 2026-01-01. */
export const WALL = 1_767_225_600_000
export const WORDS: readonly string[] = wordlist
export const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

export interface TestDevice {
  crypto: ReturnType<typeof deviceCrypto>
  key: Uint8Array
  peer: string
}
export function device(seed: number): TestDevice {
  const crypto = deviceCrypto(fill(32, seed))
  return { crypto, key: crypto.publicKey, peer: peerIdOf(crypto.publicKey) }
}

/** Made by device `seed`, root key `seed + 100`. */
export function testMesh(seed = 1, name = 'home') {
  const first = device(seed)
  const root = deviceCrypto(fill(32, seed + 100))
  const genesis = openGenesis(
    makeGenesis({ name, root: root.publicKey, nonce: fill(16, seed), created: WALL }, root.sign),
    first.crypto
  )
  const delegation = makeDelegation(
    { mesh: genesis.idBytes, device: first.key, caps: ['enrol', 'renew'], nbf: WALL, exp: WALL + DELEGATION_LIFE_MS },
    root.sign
  )
  const issue = (of: TestDevice, fields: Partial<Parameters<typeof issueCertificate>[0]> = {}): Uint8Array =>
    issueCertificate(
      {
        genesis,
        issuer: first.key,
        delegation,
        serial: fill(16, 9),
        device: of.key,
        name: 'den',
        caps: of === first ? FIRST_MEMBER_CAPS : MEMBER_CAPS,
        tls: fill(32, 3),
        wall: WALL,
        ...fields
      },
      first.crypto.sign
    )
  return { first, root, genesis, delegation, issue }
}
