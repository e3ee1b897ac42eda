/** The app behind `/docs`: it knows the routes by their schemas, carries none of them out, and listens nowhere. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { zodController } from './compilers.ts'
import type { App } from './context.ts'
import type { DocumentedRoute } from './docs-routes.ts'

export async function buildDocs(routes: readonly DocumentedRoute[], version: string): Promise<App> {
  const options = { logger: false, exposeHeadRoutes: false, schemaController: zodController } as const
  const app: App = Fastify(options).withTypeProvider<ZodTypeProvider>()
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Omega', description: 'The API of one peer; every peer answers for the whole mesh.', version },
      components: {
        securitySchemes: {
          login: { type: 'apiKey', in: 'cookie', name: '__Host-omega' },
          token: { type: 'http', scheme: 'bearer' }
        }
      },
      security: [{ login: [] }, { token: [] }]
    },
    transform: jsonSchemaTransform
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: false, uiConfig: { docExpansion: 'list' } })
  for (const { method, url, schema } of routes) app.route({ method, url, schema, handler: notHere })
  await app.ready()
  return app
}

function notHere(): never {
  throw new Error('the documents app carries out no route')
}
