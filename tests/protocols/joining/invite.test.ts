import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MeshError } from '../../../protocols/errors.ts'
import { INVITE_PREFIX, inviteId, inviteKey, makeInvite, parseInvite } from '../../../protocols/joining/index.ts'
import { fromBase64Url, toBase64Url } from '../../../protocols/joining/invite.ts'
import { sealRecord } from '../../../protocols/joining/signed.ts'
import { fill, testMesh, WALL } from './fixtures.ts'

const mesh = testMesh()
const { crypto, key } = { crypto: mesh.first.crypto, key: mesh.first.key }
const fields = {
  meshId: mesh.genesis.idBytes,
  meshName: 'home',
  signer: key,
  secret: fill(16, 4),
  exp: WALL + 3_600_000,
  uses: 2,
  addresses: ['192.168.1.5:7778', 'den.local:7778']
}
const text = makeInvite(fields, crypto.sign)

function refusal(line: string, wall = WALL): string {
  try {
    parseInvite(line, wall, crypto)
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
    expect((error as MeshError).code).toBe('INVITE_INVALID')
    return (error as MeshError).message
  }
  throw new Error('the invite was accepted')
}

test('an invite brings back what went in', () => {
  const { meshId: _id, ...rest } = fields
  expect(parseInvite(text, WALL, crypto)).toEqual({ ...rest, mesh: mesh.genesis.id })
  expect(parseInvite(`  ${text}\n`, WALL, crypto).uses).toBe(2)
})

test('an invite is one line below 600 characters, with the longest name and four IPv6 addresses', () => {
  const addresses = Array.from({ length: 4 }, (_, i) => `[fd12:3456:789a:bcde:f012:3456:789a:bcd${i}]:7778`)
  const longest = makeInvite({ ...fields, meshName: 'x'.repeat(64), uses: 1000, addresses }, crypto.sign)
  expect(longest.length).toBeLessThan(600)
  expect(longest).toMatch(/^omega-invite:[A-Za-z0-9_-]+$/)
  expect(makeInvite({ ...fields, addresses: fields.addresses.slice(0, 1) }, crypto.sign).length).toBeLessThan(320)
})

test('what is no invite, cut short, changed or made up is named', () => {
  expect(refusal('hello')).toMatch(/must begin with "omega-invite:"/)
  expect(refusal(text.slice(0, 100))).toMatch(/cut short/)
  expect(refusal(text.slice(0, -4))).toMatch(/cut short|garbled/)
  expect(refusal(`${text.slice(0, 60)} ${text.slice(60)}`)).toMatch(/characters that no invite has/)
  expect(refusal(INVITE_PREFIX + 'A'.repeat(2000))).toMatch(/at most/)
  const byAnother = testMesh(2).first.crypto
  expect(refusal(makeInvite(fields, byAnother.sign))).toMatch(/signature/)
})

test('another address cannot be put into an invite', () => {
  const line = makeInvite({ ...fields, addresses: ['10.0.0.1:7778'] }, crypto.sign)
  const bytes = fromBase64Url(line.slice(INVITE_PREFIX.length))!
  bytes[bytes.length - 2] = '9'.charCodeAt(0)
  expect(refusal(INVITE_PREFIX + toBase64Url(bytes))).toMatch(/signature/)
})

test('an expired invite says since when, with ten minutes of slack for the clock', () => {
  expect(parseInvite(text, fields.exp + 600_000, crypto).uses).toBe(2)
  expect(refusal(text, fields.exp + 600_001)).toMatch(/expired 11 minutes ago/)
})

test('fields outside of their bounds are refused although they are signed', () => {
  const seal = (record: unknown): string =>
    INVITE_PREFIX + toBase64Url(sealRecord('omega-invite-v1\0', record, crypto.sign))
  const good = [1, mesh.genesis.idBytes, 'home', key, fill(16, 4), 1_800_000_000, 1, ['h:1']]
  expect(parseInvite(seal(good), WALL, crypto).addresses).toEqual(['h:1'])
  for (const [at, value] of [
    [0, 2],
    [2, 'a\nb'],
    [4, fill(15, 1)],
    [6, 0],
    [6, 1e6],
    [7, ['h 1']],
    [7, Array(5).fill('h:1')]
  ] as const) {
    refusal(seal(good.with(at, value as never)))
  }
})

test('id and key of an invite come from its secret and are not it', () => {
  const secret = fill(16, 4)
  expect(inviteId(secret, crypto)).toHaveLength(8)
  expect(inviteId(secret, crypto)).not.toEqual(inviteId(fill(16, 5), crypto))
  expect(inviteKey(secret, crypto).slice(0, 8)).not.toEqual(inviteId(secret, crypto))
})

test('base64url carries any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes)
    })
  )
  expect(fromBase64Url('a+b/')).toBeUndefined()
})

test('no text makes the parser throw anything but INVITE_INVALID', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (line) => void refusal(line)))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void refusal(INVITE_PREFIX + toBase64Url(bytes))))
  fc.assert(
    fc.property(
      fc.integer({ min: INVITE_PREFIX.length, max: text.length - 1 }),
      (at) => void refusal(text.slice(0, at))
    )
  )
})
