import { expect, test } from 'vitest'
import { createActor, fromCallback, SimulatedClock } from 'xstate'
import { MeshError } from '../../../protocols/errors.ts'
import { joiningMachine } from '../../../protocols/joining/index.ts'
import type { Enrolled, JoinBy, JoiningEvent, JoiningInput, Offer } from '../../../protocols/joining/index.ts'

const offer: Offer = { mesh: 'ab', meshName: 'home', memberName: 'attic', member: '12D3', words: 'a b c d e f' }
const enrolled = { members: [] } as unknown as Enrolled

function start(input: Partial<JoiningInput> = {}) {
  const clock = new SimulatedClock()
  const tries: JoinBy[] = []
  let looking = 0
  const machine = joiningMachine.provide({
    actors: {
      look: fromCallback<JoiningEvent, JoinBy | undefined>(() => {
        looking += 1
        return () => void (looking -= 1)
      }),
      enrol: fromCallback<JoiningEvent, JoinBy | undefined>(({ input }) => void tries.push(input!))
    }
  })
  const actor = createActor(machine, { clock, input: { lookMs: 5000, acceptOpenDoor: false, ...input } })
  actor.start()
  return { actor, clock, tries, looking: () => looking, state: () => JSON.stringify(actor.getSnapshot().value) }
}

test('a PC that finds no open door makes a mesh of its own after the time to look', () => {
  const { actor, clock, state, looking } = start()
  expect(looking()).toBe(1)
  clock.increment(4999)
  expect(state()).toBe('{"open":"looking"}')
  clock.increment(1)
  expect(actor.getSnapshot().value).toBe('alone')
  expect(looking()).toBe(0)
})

test('an offer waits for its person as long as it takes, and consent enrols while looking goes on', () => {
  const { actor, clock, tries, looking, state } = start()
  actor.send({ type: 'door.offered', id: 'd1', offer })
  clock.increment(3_600_000)
  expect(state()).toBe('{"open":"offered"}')
  expect(tries).toEqual([])
  actor.send({ type: 'person.consented', id: 'nobody' })
  expect(tries).toEqual([])
  actor.send({ type: 'person.consented', id: 'd1' })
  expect(tries).toEqual([{ offerId: 'd1' }])
  expect(looking()).toBe(1)
  actor.send({ type: 'enrol.done', enrolled })
  expect(actor.getSnapshot()).toMatchObject({ value: 'enrolled', status: 'done', context: { enrolled } })
})

test('with --accept-open-door the first offer is taken; a refused one is not tried again until it is offered anew', () => {
  const { actor, clock, tries } = start({ acceptOpenDoor: true })
  actor.send({ type: 'door.offered', id: 'd1', offer })
  expect(tries).toEqual([{ offerId: 'd1' }])
  actor.send({ type: 'enrol.failed', error: new MeshError('BUSY', 'later') })
  expect(tries).toHaveLength(1)
  expect(actor.getSnapshot().context.error?.message).toBe('later')
  clock.increment(4000)
  actor.send({ type: 'door.offered', id: 'd2', offer })
  expect(tries).toHaveLength(2)
})

test('when the last door closes, looking starts over', () => {
  const { actor, clock, state } = start()
  actor.send({ type: 'door.offered', id: 'd1', offer })
  actor.send({ type: 'door.offered', id: 'd2', offer })
  actor.send({ type: 'door.gone', id: 'd1' })
  expect(state()).toBe('{"open":"offered"}')
  actor.send({ type: 'door.gone', id: 'd2' })
  expect(state()).toBe('{"open":"looking"}')
  clock.increment(5000)
  expect(actor.getSnapshot().value).toBe('alone')
})

test('an invite enrols without looking, and its failure is final', () => {
  const { actor, tries, looking } = start({ invite: 'omega-invite:x' })
  expect(looking()).toBe(0)
  expect(tries).toEqual([{ invite: 'omega-invite:x' }])
  const error = new MeshError('INVITE_INVALID', 'used up')
  actor.send({ type: 'enrol.failed', error })
  expect(actor.getSnapshot()).toMatchObject({ value: 'failed', context: { error } })
})

test('an invite that a person gives while looking may fail without ending the search', () => {
  const { actor, tries, state } = start()
  actor.send({ type: 'invite.given', invite: 'omega-invite:y' })
  expect(tries).toEqual([{ invite: 'omega-invite:y' }])
  actor.send({ type: 'enrol.failed', error: new MeshError('INVITE_INVALID', 'used up') })
  expect(state()).toBe('{"open":"looking"}')
})

test('a person who wants a mesh of its own gets it at once', () => {
  const { actor } = start()
  actor.send({ type: 'door.offered', id: 'd1', offer })
  actor.send({ type: 'person.declined' })
  expect(actor.getSnapshot().value).toBe('alone')
})
