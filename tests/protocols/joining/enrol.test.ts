import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import {
  addInvite,
  createDoorQueue,
  createMemberSide,
  createNewcomerSide,
  emptyBook,
  inviteId,
  inviteKey,
  stepMember,
  stepNewcomer,
  verifyCertificate
} from '../../../protocols/joining/index.ts'
import type {
  Details,
  Enrolled,
  GrantRequest,
  Invite,
  InviteBook,
  Knock,
  MemberConfig,
  MemberEffect,
  NewcomerConfig,
  NewcomerEffect,
  Offer
} from '../../../protocols/joining/index.ts'
import { decodeEnrol, encodeAdmit } from '../../../protocols/joining/enrol-wire.ts'
import { device, fill, testMesh, WALL, WORDS } from './fixtures.ts'

const mesh = testMesh()
const first = mesh.first
const firstCertificate = mesh.issue(first, { name: 'attic' })
const den = device(5)
const secret = fill(16, 6)
const SPKI = fill(91, 8)
const details: Details = {
  device: den.key,
  name: 'den',
  platform: 'linux x64',
  host: 'den',
  ips: ['192.168.1.9'],
  spki: SPKI
}
const invite: Invite = {
  mesh: mesh.genesis.id,
  meshName: 'home',
  signer: first.key,
  secret,
  exp: WALL + 3_600_000,
  uses: 1,
  addresses: []
}

let book: InviteBook
beforeEach(() => {
  book = emptyBook()
  addInvite(
    book,
    { id: inviteId(secret, first.crypto), key: inviteKey(secret, first.crypto), exp: invite.exp, uses: 1 },
    WALL
  )
})

interface Throwaway {
  member: string
  newcomer: string
}
/** Throw-away ids of a connection without anybody in between. */
const DIRECT: Throwaway = { member: device(90).peer, newcomer: device(91).peer }

function memberSide(over: Partial<MemberConfig> = {}, ids = DIRECT) {
  const state = createMemberSide({
    self: ids.member,
    newcomer: ids.newcomer,
    address: '192.168.1.9',
    genesis: mesh.genesis,
    certificate: firstCertificate,
    device: first.key,
    nonce: fill(32, 31),
    words: WORDS,
    crypto: first.crypto,
    book,
    door: createDoorQueue(),
    ...over
  })
  const log = {
    knocks: [] as Knock[],
    grants: [] as GrantRequest[],
    joined: 0,
    refused: [] as string[],
    saved: 0,
    closed: false
  }
  const feed = (event: Parameters<typeof stepMember>[1], wall = WALL): Uint8Array[] =>
    collect(stepMember(state, event, { now: wall - WALL, wall }))
  function collect(effects: MemberEffect[]): Uint8Array[] {
    const out: Uint8Array[] = []
    for (const effect of effects) {
      if (effect.e === 'send') out.push(effect.frame)
      if (effect.e === 'saveBook') log.saved += 1
      if (effect.e === 'knock') log.knocks.push(effect.knock)
      if (effect.e === 'joined') log.joined += 1
      if (effect.e === 'refused') log.refused.push(effect.text)
      if (effect.e === 'close') log.closed = true
      if (effect.e === 'grant') {
        log.grants.push(effect.request)
        out.push(...feed({ k: 'granted', grant: grantFor(effect.request) }))
      }
    }
    return out
  }
  return { state, log, feed, frame: (bytes: Uint8Array, wall = WALL) => feed({ k: 'frame', bytes }, wall) }
}

function grantFor(request: GrantRequest) {
  const certificate = mesh.issue(
    { ...den, key: request.device },
    { name: request.name, tls: first.crypto.sha256(request.spki) }
  )
  return {
    certificate,
    ca: fill(700, 1),
    leaf: fill(800, 2),
    members: [{ peer: first.peer, addresses: ['/ip4/192.168.1.5/tcp/7777'] }]
  }
}

