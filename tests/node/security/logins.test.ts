import { expect, test } from 'vitest'
import { Accounts } from '../../../node/security/accounts.ts'
import { Logins, TOTAL_MS } from '../../../node/security/logins.ts'
import { Passwords } from '../../../node/security/passwords.ts'
import { MemoryLedger } from '../http/memory-peer.ts'
import { CHEAP, memoryLog } from '../http/open-doors.ts'

async function people() {
  const clock = { ms: 1_000_000_000_000 }
  const ledger = new MemoryLedger()
  const accounts = new Accounts(ledger, new Passwords(CHEAP), () => clock.ms, memoryLog())
  const logins = new Logins(ledger, accounts, () => clock.ms)
  return { clock, ledger, accounts, logins, ada: await accounts.createFirst('ada', 'a long password') }
}

test('a login that was ended stays ended when a member that had not heard of it renews it', async () => {
  const { ledger, logins, ada } = await people()
  const cookie = await logins.open(ada, 'browser')
  const [[key, record]] = ledger.list('login/') as [[string, Uint8Array]]
  const { family } = logins.find(cookie)!.record
  expect(await logins.revoke('ada', family)).toBe(true)
  await ledger.put(key, record)
  expect(logins.find(cookie)).toBeUndefined()
  expect(logins.list('ada')).toEqual([])
})

test('the note of an ended login goes when the login would have ended anyway', async () => {
  const { clock, ledger, logins, ada } = await people()
  const login = logins.find(await logins.open(ada, 'browser'))!
  await logins.revoke('ada', login.record.family)
  expect(ledger.list('ended/')).toHaveLength(1)
  clock.ms += TOTAL_MS + 1
  await logins.open(ada, 'browser')
  expect(ledger.list('ended/')).toEqual([])
  expect(ledger.list('login/')).toHaveLength(1)
})

test('nobody ends the login of somebody else', async () => {
  const { logins, ada } = await people()
  const cookie = await logins.open(ada, 'browser')
  expect(await logins.revoke('eve', logins.find(cookie)!.record.family)).toBe(false)
  expect(logins.find(cookie)).toBeDefined()
})

test('one person holds a bounded number of logins, the oldest goes first', async () => {
  const { clock, logins, ada } = await people()
  const cookies: string[] = []
  for (let n = 0; n < 33; n++) {
    cookies.push(await logins.open(ada, `browser ${n}`))
    clock.ms += 1000
  }
  expect(logins.list('ada')).toHaveLength(32)
  expect(logins.find(cookies[0]!)).toBeUndefined()
  expect(logins.find(cookies[1]!)).toBeDefined()
})

test('use is written down at most each quarter of an hour', async () => {
  const { clock, logins, ada } = await people()
  const cookie = await logins.open(ada, 'browser')
  const opened = logins.find(cookie)!.record.seenAt
  const use = () => {
    logins.touch(logins.find(cookie)!, (error) => expect.fail(String(error)))
    return logins.find(cookie)!.record.seenAt - opened
  }
  clock.ms += 14 * 60_000
  expect(use()).toBe(0)
  clock.ms += 60_000
  expect(use()).toBe(15 * 60_000)
})
