import { afterEach, expect, test, vi } from 'vitest'
import { Rates } from '../../../node/security/rates.ts'

afterEach(() => void vi.useRealTimers())

const LIMITS = { loginsPerUser: 3, loginsPerAddress: 6, requests: 5 }

test('failed logins of one name from one address are counted apart from other addresses', async () => {
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 3; n++) await rates.loginTry('ada', '192.0.2.1')
  await expect(rates.loginTry('ada', '192.0.2.1')).rejects.toMatchObject({ status: 429, code: 'RATE_LIMITED' })
  await rates.loginTry('ada', '192.0.2.2')
})

test('many names from one address are counted together', async () => {
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 6; n++) await rates.loginTry(`name${n}`, '192.0.2.1')
  await expect(rates.loginTry('another', '192.0.2.1')).rejects.toThrow(/from this address/)
})

test('a right login counts no more', async () => {
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 20; n++) {
    await rates.loginTry('ada', '192.0.2.1')
    await rates.loginDone('ada', '192.0.2.1')
  }
})

test('one PC cannot come from all the addresses of its IPv6 network', async () => {
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 5; n++) await rates.request(`2001:db8:1:2:${n}::9`)
  await expect(rates.request('2001:db8:1:2::7')).rejects.toThrow(/try again in \d+ s/)
  await rates.request('2001:db8:1:3::7')
})

test('an IPv4 address is the same in its IPv6 clothes', async () => {
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 5; n++) await rates.request('::ffff:192.0.2.1')
  await expect(rates.request('192.0.2.1')).rejects.toThrow()
  await rates.request('::ffff:192.0.2.2')
})

test('the limit ends with its time', async () => {
  vi.useFakeTimers()
  const rates = new Rates(LIMITS)
  for (let n = 0; n < 5; n++) await rates.request('192.0.2.1')
  await expect(rates.request('192.0.2.1')).rejects.toThrow()
  vi.advanceTimersByTime(11_000)
  await rates.request('192.0.2.1')
})
