/**
 * `/docs`: the API as an interactive page, offline, and `/docs/json`, the OpenAPI document. Both are generated from the
 * schemas that validate. What draws them is loaded when somebody first asks.
 */
import type { HTTPMethods, RouteOptions } from 'fastify'
import { DOCS_CSP } from '../security/people.ts'
import type { App } from './context.ts'

export interface DocumentedRoute {
  method: HTTPMethods | HTTPMethods[]
  url: string
  schema: NonNullable<RouteOptions['schema']>
}

/** Watches the routes that register from here on; the function returned ends that. */
export function docsRoutes(app: App, version: string): () => void {
  const routes: DocumentedRoute[] = []
  let watching = true
  app.addHook('onRoute', ({ method, url, schema }) => {
    if (watching && schema !== undefined && !url.startsWith('/docs'))
      routes.push({ method: method as HTTPMethods, url, schema })
  })
  let docs: Promise<App> | undefined
  for (const url of ['/docs', '/docs/*']) {
    app.get(url, { config: { access: 'viewer' }, schema: { hide: true } }, async (request, reply) => {
      docs ??= import('./docs.ts').then(({ buildDocs }) => buildDocs(routes, version))
      const viewer = await docs
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      reply.raw.setHeader('content-security-policy', DOCS_CSP)
      viewer.routing(request.raw, reply.raw)
    })
  }
  return () => {
    watching = false
  }
}
