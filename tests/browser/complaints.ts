/** What a browser complains of while a person works: errors of the console (violations of the page's policy are among them), requests without an answer, and refusals. */
import type { Page } from 'playwright-core'
import type { Browser } from './harness/index.ts'

export class Complaints {
  readonly #browser: Browser
  readonly #requests: string[] = []

  constructor(browser: Browser) {
    this.#browser = browser
    browser.context.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? ''
      // The page itself ends what it does not need any more: the output of a session it leaves.
      if (why !== 'net::ERR_ABORTED') this.#requests.push(`${why} ${request.url()}`)
    })
    browser.context.on('response', (response) => {
      if (response.status() >= 400) this.#requests.push(`${response.status()} ${response.url()}`)
    })
  }

  /** Without those about one of these: the question who one is before the login, a peer that was killed. */
  except(...allowed: string[]): string[] {
    return [...this.#browser.errors, ...this.#requests].filter((text) => !allowed.some((part) => text.includes(part)))
  }
}

/** The one question that is answered with 401: who is there, before anybody is. */
export const whoAmI = (page: Page): string => new URL('/api/v1/me', page.url()).href
