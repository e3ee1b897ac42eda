import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { enrolByInvite } from '../../../node/adapters/enrolment-newcomer.ts'
import { parseInvite } from '../../../protocols/joining/index.ts'
import { clock, handClock, Site } from './enrolment-fixtures.ts'

const site = new Site()
afterEach(() => site.end())

const HOUR_MS = 3_600_000

test('nothing listens until an invite or a door gives a reason', async () => {
  const { desk } = await site.signer()
  expect(desk.port).toBeUndefined()
  await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  expect(desk.port).toBeGreaterThan(0)
})

test('an invite carries where its issuer listens, who it is and until when', async () => {
  const { desk, options } = await site.signer()
  const made = await desk.invite({ uses: 3, ttlMs: HOUR_MS })
  const parsed = parseInvite(made.invite, clock.wall(), options.crypto)
  expect(parsed).toMatchObject({
    mesh: options.genesis.id,
    meshName: 'home',
    uses: 3,
    exp: made.expiresAt,
    addresses: [`127.0.0.1:${desk.port}`]
  })
  expect(parsed.signer).toEqual(options.device)
})

test('the listener ends with its last reason', async () => {
  const { hand, advance } = handClock()
  const { desk, until } = await site.signer({ clock: hand })
  await desk.openDoor(60_000)
  await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  advance(60_001)
  expect(desk.door()).toBeNull()
  expect(desk.port).toBeDefined()
  advance(HOUR_MS)
  await until(() => desk.port === undefined)
})

test('an invite and an open door survive a restart of their issuer', async () => {
  const { desk, options, dir } = await site.signer()
  await desk.openDoor(HOUR_MS)
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const { port } = desk
  await desk.close()
  expect(desk.port).toBeUndefined()
  const again = await site.desk({ dir, genesis: options.genesis, membership: options.membership, port: port! })
  expect(again.desk.port).toBe(port)
  expect(again.desk.door()).not.toBeNull()
  await enrolByInvite(invite, (await site.newcomer('den')).options)
})

test('a use counts after a restart too', async () => {
  const { desk, options, dir } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const { port } = desk
  await enrolByInvite(invite, (await site.newcomer('den')).options)
  await desk.close()
  await site.desk({ dir, genesis: options.genesis, membership: options.membership, port: port! })
  await expect(enrolByInvite(invite, (await site.newcomer('loft')).options)).rejects.toThrow(/used up/)
})

test('a PC of a name that is taken gets another', async () => {
  const { desk, event } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const enrolled = await enrolByInvite(invite, (await site.newcomer('attic')).options)
  expect(enrolled.certificate.certificate.name).toBe('attic-2')
  await event((e) => e.k === 'joined' && e.name === 'attic-2')
})

test('a member that is no signer makes no invites and opens no door', async () => {
  const first = await site.signer()
  const { invite } = await first.desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const den = await site.newcomer('den')
  await enrolByInvite(invite, den.options)
  const { desk } = await site.desk({
    dir: den.dir,
    genesis: first.options.genesis,
    membership: () => den.membership()!
  })
  await expect(desk.invite({ uses: 1, ttlMs: HOUR_MS })).rejects.toMatchObject({ code: 'DENIED' })
  await expect(desk.openDoor(60_000)).rejects.toMatchObject({ code: 'DENIED' })
  expect(desk.port).toBeUndefined()
})

test('uses and times out of bounds are refused', async () => {
  const { desk } = await site.signer()
  for (const uses of [0, 1001, 1.5])
    await expect(desk.invite({ uses, ttlMs: HOUR_MS })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  for (const ttlMs of [0, 31 * 24 * HOUR_MS, Number.NaN])
    await expect(desk.invite({ uses: 1, ttlMs })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(desk.openDoor(2 * HOUR_MS)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
})

test('a port the user gave and that is taken is an error; a default one moves on', async () => {
  const other = createServer()
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
  const { port } = other.address() as AddressInfo
  try {
    const fixed = await site.signer({ port, portFixed: true })
    await expect(fixed.desk.invite({ uses: 1, ttlMs: HOUR_MS })).rejects.toMatchObject({ code: 'PORT_TAKEN' })
    expect(fixed.desk.port).toBeUndefined()
    const moving = await site.signer({ port, portFixed: false })
    await moving.desk.invite({ uses: 1, ttlMs: HOUR_MS })
    expect(moving.desk.port).toBeGreaterThan(port)
  } finally {
    other.close()
  }
})

test('the door is announced with its port while it is open', async () => {
  const said: string[] = []
  const { desk } = await site.signer({
    announceDoor: ({ port }) => {
      said.push(`open ${port}`)
      return () => void said.push('closed')
    }
  })
  await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  expect(said).toEqual([])
  await desk.openDoor(60_000)
  await desk.closeDoor()
  expect(said).toEqual([`open ${desk.port}`, 'closed'])
})

test('a damaged book voids the invites and harms nothing else; a fresh book is private', async () => {
  const { desk, dir, options } = await site.signer()
  const { invite } = await desk.invite({ uses: 1, ttlMs: HOUR_MS })
  const { port } = desk
  await desk.close()
  const path = join(dir, 'invites.cbor')
  writeFileSync(path, readFileSync(path).subarray(0, 20))
  chmodSync(path, 0o644)
  const again = await site.desk({ dir, genesis: options.genesis, membership: options.membership, port: port! })
  expect(again.desk.port).toBeUndefined()
  await again.desk.openDoor(60_000)
  await expect(enrolByInvite(invite, (await site.newcomer('den')).options)).rejects.toThrow(/did not make it/)
})
