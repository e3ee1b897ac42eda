/** Doors of a memory peer on free ports of loopback, with a certificate made here, and clients for each door. */
import { webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { createDoors } from '../../../node/http/doors.ts'
import type { Doors, DoorsOptions } from '../../../node/http/doors.ts'
import type { TlsFiles } from '../../../node/http/listeners.ts'
import type { Log } from '../../../protocols/ports.ts'
import { MemoryPeer } from './memory-peer.ts'

export const PASSWORD = 'correct horse battery'
/** The smallest that the algorithm allows: tests are about the doors, not about the cost. */
export const CHEAP = { memoryKiB: 8, passes: 1 }

/** What a test expects of an answer, it says there: no type is claimed here. */
export type Json = ReturnType<typeof JSON.parse>

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  json: Json
}

export class TestDoors {
  readonly doors: Doors
  readonly api: MemoryPeer
  readonly log: Log & { lines: { phrase: string; fields: Record<string, unknown> }[] }
  readonly ca: string

  constructor(doors: Doors, api: MemoryPeer, log: TestDoors['log'], ca: string) {
    this.doors = doors
    this.api = api
    this.log = log
    this.ca = ca
  }

  get httpsOrigin() {
    return `https://localhost:${this.doors.ports.https}`
  }
  get loopbackOrigin() {
    return `http://localhost:${this.doors.ports.local}`
  }

  /** As the PC's own user. */
  local(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return ask({ socketPath: this.doors.socketPath, method, path, headers }, body)
  }

  /** As a page of the HTTPS door, or with other headers. */
  https(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const all = { origin: this.httpsOrigin, ...headers }
    return ask({ host: 'localhost', port: this.doors.ports.https, ca: this.ca, method, path, headers: all }, body)
  }

  /** As a program. */
  withoutOrigin(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    return ask({ host: 'localhost', port: this.doors.ports.https, ca: this.ca, method, path, headers }, body)
  }

  /** As a page of the loopback door. */
  loopback(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const all = { origin: this.loopbackOrigin, ...headers }
    return ask(
      {
        host: '127.0.0.1',
        port: this.doors.ports.local,
        method,
        path,
        headers: { host: `localhost:${this.doors.ports.local}`, ...all }
      },
      body
    )
  }

  /** Makes the first account and gives its cookie header. */
  async firstAdmin(name = 'ada'): Promise<string> {
    const token = this.doors.firstRunLink()!.split('#first-run=')[1]
    const answer = await this.https('POST', '/api/v1/auth/first-run', { token, name, password: PASSWORD })
    if (answer.status !== 200) throw new Error(answer.text)
    return cookieOf(answer)
  }

  /** Adds a person and gives the cookie header. */
  async person(name: string, role: string): Promise<string> {
    const added = await this.local('POST', '/api/v1/users', { name, role })
    const token = added.json.link.split(':').at(-1)
    const answer = await this.https('POST', '/api/v1/auth/set-password', { name, token, password: PASSWORD })
    if (answer.status !== 200) throw new Error(answer.text)
    return cookieOf(answer)
  }
}

const opened: (() => Promise<void>)[] = []

/** Call in afterEach. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0)) await close()
}

export async function openDoors(some: Partial<DoorsOptions> & { api?: MemoryPeer } = {}): Promise<TestDoors> {
  const dataDir = mkdtempSync(join(tmpdir(), 'omega-doors-'))
  const api = some.api ?? new MemoryPeer()
  const log = memoryLog()
  const tls = await testCertificate()
  try {
    const doors = await createDoors({
      dataDir,
      uiDir: join(dataDir, 'no-page'),
      port: 0,
      bind: '127.0.0.1',
      localPort: 0,
      tls: () => tls,
      tlsEnabled: true,
      log,
      version: '0.0.0',
      hostNames: () => ['den', '192.0.2.7'],
      defaultPorts: { port: true, localPort: true },
      argon2: CHEAP,
      ...some,
      api
    })
    opened.push(async () => {
      await doors.close()
      rmSync(dataDir, { recursive: true, force: true })
    })
    return new TestDoors(doors, api, log, tls.ca)
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true })
    throw error
  }
}

export function cookieOf(answer: Answer): string {
  const cookie = answer.headers['set-cookie']?.[0]
  if (cookie === undefined) throw new Error(`no cookie in ${answer.status} ${answer.text}`)
  return cookie.split(';')[0]!
}

export function memoryLog(): TestDoors['log'] {
  const lines: { phrase: string; fields: Record<string, unknown> }[] = []
  const take = (phrase: string, fields: Record<string, unknown> = {}) => void lines.push({ phrase, fields })
  return { lines, debug: take, info: take, warn: take, error: take }
}

let certificate: Promise<TlsFiles> | undefined
export function testCertificate(): Promise<TlsFiles> {
  return (certificate ??= makeCertificate())
}

export async function makeCertificate(): Promise<TlsFiles> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test',
    keys,
    signingAlgorithm: algorithm,
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
      new x509.BasicConstraintsExtension(true)
    ]
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`
  return { key, cert: cert.toString('pem'), ca: cert.toString('pem') }
}

function ask(options: RequestOptions & { ca?: string }, body: unknown): Promise<Answer> {
  const payload = body === undefined || Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body)
  const headers = {
    ...(typeof body === 'object' && !Buffer.isBuffer(body) && { 'content-type': 'application/json' }),
    ...options.headers
  }
  return new Promise((done, fail) => {
    const send = options.ca === undefined ? httpRequest : httpsRequest
    const request = send(
      { ...options, headers, agent: false, servername: 'localhost' } as RequestOptions,
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', fail)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          const isJson =
            response.headers['content-type']?.includes('json') && !response.headers['content-type'].includes('ndjson')
          done({
            status: response.statusCode!,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : undefined
          })
        })
      }
    )
    request.once('error', fail)
    request.end(payload)
  })
}
