/**
 * sessiond: the small process that owns what runs on this PC for the mesh (DESIGN.md section 4). Started once by the peer,
 * detached; outlives it; ends by itself when neither a peer nor a child is left.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { join } from 'node:path'
import { sessiondSecret, sessiondSocket } from './address.ts'
import { configFrom } from './config.ts'
import { Daemon } from './daemon.ts'
import { shakeHands } from './link.ts'
import { os } from './os/index.ts'

/** Another sessiond serves this data folder already; host.ts connects to that one. */
const ALREADY = 3

const config = configFrom(process.argv.slice(2))
process.title = 'omega-sessiond'
// The terminal of whoever started the peer is none of our business.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

mkdirSync(join(config.dataDir, 'runs'), { recursive: true, mode: 0o700 })
const secret = sessiondSecret(config.dataDir)
const path = sessiondSocket(config.dataDir)
const pidFile = join(config.dataDir, 'sessiond.pid')

let ready: () => void = () => {}
/** A peer that connects while the predecessor's orphans are being ended waits until that is done. */
const recovered = new Promise<void>((resolve) => (ready = resolve))
const server = createServer((socket) => void welcome(socket))
await listen(server)
writeFileSync(pidFile, JSON.stringify({ pid: process.pid, startTime: os.startTime(process.pid) }), { mode: 0o600 })

const daemon = new Daemon(config, leave)
await daemon.recover()
ready()
process.on('SIGTERM', () => void daemon.shutdown())

async function welcome(socket: Socket): Promise<void> {
  socket.on('error', () => {}) // the handshake below, or the link after it, hears of the close
  try {
    await recovered
    daemon.connect(await shakeHands(socket, 'sessiond', secret))
  } catch (error) {
    console.error((error as Error).message)
  }
}

/** Takes the socket of a dead predecessor; leaves it to a living one. */
async function listen(server: Server): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve)
      const umask = process.umask(0o077)
      server.listen(path, () => {
        server.off('error', resolve)
        resolve(undefined)
      })
      process.umask(umask) // the socket is bound by now; programs of sessions get the user's own
    })
    if (error === undefined) return
    if (error.code !== 'EADDRINUSE' || attempt > 0) throw error
    if (await somebodyAnswers()) process.exit(ALREADY)
    rmSync(path, { force: true })
  }
}

function somebodyAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The socket goes with the server; the pid file only tells of a living one. */
function leave(): void {
  server.close()
  rmSync(pidFile, { force: true })
  // What was written last is on its way to the socket; the process ends when nothing is left to do.
  setTimeout(() => process.exit(0), 200)
}
