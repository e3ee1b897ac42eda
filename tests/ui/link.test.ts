/** The socket to the serving peer, in made-up time. */
import { expect, test } from 'vitest'
import { GONE_AFTER_MS, Link, SILENCE_MS, type SocketEvents } from '../../ui/lib/link.ts'

/** A world with one clock: timers run in order, health answers as it is told to. */
class World {
  now = 0
  isHealthy = true
  sockets: (SocketEvents & { sent: string[]; isClosed: boolean })[] = []
  told: string[] = []
  #timers = new Map<number, { at: number; run: () => void }>()
  #next = 1
  readonly link = new Link(
    {
      now: () => this.now,
      setTimeout: (run, ms) => {
        this.#timers.set(this.#next, { at: this.now + ms, run })
        return this.#next++
      },
      clearTimeout: (id) => void this.#timers.delete(id),
      connect: (events) => {
        const socket = { ...events, sent: [] as string[], isClosed: false }
        this.sockets.push(socket)
        return { send: (text) => void socket.sent.push(text), close: () => void (socket.isClosed = true) }
      },
      healthy: () => Promise.resolve(this.isHealthy)
    },
    {
      message: (message) => this.told.push(message.t),
      lost: () => this.told.push('lost'),
      back: () => this.told.push('back'),
      gone: () => this.told.push('gone'),
      refused: () => this.told.push('refused')
    }
  )

  get socket() {
    return this.sockets[this.sockets.length - 1] as World['sockets'][number]
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms
    for (;;) {
      await Promise.resolve().then(() => undefined)
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0]
      if (!due) break
      this.now = due[1].at
      this.#timers.delete(due[0])
      due[1].run()
      await settled()
    }
    this.now = end
    await settled()
  }
}
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}
const SNAPSHOT = JSON.stringify({ t: 'snapshot', seq: 0 })
const SIGN_OF_LIFE = JSON.stringify({ t: 'delta', seq: 0 })

async function connected(): Promise<World> {
  const world = new World()
  world.link.start()
  world.socket.message(SNAPSHOT)
  await settled()
  return world
}

test('a lost socket at a healthy peer is connected again and says so once', async () => {
  const world = await connected()
  world.socket.closed()
  await world.pass(300)
  expect(world.sockets).toHaveLength(2)
  world.socket.message(SNAPSHOT)
  expect(world.told).toEqual(['snapshot', 'lost', 'back', 'snapshot'])
})

test('a peer that does not answer is gone after three seconds, told once', async () => {
  const world = await connected()
  world.isHealthy = false
  world.socket.closed()
  await world.pass(GONE_AFTER_MS - 300)
  expect(world.told).not.toContain('gone')
  await world.pass(20_000)
  expect(world.told.filter((word) => word === 'gone')).toHaveLength(1)
})

test('a peer that is back within three seconds was never gone', async () => {
  const world = await connected()
  world.isHealthy = false
  world.socket.closed()
  await world.pass(2_000)
  world.isHealthy = true
  await world.pass(2_000)
  world.socket.message(SNAPSHOT)
  await world.pass(1_000)
  expect(world.told).toEqual(['snapshot', 'lost', 'back', 'snapshot'])
})

test('a peer that comes back after it was given up is used again', async () => {
  const world = await connected()
  world.isHealthy = false
  world.socket.closed()
  await world.pass(10_000)
  world.isHealthy = true
  await world.pass(6_000)
  world.socket.message(SNAPSHOT)
  expect(world.told.slice(-2)).toEqual(['back', 'snapshot'])
  world.isHealthy = false
  world.socket.closed()
  await world.pass(10_000)
  expect(world.told.filter((word) => word === 'gone')).toHaveLength(2)
})

test('a refused upgrade at a healthy peer asks for the login, with growing pauses', async () => {
  const world = new World()
  world.link.start()
  for (let i = 0; i < 6; i++) {
    world.socket.closed()
    await world.pass(5_000)
  }
  expect(world.told.filter((word) => word === 'refused').length).toBe(6)
  expect(world.sockets.length).toBeLessThanOrEqual(7)
})

test('silence with a healthy peer is only silence; with a dead one it is a loss', async () => {
  const world = await connected()
  await world.pass(SILENCE_MS + 100)
  expect(world.told).toEqual(['snapshot'])
  expect(world.sockets).toHaveLength(1)
  world.isHealthy = false
  await world.pass(SILENCE_MS + GONE_AFTER_MS + 1_500)
  expect(world.told).toEqual(['snapshot', 'lost', 'gone'])
  expect(world.sockets[0]?.isClosed).toBe(true)
})

test('signs of life keep the peer from being asked', async () => {
  const world = await connected()
  world.isHealthy = false
  for (let i = 0; i < 20; i++) {
    await world.pass(3_000)
    world.socket.message(SIGN_OF_LIFE)
  }
  expect(world.told).not.toContain('lost')
})

test('events of a socket that was given up are not heard', async () => {
  const world = await connected()
  const old = world.socket
  world.link.restart()
  old.message(SNAPSHOT)
  old.closed()
  await world.pass(100)
  expect(world.told).toEqual(['snapshot'])
})

test('after stop nothing happens any more', async () => {
  const world = await connected()
  world.isHealthy = false
  world.socket.closed()
  world.link.stop()
  await world.pass(60_000)
  expect(world.told).toEqual(['snapshot', 'lost'])
  expect(world.sockets).toHaveLength(1)
})

test('a missed delta is asked for on the same socket', async () => {
  const world = await connected()
  world.link.resync()
  expect(world.socket.sent).toEqual(['{"t":"resync"}'])
})
