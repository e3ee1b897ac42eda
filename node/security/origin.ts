/**
 * Against forged requests and DNS rebinding: the Host header must name this peer, and what changes something, or opens a
 * WebSocket, must come from a page of this very origin.
 */

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
const ALWAYS = ['localhost', '127.0.0.1', '[::1]']

export interface OriginFacts {
  method: string
  isUpgrade: boolean
  scheme: 'http' | 'https'
  host: string | undefined
  origin: string | undefined
  secFetchSite: string | undefined
  /** Authenticated by an Authorization header, which no browser sends by itself. */
  bearer: boolean
}

/** Host names and addresses as the Host header has them, lower case, IPv6 in brackets. */
export function allowedHosts(names: readonly string[]): Set<string> {
  const hosts = new Set(ALWAYS)
  for (const name of names)
    hosts.add(name.includes(':') && !name.startsWith('[') ? `[${name.toLowerCase()}]` : name.toLowerCase())
  return hosts
}

/** The name in a Host header, without the port; undefined for what is no host. */
export function hostName(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?$/i.exec(header ?? '')
  return match?.[1]?.toLowerCase().replace(/\.$/, '')
}

/** In words what is wrong, or undefined. */
export function checkHost(header: string | undefined, allowed: ReadonlySet<string>): string | undefined {
  const name = hostName(header)
  if (name !== undefined && allowed.has(name)) return undefined
  return `this peer does not answer for host "${(header ?? '').slice(0, 80)}"; open it by its own name or address`
}

export function checkOrigin(facts: OriginFacts): string | undefined {
  if (SAFE_METHODS.has(facts.method) && !facts.isUpgrade) return undefined
  // A program with a token has no origin; a browser always sends one.
  if (facts.origin === undefined && facts.bearer) return undefined
  if (facts.origin === undefined)
    return 'the Origin header is missing; requests that change something come from the page or carry a token'
  if (facts.origin.toLowerCase() !== `${facts.scheme}://${facts.host ?? ''}`.toLowerCase())
    return `requests from ${facts.origin.slice(0, 80)} are not taken here`
  if (facts.secFetchSite !== undefined && facts.secFetchSite !== 'same-origin')
    return `requests from another site (${facts.secFetchSite.slice(0, 20)}) are not taken here`
  return undefined
}
