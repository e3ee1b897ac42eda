import { expect, test } from 'vitest'
import { COST, Passwords } from '../../../node/security/passwords.ts'

const CHEAP = { memoryKiB: 8, passes: 1 }

test('a verifier holds its parameters and is different each time', async () => {
  const passwords = new Passwords(CHEAP)
  const [one, two] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')]
  expect(one).toMatch(/^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(one).not.toBe(two)
  expect(await passwords.verify('correct horse', one)).toBe('right')
  expect(await passwords.verify('correct horsf', one)).toBe('wrong')
})

test('the cost in use is 64 MiB and 3 passes', async () => {
  expect(COST).toEqual({ memoryKiB: 65_536, passes: 3 })
  const phc = await new Passwords().hash('correct horse')
  expect(phc).toContain('$m=65536,t=3,p=1$')
  expect(await new Passwords().verify('correct horse', phc)).toBe('right')
})

test('a verifier of other parameters still opens, and is told as stale', async () => {
  const old = await new Passwords({ memoryKiB: 16, passes: 2 }).hash('correct horse')
  expect(await new Passwords(CHEAP).verify('correct horse', old)).toBe('stale')
})

test('letters are the same however they were typed', async () => {
  const passwords = new Passwords(CHEAP)
  const phc = await passwords.hash('caf\u00e9 caf\u00e9')
  expect(await passwords.verify('cafe\u0301 cafe\u0301', phc)).toBe('right')
})

test('a verifier that asks for more than a PC should give is not computed', async () => {
  const passwords = new Passwords(CHEAP)
  const phc = await passwords.hash('correct horse')
  for (const greedy of [
    phc.replace('m=8,', 'm=9999999,'),
    phc.replace('t=1,', 't=99,'),
    phc.replace('p=1', 'p=64'),
    'plain',
    ''
  ])
    expect(await passwords.verify('correct horse', greedy)).toBe('wrong')
})

test('nobody signs in as a user without a verifier, whatever the password', async () => {
  expect(await new Passwords(CHEAP).verify('nobody has this password', undefined)).toBe('wrong')
})

test('beyond two at work and sixteen waiting a try is refused as busy, and the rest are served', async () => {
  const passwords = new Passwords({ memoryKiB: 1024, passes: 1 })
  const phc = await passwords.hash('correct horse')
  const tries = await Promise.allSettled(Array.from({ length: 25 }, () => passwords.verify('correct horse', phc)))
  const refused = tries.filter((one) => one.status === 'rejected').map((one) => one.reason.code)
  expect(refused).toEqual(Array(7).fill('BUSY'))
  expect(tries.filter((one) => one.status === 'fulfilled' && one.value === 'right')).toHaveLength(18)
  expect(await passwords.verify('correct horse', phc)).toBe('right')
})
