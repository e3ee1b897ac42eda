import 'reflect-metadata'
import { execFile } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import { beforeAll, expect, test } from 'vitest'
import { MeshError } from '../../../protocols/errors.ts'
import {
  certificatePem,
  checkLeaf,
  fingerprint,
  isLanAddress,
  issueLeaf,
  LEAF_LIFE_MS,
  leafNeedsRenewal,
  makeMeshCa,
  makeTlsKey,
  privateKeyPem
} from '../../../node/security/mesh-ca.ts'
import type { MeshCa } from '../../../node/security/mesh-ca.ts'

const DAY_MS = 86_400_000
const wall = Date.now()
const names = { host: 'den', ips: ['192.168.1.5', '10.1.2.3', 'fd00::5', '100.64.0.9'] }
let ca: MeshCa
let tls: Awaited<ReturnType<typeof makeTlsKey>>
let leaf: Uint8Array
beforeAll(async () => {
  ca = await makeMeshCa('home', wall)
  tls = await makeTlsKey()
  leaf = await issueLeaf(ca, { name: 'den', ...names, spki: tls.spki, wall })
})

async function opensslVerifies(certificate: Uint8Array): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'omega-ca-'))
  try {
    await writeFile(join(dir, 'ca.pem'), certificatePem(ca.ca))
    await writeFile(join(dir, 'leaf.pem'), certificatePem(certificate))
    const args = [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      join(dir, 'ca.pem'),
      join(dir, 'leaf.pem')
    ]
    const { stdout } = await promisify(execFile)('openssl', args).catch((error: { stderr: string }) => ({
      stdout: error.stderr
    }))
    return stdout
  } finally {
    await rm(dir, { recursive: true })
  }
}

test('openssl accepts the chain under its strict rules', async () => {
  expect(await opensslVerifies(leaf)).toMatch(/: OK$/m)
})

test('the CA can vouch for nothing outside of a LAN', async () => {
  const publicKey = await crypto.subtle.importKey(
    'spki',
    new Uint8Array(tls.spki),
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    ['verify']
  )
  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    new Uint8Array(ca.caKey),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign']
  )
  const forge = async (type: 'dns' | 'ip', value: string): Promise<Uint8Array> => {
    const made = await x509.X509CertificateGenerator.create({
      issuer: new x509.X509Certificate(new Uint8Array(ca.ca)).subjectName,
      subject: 'CN=x',
      notBefore: new Date(wall - DAY_MS),
      notAfter: new Date(wall + DAY_MS),
      publicKey,
      signingKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [new x509.SubjectAlternativeNameExtension([{ type, value }])]
    })
    return new Uint8Array(made.rawData)
  }
  for (const [type, value] of [
    ['dns', 'bank.example'],
    ['dns', 'notlocal'],
    ['ip', '8.8.8.8'],
    ['ip', '172.32.0.1'],
    ['ip', '2001:db8::1']
  ] as const) {
    expect(await opensslVerifies(await forge(type, value)), value).toMatch(/permitted subtree violation/)
  }
  for (const [type, value] of [
    ['dns', 'den.local'],
    ['ip', '172.31.0.1'],
    ['ip', '127.0.0.9'],
    ['ip', 'fe80::1']
  ] as const) {
    expect(await opensslVerifies(await forge(type, value)), value).not.toMatch(/subtree/)
  }
})

test('a leaf names the PC, its LAN addresses and localhost, and leaves public addresses out', async () => {
  const certificate = new X509Certificate(
    await issueLeaf(ca, { name: 'den', host: 'den', ips: ['8.8.8.8', '192.168.1.5'], spki: tls.spki, wall })
  )
  for (const host of ['localhost', 'omega.local', 'den.local', 'den.lan'])
    expect(certificate.checkHost(host)).toBe(host)
  for (const ip of ['127.0.0.1', '::1', '192.168.1.5']) expect(certificate.checkIP(ip)).toBe(ip)
  expect(certificate.checkIP('8.8.8.8')).toBeUndefined()
  expect(certificate.subject).toBe('CN=Omega on den')
  expect(certificate.ca).toBe(false)
})

