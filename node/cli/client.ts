/**
 * How a command talks to a peer: the same API over the local socket of this PC's own peer, or over HTTPS to another with
 * `--url` and `--token`. Errors come back as MeshError with the peer's own words.
 */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { MeshErrorCode } from '../../protocols/errors.ts'
import { checkServerProof, localCredential, localSecret, localSocketPath } from '../http/local-socket.ts'
import type { StatusView } from '../http/views.ts'

export interface Target {
  dataDir: string
  url?: string
  token?: string
  /** File with the CA of the other mesh; default is the CA of the mesh this PC is in. */
  ca?: string
}

/** Commands that need a mesh wait this long for it. */
const WAIT_MS = 30_000

export class Client {
  readonly target: Target

  constructor(target: Target) {
    this.target = target
  }

  async get<T>(path: string): Promise<T> {
    return await this.#json<T>('GET', path)
  }
  async post<T>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<T> {
    return await this.#json<T>('POST', path, body, headers)
  }
  async put<T>(path: string, body: unknown): Promise<T> {
    return await this.#json<T>('PUT', path, body)
  }
  async delete<T>(path: string): Promise<T> {
    return await this.#json<T>('DELETE', path)
  }

  /** True when the path answers 2xx. */
  async has(path: string): Promise<boolean> {
    const response = await this.#send('HEAD', path, {})
    response.resume()
    return (response.statusCode ?? 500) < 300
  }

  async upload(path: string, content: Readable): Promise<void> {
    const response = await this.#send('PUT', path, { 'content-type': 'application/octet-stream' }, content)
    await readJson(response)
  }

  /** The response body as it comes. */
  async stream(path: string): Promise<Readable> {
    const response = await this.#send('GET', path, {})
    if ((response.statusCode ?? 500) >= 300) await readJson(response)
    return response
  }

  /** Waits until the peer is a member of a mesh. */
  async active(): Promise<StatusView> {
    const deadline = Date.now() + WAIT_MS
    for (;;) {
      const status = await this.#statusOrStarting()
      if (status?.phase === 'active') return status
      if (Date.now() > deadline) {
        const text =
          status?.phase === 'looking'
            ? 'it looks for a mesh: accept its offer, or run `omega up --new`'
            : `it is ${status?.phase ?? 'starting'}`
        throw new MeshError('NOT_ACTIVE', `the peer on this PC has no mesh after ${WAIT_MS / 1000} s: ${text}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Options for `ws`, which opens WebSockets of the same door. */
  webSocket(path: string): { url: string; options: object } {
    if (this.target.url !== undefined) {
      return {
        url: this.target.url.replace(/^http/, 'ws').replace(/\/$/, '') + path,
        options: { ca: this.#ca(), headers: this.#headers() }
      }
    }
    const socketPath = localSocketPath(this.target.dataDir)
    return {
      url: `ws://localhost${path}`,
      options: { createConnection: () => connect(socketPath), headers: this.#headers() }
    }
  }

  async #statusOrStarting(): Promise<StatusView | undefined> {
    try {
      return await this.get<StatusView>('/api/v1/status')
    } catch (error) {
      if (
        error instanceof MeshError &&
        error.code === 'PEER_UNREACHABLE' &&
        this.target.url === undefined &&
        isStarting(this.target.dataDir)
      )
        return undefined
      throw error
    }
  }

  async #json<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const typed = payload === undefined ? headers : { ...headers, 'content-type': 'application/json' }
    return (await readJson(await this.#send(method, path, typed, payload))) as T
  }

  async #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: Buffer | Readable
  ): Promise<IncomingMessage> {
    const { url, dataDir } = this.target
    const options: RequestOptions = { method, headers: { ...this.#headers(), ...headers } }
    if (Buffer.isBuffer(body)) (options.headers as Record<string, string>)['content-length'] = String(body.length)
    let request: ClientRequest
    if (url === undefined) {
      request = httpRequest({ ...options, socketPath: localSocketPath(dataDir), path })
    } else {
      const https = await import('node:https')
      const target = new URL(path, url)
      request =
        target.protocol === 'https:'
          ? https.request(target, { ...options, ca: this.#ca() })
          : httpRequest(target, options)
    }
    return await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', (response) => {
        const proof = this.#credential === undefined ? undefined : response.headers['omega-local-proof']
        if (
          this.#credential !== undefined &&
          !checkServerProof(localSecret(dataDir), this.#credential, String(proof))
        ) {
          return reject(new MeshError('DENIED', "what answers on the local pipe is not this PC's peer"))
        }
        resolve(response)
      })
      request.once('error', (error) => reject(this.#unreachable(error)))
      if (body === undefined || Buffer.isBuffer(body)) request.end(body)
      else body.once('error', (error) => request.destroy(error)).pipe(request)
    })
  }

  #credential: string | undefined

  #headers(): Record<string, string> {
    const { url, token, dataDir } = this.target
    if (url !== undefined) return token === undefined ? {} : { authorization: `Bearer ${token}` }
    if (process.platform !== 'win32') return {}
    this.#credential = localCredential(localSecret(dataDir), Date.now())
    return { authorization: `Local ${this.#credential}` }
  }

  #ca(): string | undefined {
    const file = this.target.ca ?? join(this.target.dataDir, 'mesh-ca.pem')
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return undefined
    }
  }

  #unreachable(error: Error): MeshError {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (this.target.url !== undefined) {
      const certificate = /CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code)
      const way = certificate
        ? 'give the CA of that mesh with --ca FILE (its page offers it under Add a PC)'
        : 'is the peer running, and the address right?'
      return new MeshError(
        'PEER_UNREACHABLE',
        `${this.target.url} cannot be reached (${code || error.message}): ${way}`,
        { cause: error }
      )
    }
    if (code === 'EACCES')
      return new MeshError('DENIED', `the peer of ${this.target.dataDir} belongs to another user`, { cause: error })
    return new MeshError(
      'PEER_UNREACHABLE',
      `no peer runs on this PC (data folder ${this.target.dataDir}); start it with \`omega up\``,
      { cause: error }
    )
  }
}

/** True while a peer of this data folder is on its way up: its process lives, its socket does not answer yet. */
function isStarting(dataDir: string): boolean {
  try {
    process.kill(Number(readFileSync(join(dataDir, 'peer.pid'), 'utf8')), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  const status = response.statusCode ?? 500
  let body: unknown
  try {
    body = text === '' ? null : JSON.parse(text)
  } catch (cause) {
    throw new MeshError('WIRE_INVALID', `the peer answered ${status} with something that is not JSON`, { cause })
  }
  if (status < 300) return body
  const error = (body as { error?: { code?: string; message?: string } } | null)?.error
  throw new MeshError((error?.code ?? 'DENIED') as MeshErrorCode, error?.message ?? `the peer answered ${status}`)
}