function newcomerSide(over: Partial<NewcomerConfig> = {}, ids = DIRECT) {
  const state = createNewcomerSide({
    self: ids.newcomer,
    member: ids.member,
    details,
    nonce: fill(32, 41),
    words: WORDS,
    crypto: den.crypto,
    ...over
  })
  const log = {
    offer: undefined as Offer | undefined,
    enrolled: undefined as Enrolled | undefined,
    error: undefined as MeshError | undefined,
    closed: false
  }
  const feed = (event: Parameters<typeof stepNewcomer>[1], wall = WALL): Uint8Array[] =>
    collect(stepNewcomer(state, event, wall))
  function collect(effects: NewcomerEffect[]): Uint8Array[] {
    const out: Uint8Array[] = []
    for (const effect of effects) {
      if (effect.e === 'send') out.push(effect.frame)
      if (effect.e === 'offer') log.offer = effect.offer
      if (effect.e === 'failed') log.error = effect.error
      if (effect.e === 'close') log.closed = true
      if (effect.e === 'enrolled') {
        log.enrolled = effect.enrolled
        out.push(...feed({ k: 'saved' }))
      }
    }
    return out
  }
  return { state, log, feed, frame: (bytes: Uint8Array, wall = WALL) => feed({ k: 'frame', bytes }, wall) }
}

type Member = ReturnType<typeof memberSide>
type Newcomer = ReturnType<typeof newcomerSide>

/** Carries frames to and fro until both are silent; returns what the newcomer sent. */
function converse(newcomer: Newcomer, member: Member, frames: Uint8Array[]): Uint8Array[] {
  const said = [...frames]
  for (let toMember = frames; toMember.length > 0;) {
    const toNewcomer = toMember.flatMap((bytes) => member.frame(bytes))
    toMember = toNewcomer.flatMap((bytes) => newcomer.frame(bytes))
    said.push(...toMember)
  }
  return said
}
const kindOf = (bytes: Uint8Array): string => decodeEnrol(bytes).t

test('an invite makes a member', () => {
  const [member, newcomer] = [memberSide(), newcomerSide({ invite })]
  const said = converse(newcomer, member, newcomer.feed({ k: 'start' }))
  expect(said.map(kindOf)).toEqual(['hi', 'secret', 'details', 'ask', 'done'])
  const { enrolled } = newcomer.log
  const verified = verifyCertificate(enrolled!.certificate.signed, {
    genesis: mesh.genesis,
    device: den.peer,
    wall: WALL,
    crypto: den.crypto
  })
  expect(verified.certificate.name).toBe('den')
  expect(enrolled).toMatchObject({ ca: fill(700, 1), leaf: fill(800, 2), members: [{ peer: first.peer }] })
  expect(member.log).toMatchObject({ joined: 1, refused: [], closed: true, saved: 1 })
  expect(member.log.grants).toMatchObject([{ name: 'den', host: 'den', ips: ['192.168.1.9'] }])
  expect(book.invites[0]!.usedBy).toHaveLength(1)
})

test('an open door makes a member once the newcomer consents, and both show the same six words', () => {
  book.doorUntil = WALL + 600_000
  const [member, newcomer] = [memberSide(), newcomerSide()]
  converse(newcomer, member, newcomer.feed({ k: 'start' }))
  expect(newcomer.log.offer).toMatchObject({ meshName: 'home', memberName: 'attic', member: first.peer })
  expect(newcomer.log.offer!.words.split(' ')).toHaveLength(6)
  expect(member.log.knocks).toEqual([
    { device: den.key, name: 'den', platform: 'linux x64', words: newcomer.log.offer!.words, atDoor: true }
  ])
  expect(member.log.grants).toEqual([])
  converse(newcomer, member, newcomer.feed({ k: 'consent' }))
  expect(newcomer.log.enrolled?.certificate.certificate.name).toBe('den')
  expect(member.log.joined).toBe(1)
  expect(member.state.config.door.pending).toBe(0)
})

test('the newcomer says nothing about itself before the member has proven who it is', () => {
  const newcomer = newcomerSide({ invite })
  const [hi, ...more] = newcomer.feed({ k: 'start' })
  expect(more).toEqual([])
  expect(Object.keys(decodeCbor(hi!) as object).sort()).toEqual(['commit', 'invite', 't', 'v'])
  const impostor = device(66)
  const member = memberSide({ crypto: impostor.crypto })
  const answer = newcomer.frame(member.frame(hi!)[0]!)
  expect(answer.map(kindOf)).toEqual(['no'])
  expect(newcomer.log.error).toMatchObject({ code: 'DENIED', message: expect.stringMatching(/cannot prove/) })
})

