/** Content by its SHA-256: the packed folder of a session, in and out. Streams both ways, bounded. */
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { MeshError } from '../../protocols/errors.ts'
import type { App, Context } from './context.ts'
import { DoorError } from './errors.ts'
import { BlobParam } from './schemas.ts'

/** 256 MiB of files, and the frame of archive and compression around them. */
export const BLOB_MAX_BYTES = (256 << 20) + (1 << 20)

export function blobRoutes(app: App, { api }: Context): void {
  app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/octet-stream', (request, payload, done) => {
      // Fastify holds only parsed bodies to a bound; this one is a stream.
      if (Number(request.headers['content-length'] ?? 0) > BLOB_MAX_BYTES) done(tooLarge())
      else done(null, payload)
    })
    scope.put(
      '/api/v1/blobs/:hash',
      {
        config: { access: 'user', streams: true },
        schema: {
          summary: 'Upload content; the hash is checked',
          description: 'Body: application/octet-stream, at most 257 MiB. Ask with HEAD first whether it is there.',
          tags: ['blobs'],
          params: BlobParam,
          response: { 201: z.object({ hash: z.string(), bytes: z.number() }) }
        }
      },
      async (request, reply) => {
        const { hash } = request.params
        const body = request.body as Readable | undefined
        if (body === undefined)
          throw new DoorError(400, 'BAD_REQUEST', 'the body is missing: send application/octet-stream')
        const { bytes } = await api.putBlob(hash, bounded(body))
        return reply.code(201).send({ hash, bytes })
      }
    )
  })
  app.head(
    '/api/v1/blobs/:hash',
    {
      config: { access: 'user' },
      schema: { summary: 'Is it in the cache of this PC?', tags: ['blobs'], params: BlobParam }
    },
    (request, reply) => reply.code(api.hasBlob(request.params.hash) ? 200 : 404).send()
  )
  app.get(
    '/api/v1/blobs/:hash',
    {
      config: { access: 'user', streams: true },
      schema: { summary: 'Download content, from whichever peer has it', tags: ['blobs'], params: BlobParam }
    },
    async (request, reply) => {
      const { bytes, content } = await api.getBlob(request.params.hash)
      return reply
        .type('application/octet-stream')
        .header('content-length', bytes)
        .header('content-disposition', `attachment; filename="${request.params.hash}"`)
        .send(content)
    }
  )
}

const tooLarge = () => new MeshError('TOO_LARGE', `a blob has at most ${BLOB_MAX_BYTES} bytes`)

function bounded(body: Readable): Readable {
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > BLOB_MAX_BYTES) done(tooLarge())
      else done(null, chunk)
    }
  })
  // pipe() alone would leave the counter waiting when the sender breaks off.
  body.once('error', (error) => counter.destroy(error))
  body.once('close', () => body.readableEnded || counter.destroy(new MeshError('BAD_REQUEST', 'the upload broke off')))
  return body.pipe(counter)
}
