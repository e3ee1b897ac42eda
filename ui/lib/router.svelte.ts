/** Where the page is: the path and query after `#`, so that any peer serves every deep link with the same file. */
import { parseRoute, type Route } from './routes.ts'

class Router {
  #hash = $state(location.hash)
  readonly route = $derived<Route>(parseRoute(this.#hash))
  #listen = () => {
    this.#hash = location.hash
  }

  start(): void {
    window.addEventListener('hashchange', this.#listen)
  }
  stop(): void {
    window.removeEventListener('hashchange', this.#listen)
  }

  go(path: string): void {
    location.hash = path
  }

  /** Changes the address without a step in the history: filters, and fragments that must not stay. */
  replace(path: string): void {
    history.replaceState(null, '', `#${path}`)
    this.#hash = `#${path}`
  }

  /** The present place as it is written after `#`. */
  get path(): string {
    return this.#hash.slice(1) || '/'
  }
}

export const router = new Router()
