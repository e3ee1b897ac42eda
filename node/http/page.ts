/**
 * The page: the files of the build, each a route of its own, read once at the start, so that a peer goes on serving the
 * page it came with while another build takes its place on disk. Nothing of a request becomes a path. Files with a hash
 * in their name never change; index.html is asked for again each time.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join, posix, resolve } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from './context.ts'

const FILES_MAX = 500
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8'
}
/** Vite's names: name-<8 characters of the content's hash>.ext, in assets/. */
const HASHED = /^assets\/.+-[A-Za-z0-9_-]{8}\.\w+$/
const NOT_BUILT = 'The page is not built. Run `npm run build` in the folder of Omega and start the peer again.\n'

export function pageRoutes(app: App, uiDir: string): void {
  const config = { access: 'open' } as const
  const files = existsSync(join(uiDir, 'index.html')) ? list(resolve(uiDir)) : []
  const schema = { hide: true }
  if (files.length === 0) {
    app.get('/', { config, schema }, (_, reply) => reply.type('text/plain; charset=utf-8').code(503).send(NOT_BUILT))
    return
  }
  for (const file of files) {
    const content = readFileSync(join(uiDir, file))
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 16)}"`
    const cache = HASHED.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache'
    const handler = (request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('cache-control', cache).header('etag', etag)
      if (request.headers['if-none-match'] === etag) return reply.code(304).send()
      return reply.type(TYPES[extname(file)] ?? 'application/octet-stream').send(content)
    }
    app.get(`/${file}`, { config, schema }, handler)
    if (file === 'index.html') app.get('/', { config, schema }, handler)
  }
}

/** Paths of all files below the folder, with slashes. */
function list(root: string): string[] {
  const files: string[] = []
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || files.length >= FILES_MAX) continue
    const folder = entry.parentPath.slice(root.length).replaceAll('\\', '/').replace(/^\//, '')
    const file = posix.join(folder, entry.name)
    // Characters that the router would read as a pattern are in no name that Vite gives.
    if (!/[:*]/.test(file)) files.push(file)
  }
  return files
}
