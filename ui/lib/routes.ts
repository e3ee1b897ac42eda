/** The places of the page and how they are written after `#`. Pure. */
export type Route =
  | { page: 'dashboard' }
  | { page: 'nodes'; query: URLSearchParams }
  | { page: 'node'; id: string }
  | { page: 'add' }
  | { page: 'sessions'; query: URLSearchParams }
  | { page: 'session'; id: string }
  | { page: 'start' }
  | { page: 'apps'; query: URLSearchParams }
  | { page: 'unknown'; path: string }

export const TABS = [
  { page: 'dashboard', name: 'Dashboard', path: '/', key: 'd' },
  { page: 'nodes', name: 'Nodes', path: '/nodes', key: 'n' },
  { page: 'apps', name: 'Apps', path: '/apps', key: 'a' },
  { page: 'sessions', name: 'Sessions', path: '/sessions', key: 's' }
] as const
export type Tab = (typeof TABS)[number]['page']

export function parseRoute(hash: string): Route {
  const written = hash.replace(/^#/, '') || '/'
  const [path = '/', search = ''] = written.split('?', 2)
  const [first = '', second] = path.split('/').filter(Boolean).map(decode)
  const query = new URLSearchParams(search)
  if (first === '') return { page: 'dashboard' }
  if (first === 'nodes')
    return second === undefined
      ? { page: 'nodes', query }
      : second === 'add'
        ? { page: 'add' }
        : { page: 'node', id: second }
  if (first === 'apps' && second === undefined) return { page: 'apps', query }
  if (first === 'sessions') {
    return second === undefined
      ? { page: 'sessions', query }
      : second === 'start'
        ? { page: 'start' }
        : { page: 'session', id: second }
  }
  return { page: 'unknown', path }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export function tabOf(route: Route): Tab | null {
  if (route.page === 'node' || route.page === 'add') return 'nodes'
  if (route.page === 'session' || route.page === 'start') return 'sessions'
  return route.page === 'unknown' ? null : route.page
}

export function nodePath(id: string): string {
  return `/nodes/${encodeURIComponent(id)}`
}
export function sessionPath(id: string): string {
  return `/sessions/${encodeURIComponent(id)}`
}

/** A path with only those parameters that say something. */
export function withQuery(path: string, parameters: Record<string, string>): string {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''))
  const written = query.toString()
  return written ? `${path}?${written}` : path
}
