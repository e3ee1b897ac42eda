/**
 * A peer that only speaks: the API of node/http/views.ts over a made-up mesh, with the real security headers, for tests of
 * the page and for working on it. `node tests/ui/fake-peer.ts office 8100` serves build/ui.
 */
import { createReadStream, existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer, type WebSocket } from 'ws'
import type { LiveDelta, LiveSnapshot, SessionView, TieView } from '../../node/http/views.ts'
import { SECURITY_HEADERS } from '../../node/security/headers.ts'
import { fakeMesh, type FakeMesh, type Scenario } from './fake-mesh.ts'

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2'
}
export const PASSWORD = 'correct horse battery'
export const TOKEN = 'first-run-token-of-the-fake'

export interface Options {
  scenario: Scenario
  dir: string
  port?: number
  /** Where the page goes when this peer dies. */
  others?: { peerId: string; name: string; url: string }[]
  /** How often readings move; 0 is never, so that pictures are alike. */
  tickMs?: number
  role?: 'admin' | 'user' | 'viewer'
  /** Origins that the page may try by itself; a peer's health may then be asked from elsewhere. */
  mayTry?: string[]
}

export class FakePeer {
  readonly mesh: FakeMesh
  /** What the page asked for, for tests: "POST /sessions". */
  readonly asked: { what: string; body: unknown }[] = []
  readonly tickets: string[] = []
  tie: TieView = { rule: 'runner', anchor: null, witnesses: [] }
  /** Answers of these paths fail with this message. */
  readonly failing = new Map<string, string>()
  others: NonNullable<Options['others']>
  url = ''
  #server: Server
  #sockets = new Set<WebSocket>()
  #seq = 0
  #timer: ReturnType<typeof setInterval> | undefined
  #options: Options

