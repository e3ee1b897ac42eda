/** Blobs between peers: asked for by hash on a channel of kind `blob`, checked and stored whole before anyone hears of them. */
import { Readable } from 'node:stream'
import { pipe } from 'it-pipe'
import { MeshError } from '../protocols/errors.ts'
import type { Peer } from '../protocols/peer/index.ts'
import type { BlobRef, PeerId } from '../protocols/ports.ts'
import type { BlobCache } from './adapters/blob-cache.ts'
import { channelDuplex } from './adapters/channel-stream.ts'

/** 256 MiB of files with the frame of archive and compression around them. */
export const BLOB_MAX_BYTES = (256 << 20) + (1 << 20)
const ASK_MS = 3_000
const ASK_MAX = 48

export function serveBlobs(peer: Peer, cache: BlobCache): void {
  peer.rpc.serve('blob', (_from, hash, answer) =>
    answer(undefined, typeof hash === 'string' && cache.has(hash) ? { here: true } : { here: false })
  )
  peer.channels.serve('blob', (channel) => {
    const { hash } = channel.meta
    if (typeof hash !== 'string' || !cache.has(hash)) return channel.abort('that content is not here')
    const duplex = channelDuplex(channel)
    cache
      .open(hash)
      .then(({ content }) => pipe(content, duplex.sink))
      .catch((error: Error) => channel.abort(error.message))
  })
}

/** From the first source that has it into the cache. */
export async function fetchBlob(
  peer: Peer,
  cache: BlobCache,
  blob: BlobRef,
  sources: readonly PeerId[]
): Promise<void> {
  if (cache.has(blob.hash)) return
  const tried: string[] = []
  for (const source of new Set(sources)) {
    if (source === peer.self || !peer.isReachable(source)) continue
    try {
      await fetchFrom(peer, cache, blob, source)
      return
    } catch (error) {
      tried.push(`${peer.nameOf(source)}: ${(error as Error).message}`)
    }
  }
  const where = tried.length === 0 ? 'no peer that has them can be reached' : tried.join('; ')
  throw new MeshError(
    'PEER_UNREACHABLE',
    `${blob.bytes} bytes of files (${blob.hash.slice(0, 8)}) are not to be had: ${where}`
  )
}

/** Looks for the blob at every peer of the list that can be reached, in a very large mesh at the first of them. */
export async function findBlob(peer: Peer, hash: string, peers: readonly PeerId[]): Promise<PeerId | undefined> {
  const able = peers.filter((source) => source !== peer.self && peer.isReachable(source)).slice(0, ASK_MAX)
  const answers = await Promise.all(
    able.map(
      (source) =>
        new Promise<PeerId | undefined>((resolve) => {
          peer.rpc.ask(source, 'blob', hash, ASK_MS, (error, value) =>
            resolve(error === undefined && (value as { here?: boolean } | null)?.here === true ? source : undefined)
          )
        })
    )
  )
  return answers.find((source) => source !== undefined)
}

async function fetchFrom(peer: Peer, cache: BlobCache, blob: BlobRef, source: PeerId): Promise<void> {
  const channel = peer.channels.open(source, 'blob', { hash: blob.hash })
  const duplex = channelDuplex(channel)
  channel.end()
  try {
    await cache.put(blob.hash, Readable.from(duplex.source, { objectMode: false }), blob.bytes)
  } catch (error) {
    channel.abort((error as Error).message)
    throw error
  }
}