test('the proof of one connection does not count on another', () => {
  const recorded = memberSide()
  const newcomer = newcomerSide({ invite })
  const [hi] = newcomer.feed({ k: 'start' })
  const proof = recorded.frame(hi!)[0]!
  const elsewhere = newcomerSide({ invite }, { member: device(92).peer, newcomer: DIRECT.newcomer })
  elsewhere.feed({ k: 'start' })
  expect(elsewhere.frame(proof).map(kindOf)).toEqual(['no'])
  const otherNonce = newcomerSide({ invite, nonce: fill(32, 42) })
  otherNonce.feed({ k: 'start' })
  expect(otherNonce.frame(proof).map(kindOf)).toEqual(['no'])
})

test('a member of another mesh, or another member than the signer, cannot answer an invite', () => {
  const other = testMesh(2)
  const ofOther = memberSide({
    genesis: other.genesis,
    certificate: other.issue(other.first),
    device: other.first.key,
    crypto: other.first.crypto
  })
  const a = newcomerSide({ invite })
  a.frame(ofOther.frame(a.feed({ k: 'start' })[0]!)[0]!)
  expect(a.log.error).toMatchObject({ code: 'INVITE_INVALID', message: expect.stringMatching(/is of mesh "home"/) })
  const second = device(7)
  const otherMember = memberSide({ certificate: mesh.issue(second), device: second.key, crypto: second.crypto })
  const b = newcomerSide({ invite })
  b.frame(otherMember.frame(b.feed({ k: 'start' })[0]!)[0]!)
  expect(b.log.error).toMatchObject({ code: 'CERT_INVALID' })
})

test('a man in the middle gets different words on both screens', () => {
  book.doorUntil = WALL + 600_000
  const mitm = device(95).peer
  const victim = newcomerSide({}, { newcomer: DIRECT.newcomer, member: mitm })
  const member = memberSide({}, { newcomer: mitm, member: DIRECT.member })
  const proof = member.frame(victim.feed({ k: 'start' })[0]!)[0]!
  victim.frame(proof)
  expect(victim.log.error?.message).toMatch(/somebody may stand in between/)

  // Relaying the proof fails; so it plays a member of a mesh of its own towards the victim, and the victim towards the member.
  const own = testMesh(3)
  const fake = memberSide(
    {
      genesis: own.genesis,
      certificate: own.issue(own.first),
      device: own.first.key,
      crypto: own.first.crypto,
      book: { invites: [], doorUntil: WALL + 1000 }
    },
    { newcomer: DIRECT.newcomer, member: mitm }
  )
  const deceived = newcomerSide({}, { newcomer: DIRECT.newcomer, member: mitm })
  converse(deceived, fake, deceived.feed({ k: 'start' }))
  const attacker = device(96)
  const posing = newcomerSide(
    { details: { ...details, device: attacker.key }, crypto: attacker.crypto },
    { newcomer: mitm, member: DIRECT.member }
  )
  const real = memberSide({}, { newcomer: mitm, member: DIRECT.member })
  converse(posing, real, posing.feed({ k: 'start' }))
  expect(real.log.knocks[0]!.words).not.toBe(deceived.log.offer!.words)
})

test('details other than those committed to, or of a key the newcomer does not hold, are refused', () => {
  book.doorUntil = WALL + 600_000
  const member = memberSide()
  const newcomer = newcomerSide()
  const [shown] = newcomer.frame(member.frame(newcomer.feed({ k: 'start' })[0]!)[0]!)
  const frame = decodeCbor(shown!) as { nonce: Uint8Array; body: Uint8Array }
  const answer = member.frame(encodeCbor({ ...frame, nonce: fill(32, 99) }))
  expect(answer.map(kindOf)).toEqual(['no'])
  expect(member.log.refused[0]).toMatch(/committed/)
  const thief = newcomerSide({ crypto: device(77).crypto })
  const wary = memberSide({ address: '192.168.1.10' })
  converse(thief, wary, thief.feed({ k: 'start' }))
  expect(thief.log.error?.message).toMatch(/does not hold the device key/)
  expect(wary.log.knocks).toEqual([])
})

