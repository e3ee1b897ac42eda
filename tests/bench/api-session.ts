/** One session by the API, over the local socket of a peer, with the connection for requests kept: no CLI in between. */
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { decodeServerFrame } from '../../node/http/attach-wire.ts'
import { localSocketPath } from '../../node/http/local-socket.ts'
import type { SessionView } from '../../node/http/views.ts'
import type { Peer } from '../mesh/harness/index.ts'

export interface Order {
  program: string
  args?: string[]
  on?: string
  /** Small by default, so that room is not what is measured. */
  cores?: number
}
export interface Ran {
  /** From the request to the answer: the record is on disk on as many peers as the mesh promises. */
  acceptedMs: number
  /** From the request to the first byte of output; undefined when there was none. */
  firstByteMs: number | undefined
  /** From the request to the final record. */
  endedMs: number
  session: SessionView
}

const RAM_BYTES = 16 * 2 ** 20

export class Submitter {
  readonly #socketPath: string
  // Let go of before the peer does (10 s): a request on a connection that it closes in that moment fails.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 5000 })

  constructor(peer: Peer) {
    this.#socketPath = localSocketPath(peer.dataDir)
  }

  /** Resolves with the times when the session has ended; rejects when it did not end with 0. */
  async run(order: Order): Promise<Ran> {
    const startedAt = performance.now()
    const { session } = await this.#post(order)
    const acceptedMs = performance.now() - startedAt
    const { firstByteAt, final } = await this.#attach(session.id)
    if (final.exit?.code !== 0) throw new Error(`session ${final.id} ended as ${final.state}: ${final.reason}`)
    return {
      acceptedMs,
      firstByteMs: firstByteAt === undefined ? undefined : firstByteAt - startedAt,
      endedMs: performance.now() - startedAt,
      session: final
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #post({ program, args = [], on, cores = 0.05 }: Order): Promise<{ session: SessionView }> {
    const body = JSON.stringify({
      app_uri: `exec:${program}`,
      args,
      cpu_cores: cores,
      ram_bytes: RAM_BYTES,
      ...(on !== undefined && { constraints: { on } })
    })
    return await new Promise((resolve, reject) => {
      const asked = request(
        {
          socketPath: this.#socketPath,
          path: '/api/v1/sessions',
          method: 'POST',
          agent: this.#agent,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => (text += part))
          response.on('error', reject).on('end', () => {
            if (response.statusCode === 201) resolve(JSON.parse(text) as { session: SessionView })
            else reject(new Error(`a session was answered with ${response.statusCode}: ${text}`))
          })
        }
      )
      asked.on('error', reject).end(body)
    })
  }

  #attach(id: string): Promise<{ firstByteAt: number | undefined; final: SessionView }> {
    const socket = new WebSocket(`ws://localhost/api/v1/sessions/${id}/attach?from=0&stdin=0`, {
      createConnection: () => connect(this.#socketPath),
      perMessageDeflate: false
    })
    return new Promise<{ firstByteAt: number | undefined; final: SessionView }>((resolve, reject) => {
      let firstByteAt: number | undefined
      socket.on('message', (data: Buffer) => {
        const frame = decodeServerFrame(data)
        if (frame.kind === 'output') firstByteAt ??= performance.now()
        else if (frame.kind === 'final') resolve({ firstByteAt, final: frame.session })
        else if (frame.kind === 'error') reject(new Error(`${frame.error.code}: ${frame.error.message}`))
      })
      socket.once('error', reject)
      socket.once('close', (code) => reject(new Error(`session ${id}: the line closed with ${code}`)))
    }).finally(() => socket.terminate())
  }
}