test('TLS 1.3 works by address and by name for whoever trusts the CA, and fails for who does not', async () => {
  const server = createServer({ key: privateKeyPem(tls.tlsKey), cert: certificatePem(leaf) }, (_request, response) =>
    response.end('here')
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const ask = (host: string, trusted?: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ host, port, ca: trusted, family: 4, minVersion: 'TLSv1.3', agent: false }, (response) => {
        response.setEncoding('utf8').once('data', resolve)
      }).once('error', reject)
    })
  try {
    expect(await ask('127.0.0.1', certificatePem(ca.ca))).toBe('here')
    expect(await ask('localhost', certificatePem(ca.ca))).toBe('here')
    await expect(ask('localhost')).rejects.toThrow()
    await expect(ask('localhost', certificatePem((await makeMeshCa('other', wall)).ca))).rejects.toThrow()
  } finally {
    server.close()
  }
})

test('a leaf is renewed from day ten, and when an address or the host name changed', () => {
  expect(leafNeedsRenewal(leaf, names, wall)).toBe(false)
  expect(leafNeedsRenewal(leaf, { ...names, ips: ['192.168.1.5', '8.8.8.8', 'fe80::1'] }, wall)).toBe(false)
  expect(leafNeedsRenewal(leaf, { ...names, ips: ['192.168.1.6'] }, wall)).toBe(true)
  expect(leafNeedsRenewal(leaf, { ...names, host: 'attic' }, wall)).toBe(true)
  expect(leafNeedsRenewal(leaf, names, wall + 10 * DAY_MS + 1000)).toBe(true)
  expect(new X509Certificate(leaf).validToDate.getTime()).toBeLessThanOrEqual(wall + LEAF_LIFE_MS)
})

test('a key that is no P-256 key is not certified', async () => {
  await expect(issueLeaf(ca, { name: 'x', ...names, spki: new Uint8Array(91), wall })).rejects.toThrow(MeshError)
  await expect(issueLeaf(ca, { name: 'x', ...names, spki: tls.spki.slice(0, 80), wall })).rejects.toThrow(/no P-256/)
})

test('a newcomer keeps a leaf only when this CA signed it for its own key', async () => {
  checkLeaf(leaf, ca.ca, tls.spki)
  const [otherCa, otherKey] = [await makeMeshCa('home', wall), await makeTlsKey()]
  expect(() => checkLeaf(leaf, otherCa.ca, tls.spki)).toThrow(/not by the mesh CA/)
  expect(() => checkLeaf(leaf, ca.ca, otherKey.spki)).toThrow(/not for this PC/)
  expect(() => checkLeaf(leaf, leaf, tls.spki)).toThrow(MeshError)
  expect(() => checkLeaf(new Uint8Array(20), ca.ca, tls.spki)).toThrow(/cannot be read/)
})

test('the fingerprint is the one that browsers and openssl show', () => {
  expect(fingerprint(ca.ca)).toBe(new X509Certificate(ca.ca).fingerprint256)
})

test('the kept key and the certified key are one pair', () => {
  const spki = createPublicKey(privateKeyPem(tls.tlsKey)).export({ format: 'der', type: 'spki' })
  expect(new Uint8Array(spki)).toEqual(tls.spki)
})

test('LAN addresses are told from others', () => {
  for (const ip of ['10.0.0.1', '172.31.9.9', '192.168.0.1', '100.64.1.1', '127.0.0.1', 'fd12::1', '::1'])
    expect(isLanAddress(ip), ip).toBe(true)
  for (const ip of ['8.8.8.8', '172.32.0.1', '2001:db8::1', 'fe80::1', 'den.local', ''])
    expect(isLanAddress(ip), ip).toBe(false)
})