test('a closed door and an unknown invite get a refusal without a proof', () => {
  const knocker = newcomerSide()
  const quiet = memberSide()
  const answer = quiet.frame(knocker.feed({ k: 'start' })[0]!)
  expect(answer.map(kindOf)).toEqual(['no'])
  knocker.frame(answer[0]!)
  expect(knocker.log.error).toMatchObject({ code: 'DENIED', message: expect.stringMatching(/no door is open/) })
  const unknown = newcomerSide({ invite: { ...invite, secret: fill(16, 7) } })
  converse(unknown, memberSide(), unknown.feed({ k: 'start' }))
  expect(unknown.log.error).toMatchObject({ code: 'INVITE_INVALID', message: expect.stringMatching(/did not make it/) })
})

test('three wrong secrets burn the invite for everybody, and the count is saved before the answer', () => {
  for (let n = 0; n < 3; n++) {
    const newcomer = newcomerSide({ invite })
    const member = memberSide()
    newcomer.frame(member.frame(newcomer.feed({ k: 'start' })[0]!)[0]!)
    const effects = stepMember(
      member.state,
      { k: 'frame', bytes: encodeCbor({ t: 'secret', mac: fill(32, n) }) },
      { now: 0, wall: WALL }
    )
    expect(effects.map((e) => e.e)).toEqual(['saveBook', 'send', 'refused', 'close'])
  }
  const honest = newcomerSide({ invite })
  converse(honest, memberSide(), honest.feed({ k: 'start' }))
  expect(honest.log.error?.message).toMatch(/burnt/)
})

test('a used-up invite lets no second device in, but answers the same device again', () => {
  const run = (over: Partial<NewcomerConfig> = {}) => {
    const newcomer = newcomerSide({ invite, ...over })
    converse(newcomer, memberSide(), newcomer.feed({ k: 'start' }))
    return newcomer.log
  }
  expect(run().enrolled).toBeDefined()
  const second = device(6)
  expect(run({ details: { ...details, device: second.key }, crypto: second.crypto }).error?.message).toMatch(/used up/)
  expect(run().enrolled).toBeDefined()
  expect(book.invites[0]!.usedBy).toHaveLength(1)
})

test('an expired invite is refused by its issuer whatever the newcomer’s clock says', () => {
  const newcomer = newcomerSide({ invite })
  const member = memberSide()
  const answer = member.frame(newcomer.feed({ k: 'start' })[0]!, WALL + 2 * 3_600_000)
  newcomer.frame(answer[0]!)
  expect(newcomer.log.error?.message).toMatch(/expired 60 minutes ago/)
})

test('a recorded conversation, played again, gets nothing', () => {
  const newcomer = newcomerSide({ invite })
  const said = converse(newcomer, memberSide(), newcomer.feed({ k: 'start' }))
  book.invites[0]!.uses = 2
  const again = memberSide({ nonce: fill(32, 32) })
  const answers = said.flatMap((bytes) => again.frame(bytes))
  expect(answers.map(kindOf)).toEqual(['proof', 'no'])
  expect(again.log.grants).toEqual([])
  expect(book.invites[0]!.wrong).toBe(1)
})

test('the door that closes while the newcomer thinks refuses its request', () => {
  book.doorUntil = WALL + 1000
  const [member, newcomer] = [memberSide(), newcomerSide()]
  converse(newcomer, member, newcomer.feed({ k: 'start' }))
  book.doorUntil = 0
  converse(newcomer, member, newcomer.feed({ k: 'consent' }))
  expect(newcomer.log.error).toMatchObject({ code: 'DENIED' })
  expect(member.log.grants).toEqual([])
})

