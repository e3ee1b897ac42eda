import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import {
  CERT_LIFE_MS,
  certificateNeedsRenewal,
  DAY_MS,
  makeDelegation,
  readCertificate,
  renewCertificate,
  verifyCertificate
} from '../../../protocols/joining/index.ts'
import { sealRecord } from '../../../protocols/joining/signed.ts'
import { device, fill, testMesh, WALL } from './fixtures.ts'

const mesh = testMesh()
const den = device(5)
const cert = mesh.issue(den)
const { crypto } = den
const input = { genesis: mesh.genesis, device: den.peer, wall: WALL, crypto }

function errorOf(run: () => unknown): MeshError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
    return error as MeshError
  }
  throw new Error('nothing was refused')
}

/** A certificate with any fields, properly signed by the first PC. */
function signedWith(fields: Record<string, unknown>): Uint8Array {
  return sealRecord('omega-cert-v1\0', { ...readCertificate(cert), ...fields }, mesh.first.crypto.sign)
}

test('a certificate is accepted for its device, in its mesh, during its life', () => {
  const verified = verifyCertificate(cert, input)
  expect(verified.peer).toBe(den.peer)
  expect(verified.signed).toBe(cert)
  expect(verified.certificate).toMatchObject({
    name: 'den',
    caps: ['mesh', 'run', 'store', 'serve'],
    nbf: WALL,
    exp: WALL + CERT_LIFE_MS
  })
  expect(verifyCertificate(cert, { ...input, wall: WALL + CERT_LIFE_MS }).peer).toBe(den.peer)
})

test('clocks may be ten minutes apart at both ends, and no more', () => {
  const tenMinutes = 600_000
  expect(verifyCertificate(cert, { ...input, wall: WALL - tenMinutes }).peer).toBe(den.peer)
  expect(verifyCertificate(cert, { ...input, wall: WALL + CERT_LIFE_MS + tenMinutes }).peer).toBe(den.peer)
  expect(errorOf(() => verifyCertificate(cert, { ...input, wall: WALL - tenMinutes - 1 })).code).toBe('CLOCK_SKEW')
  expect(errorOf(() => verifyCertificate(cert, { ...input, wall: WALL + CERT_LIFE_MS + tenMinutes + 1 })).code).toBe(
    'CERT_INVALID'
  )
})

test('an expired certificate says how long ago, and what to do', () => {
  const error = errorOf(() => verifyCertificate(cert, { ...input, wall: WALL + CERT_LIFE_MS + 3 * DAY_MS }))
  expect(error.message).toMatch(/"den" expired 3 days ago.*renew it/)
})

test('an end that only this clock has passed is told as a wrong clock', () => {
  const wall = WALL + 400 * DAY_MS
  const error = errorOf(() => verifyCertificate(cert, { ...input, wall, theirWall: WALL + DAY_MS }))
  expect(error.code).toBe('CLOCK_SKEW')
  expect(error.message).toMatch(/differ by 399 days/)
  expect(errorOf(() => verifyCertificate(cert, { ...input, wall, theirWall: wall })).code).toBe('CERT_INVALID')
})

test('a clock from before the mesh was made is named as such', () => {
  const error = errorOf(() => verifyCertificate(cert, { ...input, wall: 0 }))
  expect(error.code).toBe('CLOCK_SKEW')
  expect(error.message).toMatch(/before the mesh was made/)
})

test('a certificate of another mesh is refused', () => {
  const other = testMesh(2)
  expect(errorOf(() => verifyCertificate(other.issue(den), input)).message).toMatch(/another mesh/)
})

test('a certificate that another device shows is refused', () => {
  expect(errorOf(() => verifyCertificate(cert, { ...input, device: device(6).peer })).message).toMatch(/belongs to/)
})

