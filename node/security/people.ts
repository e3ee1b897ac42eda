/** People at the doors: who is asking, and how they came to be known. One object for all doors of a peer. */
import type { Log } from '../../protocols/ports.ts'
import type { PeerApi } from '../http/api.ts'
import { Accounts } from './accounts.ts'
import { FirstRun } from './first-run.ts'
import { Handover } from './handover.ts'
import { Logins } from './logins.ts'
import { Passwords } from './passwords.ts'
import type { Argon2Cost } from './passwords.ts'
import { Rates } from './rates.ts'
import type { RateLimits } from './rates.ts'
import { Tokens } from './tokens.ts'

export { SETUP_LINK_MS } from './accounts.ts'
export { DOCS_CSP, SECURITY_HEADERS } from './headers.ts'
export { TOTAL_MS } from './logins.ts'
export type { Login, LoginView } from './logins.ts'
export { allowedHosts, checkHost, checkOrigin } from './origin.ts'
export type { Argon2Cost } from './passwords.ts'
export type { RateLimits } from './rates.ts'
export { TOKEN_DAYS_MAX } from './tokens.ts'

export interface Security {
  accounts: Accounts
  logins: Logins
  tokens: Tokens
  firstRun: FirstRun
  handover: Handover
  rates: Rates
}

export interface SecurityOptions {
  api: PeerApi
  log: Log
  now: () => number
  argon2?: Argon2Cost
  rates?: RateLimits
}

export function createSecurity({ api, log, now, argon2, rates }: SecurityOptions): Security {
  const accounts = new Accounts(api.ledger, new Passwords(argon2), now, log)
  const logins = new Logins(api.ledger, accounts, now)
  return {
    accounts,
    logins,
    tokens: new Tokens(api.ledger, accounts, now),
    firstRun: new FirstRun(accounts),
    handover: new Handover(api, logins, now),
    rates: new Rates(rates)
  }
}
