import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { peerIdOf } from '../../../protocols/codec.ts'
import { verifyCertificate } from '../../../protocols/joining/index.ts'
import { deviceCrypto } from '../../../node/adapters/crypto.ts'
import {
  forgetMembership,
  foundMesh,
  hostLabel,
  loadDeviceSeed,
  loadMembership,
  openMembership,
  saveMembership
} from '../../../node/security/identity.ts'
import { checkLeaf } from '../../../node/security/mesh-ca.ts'
import { createPublicKey } from 'node:crypto'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'omega-identity-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const wall = Date.now()
const found = (seed: Uint8Array) =>
  foundMesh({ dir, deviceSeed: seed, meshName: "den's mesh", peerName: 'den', host: 'den', ips: ['192.168.1.5'], wall })
const modeOf = (file: string): number => statSync(join(dir, file)).mode & 0o777

test('the device key is made once, for this user alone', () => {
  const seed = loadDeviceSeed(dir)
  expect(seed).toHaveLength(32)
  expect(loadDeviceSeed(dir)).toEqual(seed)
  expect(modeOf('device.key')).toBe(0o600)
})

test('a data folder that does not exist yet is made private', () => {
  loadDeviceSeed(join(dir, 'a', 'b'))
  expect(modeOf('a/b')).toBe(0o700)
})

test('a mode that lets others read a key is put right when it is read', () => {
  const seed = loadDeviceSeed(dir)
  chmodSync(join(dir, 'device.key'), 0o644)
  expect(loadDeviceSeed(dir)).toEqual(seed)
  expect(modeOf('device.key')).toBe(0o600)
})

test('a device key of the wrong size is an error and is never replaced', () => {
  writeFileSync(join(dir, 'device.key'), 'short')
  expect(() => loadDeviceSeed(dir)).toThrow(/holds 5 bytes/)
  expect(readFileSync(join(dir, 'device.key'), 'utf8')).toBe('short')
})

test('a founded mesh is on disk with everything its first member needs', async () => {
  const seed = loadDeviceSeed(dir)
  const { genesis, membership } = await found(seed)
  expect(loadMembership(dir)).toEqual(membership)
  const opened = openMembership(membership, seed)
  expect(opened.genesis.id).toBe(genesis.id)
  const crypto = deviceCrypto(seed)
  const device = peerIdOf(crypto.publicKey)
  const { certificate } = verifyCertificate(membership.certificate, { genesis, device, wall, crypto })
  expect(certificate).toMatchObject({ name: 'den', caps: ['mesh', 'run', 'store', 'serve', 'auth', 'sign'] })
  const key = createPublicKey({ key: Buffer.from(membership.tlsKey), format: 'der', type: 'pkcs8' } as never)
  const spki = new Uint8Array(key.export({ format: 'der', type: 'spki' }))
  checkLeaf(membership.leaf, membership.ca, spki)
  expect(certificate.tls).toEqual(crypto.sha256(spki))
})

test('the recovery kit holds the root key as words, is private, and says what to do with it', async () => {
  const { genesis, kitFile, kitNotice } = await found(loadDeviceSeed(dir))
  expect(statSync(kitFile).mode & 0o777).toBe(0o600)
  expect(kitNotice).toContain(kitFile)
  const words = readFileSync(kitFile, 'utf8')
    .match(/^ {2}[a-z ]+$/gm)!
    .join(' ')
    .trim()
    .split(/\s+/)
  const root = deviceCrypto(mnemonicToEntropy(words.join(' '), wordlist))
  expect(root.publicKey).toEqual(genesis.root)
})

test('the root key is nowhere but in the recovery kit', async () => {
  const { kitFile } = await found(loadDeviceSeed(dir))
  const words = readFileSync(kitFile, 'utf8')
    .match(/^ {2}[a-z ]+$/gm)!
    .join(' ')
    .trim()
    .split(/\s+/)
    .join(' ')
  const seed = Buffer.from(mnemonicToEntropy(words, wordlist))
  for (const file of readdirSync(dir)) expect(readFileSync(join(dir, file)).includes(seed), file).toBe(false)
})

test('a second mesh of the same PC does not overwrite the recovery kit of the first', async () => {
  const seed = loadDeviceSeed(dir)
  const kits = [(await found(seed)).kitFile, (await found(seed)).kitFile]
  expect(new Set(kits).size).toBe(2)
  expect(kits.every((kit) => existsSync(kit))).toBe(true)
})

test('names that no screen should show are made fit', async () => {
  const seed = loadDeviceSeed(dir)
  const { genesis } = await foundMesh({
    dir,
    deviceSeed: seed,
    meshName: `  ${'ü'.repeat(60)}\n`,
    peerName: '\u0007',
    host: '',
    ips: [],
    wall
  })
  expect(genesis.name).toBe('ü'.repeat(32))
  expect(openMembership(loadMembership(dir)!, seed).certificate.name).toBe('PC')
})

test('leaving forgets the membership and keeps the device key', async () => {
  const seed = loadDeviceSeed(dir)
  await found(seed)
  forgetMembership(dir)
  forgetMembership(dir)
  expect(loadMembership(dir)).toBeUndefined()
  expect(loadDeviceSeed(dir)).toEqual(seed)
})

test('a damaged membership is an error with a way out, not a new mesh', async () => {
  await found(loadDeviceSeed(dir))
  const path = join(dir, 'membership.cbor')
  const bytes = readFileSync(path)
  for (const damaged of [bytes.subarray(0, 40), Buffer.alloc(0), Buffer.alloc(100_000)]) {
    writeFileSync(path, damaged)
    expect(() => loadMembership(dir)).toThrow(/membership.cbor/)
  }
})

test('the membership of another device is refused', async () => {
  const { membership } = await found(loadDeviceSeed(dir))
  expect(() => openMembership(membership, new Uint8Array(32).fill(5))).toThrow(/omega leave/)
})

test('a write that fails leaves the old membership and no rubbish', async () => {
  const { membership } = await found(loadDeviceSeed(dir))
  const path = join(dir, 'membership.cbor')
  rmSync(path)
  mkdirSync(path)
  writeFileSync(join(path, 'in-the-way'), '')
  const before = readdirSync(dir).sort()
  expect(() => saveMembership(dir, membership)).toThrow(/cannot write/)
  expect(readdirSync(dir).sort()).toEqual(before)
})

test('a host name becomes a label that TLS names can carry, or nothing', () => {
  expect(hostLabel('Den.example.org')).toBe('den')
  expect(hostLabel('my_pc')).toBe('')
  expect(hostLabel('')).toBe('')
  expect(hostLabel('a'.repeat(63))).toHaveLength(63)
  expect(hostLabel('a'.repeat(64))).toBe('')
})
