/**
 * The archive that travels: tar (pax, times below a second) in zstd, as a stream both ways. Reading bounds every number
 * an attacker could choose: archive bytes, window, names; what is written where is for unpack.ts and apply.ts to decide.
 */
import { open } from 'node:fs/promises'
import { Readable, Transform, pipeline } from 'node:stream'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { extract, pack } from 'tar-stream'
import type { Header, Pack } from 'tar-stream'
import { MeshError } from '../../protocols/errors.ts'
import { sizeText } from './limits.ts'
import { READ_ITSELF } from './manifest.ts'
import type { Mark } from './manifest.ts'

const LEVEL = 3
const READ_BYTES = 256 << 10
/** Level 3 looks back 2 MiB; a frame that asks the reader for more memory than 8 MiB is not ours. */
const WINDOW_LOG_MAX = 23
/** What a file adds beside its bytes: two headers, the pax record, padding. */
const OVERHEAD_BYTES = 6 << 10

/** Writes entries one after the other. `sha256` of files is added to their marks by the caller's `onBytes`. */
export class TarWriter {
  readonly stream: Readable
  readonly #pack: Pack = pack()

  constructor() {
    const compress = createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 }
    })
    // A reader that goes away ends the writer through this callback; the error itself reaches the reader.
    pipeline(Readable.from(this.#pack, { objectMode: false }), compress, (error) => {
      if (error) this.#pack.destroy(error)
    })
    this.stream = compress
  }

  /** Resolves when the entry is in the stream. A file that shrank since is filled up with zeros, as tar does. */
  async file(path: string, mark: Mark, source: string, onBytes: (bytes: Buffer) => void): Promise<void> {
    const file = await open(source, READ_ITSELF)
    try {
      const sink = await this.#begin(path, mark, { type: 'file', size: mark.size })
      const block = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(mark.size, 1)))
      for (let left = mark.size; left > 0;) {
        const { bytesRead } = await file.read(block, 0, Math.min(block.length, left))
        const bytes =
          bytesRead > 0 ? Buffer.from(block.subarray(0, bytesRead)) : Buffer.alloc(Math.min(left, READ_BYTES))
        onBytes(bytes)
        await sink.write(bytes)
        left -= bytes.length
      }
      await sink.end()
    } finally {
      await file.close()
    }
  }

  async bytes(path: string, mark: Mark, content: Buffer): Promise<void> {
    const sink = await this.#begin(path, mark, { type: 'file', size: content.length })
    for (let at = 0; at < content.length; at += READ_BYTES) await sink.write(content.subarray(at, at + READ_BYTES))
    await sink.end()
  }

  async other(path: string, mark: Mark): Promise<void> {
    const header: Partial<Header> =
      mark.kind === 'dir' ? { type: 'directory' } : { type: 'symlink', linkname: mark.target ?? '' }
    await (await this.#begin(path, mark, header)).end()
  }

  finish(): void {
    this.#pack.finalize()
  }

  fail(error: Error): void {
    this.#pack.destroy(error)
  }

  async #begin(
    path: string,
    mark: Mark,
    more: Partial<Header>
  ): Promise<{ write(bytes: Buffer): Promise<void>; end(): Promise<void> }> {
    const header = {
      name: path,
      mode: mark.mode,
      mtime: new Date(mark.mtimeMs),
      pax: { mtime: (mark.mtimeMs / 1000).toFixed(6) },
      ...more
    }
    let done: (error?: Error | null) => void = () => {}
    const finished = new Promise<void>((resolve, reject) => (done = (error) => (error ? reject(error) : resolve())))
    finished.catch(() => {}) // whoever is writing at that moment hears of it
    const sink = this.#pack.entry(header, (error) => done(error))
    return {
      write: async (bytes) => {
        if (sink.write(bytes)) return
        await Promise.race([finished, new Promise<void>((resolve) => sink.once('drain', resolve))])
      },
      end: async () => {
        sink.end(null)
        await finished
      }
    }
  }
}

export interface TarEntry {
  path: string
  type: Header['type']
  size: number
  mode: number
  mtimeMs: number
  target: string
  /** The file's bytes; must be read to the end before the next entry comes. */
  content: AsyncIterable<Buffer>
}

/** Entries in order. Rejects TOO_LARGE above the bounds and WIRE_INVALID for what is no such archive. */
export async function* readTar(
  archive: Readable,
  limits: { bytes: number; entries: number }
): AsyncGenerator<TarEntry> {
  const untar = extract()
  const archiveMax = limits.bytes + limits.entries * OVERHEAD_BYTES
  const decompress = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } })
  let failure: Error | undefined
  pipeline(archive, decompress, bounded(archiveMax), untar as unknown as NodeJS.WritableStream, (error) => {
    failure ??= error ?? undefined
  })
  untar.on('error', () => {}) // comes out of the loop below as well
  let entries = 0
  try {
    for await (const entry of untar) {
      if (++entries > limits.entries)
        throw new MeshError('TOO_LARGE', `the archive holds more than ${limits.entries} files`)
      const header = entry.header
      const paxTime = Number((header.pax as Record<string, string> | null)?.mtime)
      yield {
        path: header.name.endsWith('/') ? header.name.slice(0, -1) : header.name,
        type: header.type,
        size: header.size,
        mode: header.mode & 0o777,
        mtimeMs: Number.isFinite(paxTime) && paxTime >= 0 && paxTime < 1e11 ? paxTime * 1000 : header.mtime.getTime(),
        target: header.linkname ?? '',
        content: readContent(entry as unknown as AsyncIterable<Buffer>, () => failure)
      }
      entry.resume()
    }
  } catch (error) {
    throw archiveError(failure ?? (error as Error))
  } finally {
    archive.destroy()
    decompress.destroy()
    untar.destroy()
  }
}

async function* readContent(entry: AsyncIterable<Buffer>, failure: () => Error | undefined): AsyncGenerator<Buffer> {
  try {
    yield* entry
  } catch (error) {
    throw archiveError(failure() ?? (error as Error))
  }
}

function archiveError(cause: Error): MeshError {
  if (cause instanceof MeshError) return cause
  return new MeshError('WIRE_INVALID', `the folder's archive is damaged: ${cause.message}`, { cause })
}

/** A small archive may unfold to any size: counted as it unfolds, and given up there. */
function bounded(bytesMax: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > bytesMax) done(new MeshError('TOO_LARGE', `the archive unfolds to more than ${sizeText(bytesMax)}`))
      else done(null, chunk)
    }
  })
}