test('a certificate for another TLS key, or another device, is not kept', () => {
  for (const change of [{ spki: fill(91, 9) }, { device: device(9).key }]) {
    const [member, newcomer] = [memberSide(), newcomerSide({ invite })]
    const frames = newcomer.frame(member.frame(newcomer.feed({ k: 'start' })[0]!)[0]!)
    expect(frames.map(kindOf)).toEqual(['secret', 'details', 'ask'])
    const { certificate, ca, leaf, members } = grantFor({ ...details, words: '', ...change })
    newcomer.frame(encodeAdmit({ certificate, ca, leaf, members }))
    expect(newcomer.log.enrolled).toBeUndefined()
    expect(newcomer.log.error?.code).toBe('CERT_INVALID')
  }
})

test('a newcomer whose clock is a day behind hears so', () => {
  const newcomer = newcomerSide({ invite })
  const proof = memberSide({ certificate: mesh.issue(first, { wall: WALL }) }).frame(
    newcomer.feed({ k: 'start' })[0]!
  )[0]!
  newcomer.frame(proof, WALL - 86_400_000)
  expect(newcomer.log.error).toMatchObject({ code: 'CLOCK_SKEW', message: expect.stringMatching(/24 hours/) })
})

test('a failure of the member’s host is answered and leaves the place at the door', () => {
  book.doorUntil = WALL + 600_000
  const [member, newcomer] = [memberSide(), newcomerSide()]
  converse(newcomer, member, newcomer.feed({ k: 'start' }))
  const [no] = member.feed({ k: 'denied', error: new MeshError('STORE_FAILED', 'disk full') })
  newcomer.frame(no!)
  expect(newcomer.log.error).toMatchObject({ code: 'STORE_FAILED', message: expect.stringMatching(/disk full/) })
  expect(member.state.config.door.pending).toBe(0)
  expect(member.feed({ k: 'closed' })).toEqual([])
})

test('an answer with many members is cut to what one frame carries', () => {
  const members = Array.from({ length: 40 }, (_, n) => ({
    peer: device(n + 1).peer,
    addresses: Array.from({ length: 9 }, (_, i) => `/ip4/192.168.${n}.${i}/tcp/7777`)
  }))
  const frame = encodeAdmit({ ...grantFor({ ...details, words: '' }), members })
  expect(frame.length).toBeLessThanOrEqual(4096)
  const kept = (decodeEnrol(frame) as { members: { peer: string }[] }).members
  expect(kept.length).toBeGreaterThan(2)
  expect(kept.map((m) => m.peer)).toEqual(members.slice(0, kept.length).map((m) => m.peer))
})

test('nothing that is sent in any phase makes either side throw, and garbage ends the conversation', () => {
  book.doorUntil = WALL + 1e9
  book.invites[0]!.uses = 1000
  const good = (() => {
    const newcomer = newcomerSide({ invite })
    return converse(newcomer, memberSide(), newcomer.feed({ k: 'start' }))
  })()
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc
      .record({
        t: fc.constantFrom('hi', 'proof', 'secret', 'details', 'ask', 'admit', 'done', 'no'),
        v: fc.anything()
      })
      .map((o) => tryEncode(o)),
    fc
      .tuple(fc.constantFrom(...good), fc.nat(3000), fc.nat(255))
      .map(([frame, at, value]) => frame.with(at % frame.length, value))
  )
  fc.assert(
    fc.property(
      fc.nat(4),
      fc.array(hostile, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (honestSteps, frames, atDoor) => {
        const member = memberSide({ door: createDoorQueue() })
        const newcomer = newcomerSide(atDoor ? {} : { invite })
        let toMember = newcomer.feed({ k: 'start' })
        for (let n = 0; n < honestSteps; n++)
          toMember = toMember.flatMap((b) => member.frame(b)).flatMap((b) => newcomer.frame(b))
        for (const bytes of frames) {
          member.frame(bytes)
          newcomer.frame(bytes)
        }
        if (frames[0]!.length > 4096) expect([member.state.phase, newcomer.state.phase]).toEqual(['over', 'over'])
        member.feed({ k: 'closed' })
        expect(member.state.config.door.pending).toBe(0)
      }
    ),
    { numRuns: 400 }
  )
})

function tryEncode(value: unknown): Uint8Array {
  try {
    return encodeCbor(value)
  } catch {
    return fill(3, 0)
  }
}
