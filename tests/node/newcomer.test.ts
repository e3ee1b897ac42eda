import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MeshError } from '../../protocols/errors.ts'
import type { Enrolled, Offer } from '../../protocols/joining/index.ts'
import type { Log } from '../../protocols/ports.ts'
import { lookForDoors } from '../../node/adapters/discovery.ts'
import { enrolByInvite, knock } from '../../node/adapters/enrolment-newcomer.ts'
import type { NewcomerOptions, StandingKnock } from '../../node/adapters/enrolment-newcomer.ts'
import { Newcomer } from '../../node/newcomer.ts'
import type { LookOptions, LookOutcome } from '../../node/newcomer.ts'
import { Timeline } from '../../sim/clock.ts'

vi.mock('../../node/adapters/discovery.ts', () => ({ lookForDoors: vi.fn() }))
vi.mock('../../node/adapters/enrolment-newcomer.ts', () => ({ enrolByInvite: vi.fn(), knock: vi.fn() }))

const LOOK_MS = 5000
const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
const membership = { name: 'a membership' } as unknown as Enrolled
const offerOf = (meshName: string): Offer =>
  ({ meshName, memberName: 'attic', words: 'one two three four five six' }) as Offer

let timeline: Timeline
let doors: ((door: { id: string; addresses: string[] }) => void)[]
let searching: number
let standing: Map<string, { accept: ReturnType<typeof vi.fn>; withdrawn: number; close: () => void }>

beforeEach(() => {
  timeline = new Timeline()
  doors = []
  searching = 0
  standing = new Map()
  vi.mocked(lookForDoors).mockImplementation((onDoor) => {
    searching++
    doors.push(onDoor as (typeof doors)[number])
    return { state: { ok: true } as never, stop: () => void searching-- }
  })
  vi.mocked(knock).mockImplementation(async (addresses) => {
    let close = (): void => {}
    const gone = new Promise<MeshError>(
      (resolve) => (close = () => resolve(new MeshError('DENIED', 'the door was closed')))
    )
    const state = { accept: vi.fn(async () => membership), withdrawn: 0, close }
    standing.set(addresses[0]!, state)
    return {
      offer: offerOf(addresses[0]!),
      accept: () => state.accept(),
      withdraw: () => void state.withdrawn++,
      gone
    } as StandingKnock
  })
})
afterEach(() => {
  vi.mocked(enrolByInvite).mockReset()
})

function newcomer(options: Partial<LookOptions> = {}): { it: Newcomer; outcome: () => LookOutcome | undefined } {
  const clock = {
    mono: () => timeline.nowMs,
    wall: () => 0,
    setTimeout: (fn: () => void, ms: number) => timeline.at(ms, fn),
    clearTimeout: (timer: unknown) => timeline.clear(timer as never),
    onWake: () => {}
  }
  const it = new Newcomer({
    lookMs: LOOK_MS,
    acceptOpenDoor: false,
    enrol: {} as NewcomerOptions,
    clock,
    log,
    onChange: () => {},
    ...options
  })
  let outcome: LookOutcome | undefined
  void it.outcome.then((found) => (outcome = found))
  return { it, outcome: () => outcome }
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
async function door(id: string): Promise<void> {
  doors.at(-1)!({ id, addresses: [id] })
  await settle()
}

test('where no door is found, a PC is alone after the time to look, and the search is over', async () => {
  const { outcome } = newcomer()
  timeline.run(LOOK_MS - 1)
  await settle()
  expect(outcome()).toBeUndefined()
  timeline.run(1)
  await settle()
  expect(outcome()).toEqual({ k: 'alone' })
  expect(searching).toBe(0)
})

test('an invite given at the start ends in a membership, or in failure', async () => {
  vi.mocked(enrolByInvite).mockResolvedValueOnce(membership)
  const good = newcomer({ invite: 'omega-invite:x' })
  await settle()
  expect(good.outcome()).toEqual({ k: 'enrolled', enrolled: membership })
  const error = new MeshError('INVITE_INVALID', 'used up')
  vi.mocked(enrolByInvite).mockRejectedValueOnce(error)
  const bad = newcomer({ invite: 'omega-invite:y' })
  await settle()
  expect(bad.outcome()).toEqual({ k: 'failed', error })
})

test('an open door is offered with its words and waits for the person, for as long as it takes', async () => {
  const { it, outcome } = newcomer()
  await door('home')
  expect(it.offers()).toEqual([
    { id: 'home', meshName: 'home', memberName: 'attic', words: 'one two three four five six' }
  ])
  timeline.run(10 * LOOK_MS)
  await settle()
  expect(outcome()).toBeUndefined()
  await it.accept('home')
  await settle()
  expect(outcome()).toEqual({ k: 'enrolled', enrolled: membership })
  expect(standing.get('home')!.accept).toHaveBeenCalledOnce()
})

test('of several doors only the one that the person chose is entered, and the others are told no', async () => {
  const { it } = newcomer()
  await door('home')
  await door('office')
  await it.accept('office')
  await settle()
  expect(standing.get('home')!.accept).not.toHaveBeenCalled()
  expect(standing.get('home')!.withdrawn).toBe(1)
})

test('an unattended PC takes the first door', async () => {
  const { outcome } = newcomer({ acceptOpenDoor: true })
  await door('home')
  await settle()
  expect(outcome()).toEqual({ k: 'enrolled', enrolled: membership })
})

test('a door that closes is no offer any more, and accepting it is refused', async () => {
  const { it, outcome } = newcomer()
  await door('home')
  standing.get('home')!.close()
  await settle()
  expect(it.offers()).toEqual([])
  await expect(it.accept('home')).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  timeline.run(LOOK_MS)
  await settle()
  expect(outcome()).toEqual({ k: 'alone' })
})

test('a person who gives a bad invite while the PC looks hears why at once, and the search goes on', async () => {
  const { it, outcome } = newcomer()
  const error = new MeshError('INVITE_INVALID', 'forged')
  vi.mocked(enrolByInvite).mockRejectedValueOnce(error)
  await expect(it.join('omega-invite:bad')).rejects.toBe(error)
  expect(it.lastError).toBe(error)
  expect(outcome()).toBeUndefined()
  expect(searching).toBe(1)
  vi.mocked(enrolByInvite).mockResolvedValueOnce(membership)
  await it.join('omega-invite:good')
  await settle()
  expect(outcome()).toEqual({ k: 'enrolled', enrolled: membership })
})

test('a member that lets nobody in after all is told to the person, and other doors stay open', async () => {
  const { it, outcome } = newcomer()
  await door('home')
  await door('office')
  standing.get('home')!.accept.mockRejectedValueOnce(new Error('reset'))
  await expect(it.accept('home')).rejects.toMatchObject({ code: 'DENIED', message: 'reset' })
  expect(it.offers().map((offer) => offer.id)).toEqual(['office'])
  await it.accept('office')
  await settle()
  expect(outcome()).toMatchObject({ k: 'enrolled' })
})

test('a person who wants a mesh of its own gets it at once, and the door is told no', async () => {
  const { it, outcome } = newcomer()
  await door('home')
  it.decline()
  await settle()
  expect(outcome()).toEqual({ k: 'alone' })
  expect(standing.get('home')!.withdrawn).toBe(1)
})

test('a door that answers when the search is over is told no', async () => {
  const { it } = newcomer()
  const late = door('home')
  it.decline()
  await late
  await settle()
  expect(standing.get('home')!.withdrawn).toBe(1)
  expect(it.offers()).toEqual([])
})
