/** One Fastify app behind all doors: plugins, the guard, every route. It listens nowhere itself; doors.ts feeds it. */
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyServerOptions, RouteOptions } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { SECURITY_HEADERS } from '../security/people.ts'
import { requireAccess } from './access.ts'
import { aliases } from './aliases.ts'
import { attachRoute } from './attach.ts'
import { CLIENT_FRAME_MAX } from './attach-wire.ts'
import { authRoutes } from './auth-routes.ts'
import { blobRoutes } from './blob-routes.ts'
import { zodController } from './compilers.ts'
import type { App, Context } from './context.ts'
import { displayRoute } from './display.ts'
import { docsRoutes } from './docs-routes.ts'
import { errorHandler } from './errors.ts'
import { guard } from './guard.ts'
import type { GuardOptions } from './guard.ts'
import { liveRoute } from './live.ts'
import { meshRoutes } from './mesh-routes.ts'
import { metricsRoute } from './metrics.ts'
import { pageRoutes } from './page.ts'
import { sessionRoutes } from './session-routes.ts'
import { simulationRoutes } from './simulation-routes.ts'
import { statusRoutes } from './status-routes.ts'
import { userRoutes } from './user-routes.ts'

const JSON_BODY_MAX = 64 << 10

export interface AppOptions extends GuardOptions {
  uiDir: string
  /** PEM of the mesh CA. */
  ca(): string
  /** Told of each route as it registers. */
  onRoute?: (route: RouteOptions) => void
}

export async function buildApp(context: Context, options: AppOptions): Promise<App> {
  const app: App = Fastify({
    logger: false,
    bodyLimit: JSON_BODY_MAX,
    exposeHeadRoutes: false,
    schemaController: zodController,
    routerOptions: { maxParamLength: 128 },
    // An error that the router itself meets (a path that is no valid text) is answered in our words, too.
    frameworkErrors: ((error, request, reply) => {
      void reply.headers(SECURITY_HEADERS)
      errorHandler(context.log)(error, request, reply)
    }) as NonNullable<FastifyServerOptions['frameworkErrors']>
  }).withTypeProvider<ZodTypeProvider>()
  app.setErrorHandler(errorHandler(context.log))
  // What is neither JSON nor a blob is refused: a form of another site sends text or a form.
  app.removeContentTypeParser('text/plain')
  await app.register(cookie, { hook: false })
  await app.register(websocket, {
    options: { maxPayload: CLIENT_FRAME_MAX, perMessageDeflate: false },
    errorHandler: (_error, socket) => socket.terminate()
  })
  app.addHook('onRoute', requireAccess)
  if (options.onRoute !== undefined) app.addHook('onRoute', options.onRoute)
  guard(app, context, options)
  const documented = docsRoutes(app, context.version)
  statusRoutes(app, context)
  sessionRoutes(app, context)
  attachRoute(app, context)
  displayRoute(app, context)
  blobRoutes(app, context)
  meshRoutes(app, context, options.ca)
  authRoutes(app, context)
  userRoutes(app, context)
  liveRoute(app, context)
  simulationRoutes(app, context)
  metricsRoute(app, context)
  aliases(app, context)
  documented()
  pageRoutes(app, options.uiDir)
  await app.ready()
  return app
}