  private constructor(options: Options) {
    this.#options = options
    this.others = options.others ?? []
    this.mesh = fakeMesh(options.scenario)
    this.#server = createServer((request, response) => void this.#answer(request, response))
    const live = new WebSocketServer({ noServer: true })
    this.#server.on('upgrade', (request, socket, head) => {
      if (!signedIn(request)) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
      live.handleUpgrade(request, socket, head, (client) => {
        this.#sockets.add(client)
        client.on('message', () => client.send(JSON.stringify(this.#snapshot())))
        client.on('close', () => this.#sockets.delete(client))
        client.send(JSON.stringify(this.#snapshot()))
      })
    })
  }

  static async start(options: Options): Promise<FakePeer> {
    const peer = new FakePeer(options)
    await new Promise<void>((resolve) => peer.#server.listen(options.port ?? 0, '127.0.0.1', resolve))
    peer.url = `http://127.0.0.1:${(peer.#server.address() as AddressInfo).port}`
    const tickMs = options.tickMs ?? 1000
    if (tickMs > 0) {
      peer.#timer = setInterval(() => {
        peer.mesh.step()
        peer.change({ nodes: peer.mesh.nodes })
      }, tickMs)
    }
    return peer
  }

  change(delta: Omit<LiveDelta, 't' | 'seq'>): void {
    const text = JSON.stringify({ t: 'delta', seq: ++this.#seq, ...delta })
    for (const socket of this.#sockets) socket.send(text)
  }

  setSession(session: SessionView): void {
    this.mesh.sessions = [session, ...this.mesh.sessions.filter((s) => s.id !== session.id)]
    this.change({ sessions: [session] })
  }

  /** As a power cut: nothing is said. */
  async kill(): Promise<void> {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.terminate()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #snapshot(): LiveSnapshot {
    const { status, nodes, sessions, events } = this.mesh
    return {
      t: 'snapshot',
      seq: this.#seq,
      status,
      nodes,
      sessions,
      events,
      handover: { ticket: `ticket-of-${status.name}`, urls: this.others }
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://fake').pathname
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    const { mayTry } = this.#options
    if (mayTry && path === '/')
      response.setHeader(
        'content-security-policy',
        SECURITY_HEADERS['content-security-policy']?.replace(/(connect-src 'self') https:/, `$1 ${mayTry.join(' ')}`) ??
          ''
      )
    if (mayTry && path === '/health') response.setHeader('cross-origin-resource-policy', 'cross-origin')
    if (path === '/health')
      return json(response, this.mesh.status.phase === 'active' ? 200 : 503, { state: this.mesh.status.phase })
    if (!path.startsWith('/api/v1/')) return file(this.#options.dir, path, response)
    const what = `${request.method} ${path.slice('/api/v1'.length)}`
    const body: unknown = JSON.parse((await text(request)) || 'null')
    this.asked.push({ what, body })
    const failure = this.failing.get(what)
    if (failure) return json(response, 409, { error: { code: 'NO_CANDIDATE', message: failure } })
    this.#route(what, (body ?? {}) as Record<string, string>, request, response)
  }

  #route(what: string, body: Record<string, string>, request: IncomingMessage, response: ServerResponse): void {
    const { mesh } = this
    const user = { name: 'anna', role: this.#options.role ?? 'admin' }
    const enter = () => json(response, 200, user, { 'set-cookie': 'omega=1; Path=/; HttpOnly; SameSite=Strict' })
    const denied = (message: string) => json(response, 403, { error: { code: 'BAD_LOGIN', message } })
    if (what === 'POST /auth/login')
      return body['password'] === PASSWORD ? enter() : denied('name or password is wrong')
    if (what === 'POST /auth/first-run') return body['token'] === TOKEN ? enter() : denied('this link is used up')
    if (what === 'POST /auth/handover') {
      const ticket = String(body['ticket'])
      if (!ticket.startsWith('ticket-of-') || this.tickets.includes(ticket))
        return denied('the hand-over ticket is refused: it was used already; sign in')
      this.tickets.push(ticket)
      return enter()
    }
    const newcomer = request.headers['omega-first-run'] === TOKEN
    if (!signedIn(request) && !newcomer)
      return json(response, 401, { error: { code: 'UNAUTHENTICATED', message: 'sign in first' } })
    if (what === 'POST /auth/logout') return json(response, 204, null, { 'set-cookie': 'omega=; Path=/; Max-Age=0' })
    if (what === 'GET /me') return json(response, 200, { ...user, via: 'browser' })
    if (what === 'GET /status') return json(response, 200, mesh.status)
    if (/^POST \/(found|join|offers\/\w+\/accept)$/.test(what)) {
      const fresh = fakeMesh('alone')
      Object.assign(mesh, { nodes: fresh.nodes, events: fresh.events, status: fresh.status })
      return json(response, 200, mesh.status)
    }
    if (what === 'POST /invites')
      return json(response, 201, {
        invite: `omega-invite:${'Q2x1c3Rlcg'.repeat(24)}`,
        expiresAt: Date.now() + 86_400_000,
        uses: body['uses']
      })
    if (what === 'POST /door' || what === 'DELETE /door') {
      const self = mesh.status
      const knocks = [
        {
          name: 'newcomer',
          words: 'apple river stone candle window forest',
          platform: 'linux x64',
          state: 'waiting' as const
        }
      ]
      mesh.status = {
        ...self,
        doors: what.startsWith('POST')
          ? [{ peerId: self.peerId, name: self.name, untilMs: Date.now() + 600_000, knocks }]
          : []
      }
      this.change({ status: mesh.status })
      return json(response, 200, mesh.status)
    }
    const pause = /^POST \/nodes\/(\w+)\/(pause|resume)$/.exec(what) ?? /^POST (\/)(pause|resume)$/.exec(what)
    if (pause) return this.#pause(pause[2] === 'pause', response)
    if (what.startsWith('GET /nodes/')) {
      const detail = mesh.detail(decodeURIComponent(what.slice('GET /nodes/'.length)))
      return detail
        ? json(response, 200, detail)
        : json(response, 404, { error: { code: 'UNKNOWN_NODE', message: 'no PC of this mesh has that id or name' } })
    }
    if (what === 'PUT /tie')
      this.tie = { ...this.tie, rule: body['rule'] as TieView['rule'], anchor: body['anchor'] ?? null }
    if (what.endsWith(' /tie')) return json(response, 200, this.tie)
    if (what === 'POST /sessions') return this.#create(body, response)
    const session = mesh.sessions.find((s) => what.includes(s.id))
    if (!session)
      return json(response, 404, {
        error: { code: 'UNKNOWN_SESSION', message: 'no keeper knows a session with that id' }
      })
    if (what.startsWith('DELETE')) {
      const stopped = {
        ...session,
        state: 'stopped' as const,
        reason: 'stopped by anna',
        endedAt: Date.now(),
        exit: { code: null, signal: 'TERM' }
      }
      this.setSession(stopped)
      return json(response, 202, stopped)
    }
    if (what.endsWith('/takeover') && session.strict) {
      const takenOver = { by: 'anna', at: mesh.nodes[0]?.peerId ?? '', when: Date.now() }
      const taken = {
        ...session,
        state: 'placing' as const,
        reason: '',
        strict: { ...session.strict, awaits: [], takenOver }
      }
      this.setSession(taken)
      return json(response, 202, taken)
    }
    if (what.endsWith('/logs')) return void this.#logs(session, response)
    json(response, 200, session)
  }

  #pause(paused: boolean, response: ServerResponse): void {
    const self = this.mesh.nodes[0]
    if (!self?.offer) return json(response, 404, { error: { code: 'UNKNOWN_NODE', message: 'no such PC' } })
    self.offer = { ...self.offer, paused }
    this.mesh.status = { ...this.mesh.status, paused }
    this.change({ nodes: [self], status: this.mesh.status })
    json(response, 200, self)
  }

  #create(body: Record<string, unknown>, response: ServerResponse): void {
    const id = (0xabc000 + this.mesh.sessions.length).toString(16).padStart(32, '5')
    const model = fakeMesh('office').sessions[0] as SessionView
    const command = [String(body['app_uri']).replace(/^\w+:/, ''), ...(body['args'] as string[])].join(' ')
    const session: SessionView = {
      ...model,
      id,
      command,
      runner: this.mesh.nodes[0]?.peerId ?? null,
      createdAt: Date.now(),
      startedAt: Date.now(),
      user: 'anna'
    }
    this.setSession(session)
    json(response, 201, { session, durability: 2 })
  }

  async #logs(session: SessionView, response: ServerResponse): Promise<void> {
    response.setHeader('content-type', 'application/x-ndjson')
    let offset = 0
    const write = (stream: 1 | 2, line: string) => {
      offset += line.length
      response.write(`${JSON.stringify({ stream, offset, data: Buffer.from(line).toString('base64') })}\n`)
    }
    const many = session.command.startsWith('blender') ? 6_000 : 30
    for (let i = 1; i <= many; i++) {
      write(1, `[${i}/${many}] \x1b[32mCC\x1b[0m src/part-${i}.c -o build/part-${i}.o\n`)
      if (i % 9 === 0) write(2, `src/part-${i}.c:12:7: warning: unused variable “count” [-Wunused-variable]\n`)
    }
    const open = () =>
      !['finished', 'stopped', 'failed'].includes(
        this.mesh.sessions.find((s) => s.id === session.id)?.state ?? 'failed'
      )
    for (let i = 1; open() && !response.destroyed; i++) {
      await new Promise((resolve) => setTimeout(resolve, 250))
      write(1, `step ${i}\n`)
    }
    if (!response.destroyed)
      response.end(`${JSON.stringify({ session: this.mesh.sessions.find((s) => s.id === session.id) })}\n`)
  }
}

function signedIn(request: IncomingMessage): boolean {
  return /(^|; )omega=1/.test(request.headers.cookie ?? '')
}

async function text(request: IncomingMessage): Promise<string> {
  let all = ''
  for await (const piece of request) all += String(piece)
  return all
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(body === null ? '' : JSON.stringify(body))
}

function file(dir: string, path: string, response: ServerResponse): void {
  const name = join(dir, normalize(path === '/' ? '/index.html' : path))
  if (!existsSync(name)) return json(response, 404, { error: { code: 'NOT_FOUND', message: 'no such file' } })
  response.setHeader('content-type', TYPES[extname(name)] ?? 'application/octet-stream')
  createReadStream(name).pipe(response)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [scenario = 'office', port = '8100'] = process.argv.slice(2)
  const dir = fileURLToPath(new URL('../../build/ui', import.meta.url))
  const peer = await FakePeer.start({ scenario: scenario as Scenario, dir, port: Number(port) })
  console.log(`${peer.url} (anna, "${PASSWORD}"; first run: ${peer.url}/#first-run=${TOKEN})`)
}