test('an issuer without a delegation from the root is refused', () => {
  const { root: otherRoot } = testMesh(2)
  const fields = { mesh: mesh.genesis.idBytes, device: mesh.first.key, nbf: WALL, exp: WALL + 100 * DAY_MS }
  const byOtherRoot = makeDelegation({ ...fields, caps: ['enrol'] }, otherRoot.sign)
  expect(errorOf(() => verifyCertificate(mesh.issue(den, { delegation: byOtherRoot }), input)).message).toMatch(/chain/)
  const forOther = makeDelegation({ ...fields, device: device(8).key, caps: ['enrol'] }, mesh.root.sign)
  expect(errorOf(() => verifyCertificate(mesh.issue(den, { delegation: forOther }), input)).message).toMatch(
    /another device/
  )
  const renewOnly = makeDelegation({ ...fields, caps: ['renew'] }, mesh.root.sign)
  expect(errorOf(() => verifyCertificate(mesh.issue(den, { delegation: renewOnly }), input)).message).toMatch(
    /may not enrol/
  )
  const short = makeDelegation({ ...fields, exp: WALL + DAY_MS, caps: ['enrol'] }, mesh.root.sign)
  expect(errorOf(() => verifyCertificate(mesh.issue(den, { delegation: short }), input)).message).toMatch(
    /outside of the time/
  )
})

test('a member cannot sign members: an issuer that names itself with a delegation of another is refused', () => {
  const self = sealRecord('omega-cert-v1\0', { ...readCertificate(cert), issuer: den.key }, den.crypto.sign)
  expect(errorOf(() => verifyCertificate(self, input)).message).toMatch(/another device than the issuer/)
  const stolen = sealRecord('omega-cert-v1\0', readCertificate(cert), den.crypto.sign)
  expect(errorOf(() => verifyCertificate(stolen, input)).message).toMatch(/signature/)
})

test('a life above 30 days, a missing "mesh" and a second delegation are refused', () => {
  expect(errorOf(() => verifyCertificate(signedWith({ exp: WALL + CERT_LIFE_MS + 1 }), input)).message).toMatch(
    /30 days/
  )
  expect(errorOf(() => verifyCertificate(signedWith({ exp: WALL - 1 }), input)).code).toBe('CERT_INVALID')
  expect(errorOf(() => verifyCertificate(signedWith({ caps: ['run'] }), input)).message).toMatch(/caps/)
  const chain = [mesh.delegation, mesh.delegation]
  expect(errorOf(() => verifyCertificate(signedWith({ chain }), input)).message).toMatch(/chain/)
})

test('an unknown field or capability is refused: the shape of a certificate is strict', () => {
  expect(errorOf(() => verifyCertificate(signedWith({ admin: true }), input)).code).toBe('CERT_INVALID')
  expect(errorOf(() => verifyCertificate(signedWith({ caps: ['mesh', 'everything'] }), input)).code).toBe(
    'CERT_INVALID'
  )
})

test('a signature made for another kind of record does not count', () => {
  const asInvite = sealRecord('omega-invite-v1\0', readCertificate(cert), mesh.first.crypto.sign)
  expect(errorOf(() => verifyCertificate(asInvite, input)).message).toMatch(/signature/)
})

test('renewal is due from day ten and keeps who the member is', () => {
  const current = readCertificate(cert)
  expect(certificateNeedsRenewal(current, WALL + 10 * DAY_MS - 1)).toBe(false)
  expect(certificateNeedsRenewal(current, WALL + 10 * DAY_MS)).toBe(true)
  const by = {
    genesis: mesh.genesis,
    issuer: mesh.first.key,
    delegation: mesh.delegation,
    serial: fill(16, 77),
    wall: WALL + 10 * DAY_MS
  }
  const renewed = renewCertificate(current, by, mesh.first.crypto.sign)
  const { certificate } = verifyCertificate(renewed, { ...input, wall: WALL + 35 * DAY_MS })
  expect(certificate).toEqual({ ...current, serial: fill(16, 77), nbf: WALL + 10 * DAY_MS, exp: WALL + 40 * DAY_MS })
})

test('no change of a byte and no cut of a certificate is accepted', () => {
  fc.assert(
    fc.property(fc.nat(cert.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = cert.slice()
      changed[at]! ^= flip
      expect(errorOf(() => verifyCertificate(changed, input)).code).toBe('CERT_INVALID')
      expect(errorOf(() => verifyCertificate(cert.slice(0, at), input)).code).toBe('CERT_INVALID')
    })
  )
})

test('random bytes and random CBOR are refused with CERT_INVALID', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 5000 }),
        fc.object().map((o) => new Uint8Array([...fill(64, 0), ...encodeCbor(o)]))
      ),
      (bytes) => {
        expect(errorOf(() => verifyCertificate(bytes, input)).code).toBe('CERT_INVALID')
      }
    )
  )
})
