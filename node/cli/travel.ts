/** The folder of a command: packed and handed to the peer before the run, what changed brought back after it. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, parse } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { BlobRef } from '../../protocols/ports.ts'
import { applyResult, packFolder } from '../folder/index.ts'
import type { Manifest } from '../folder/index.ts'
import type { SessionView } from '../http/views.ts'
import type { Client } from './client.ts'

export interface Travelling {
  dir: string
  manifest: Manifest
  input: BlobRef
}

/** Why the folder stays here although nobody said so; undefined: it may travel. */
export async function staysHere(dir: string): Promise<string | undefined> {
  const [here, home] = await Promise.all([realpath(dir), realpath(homedir()).catch(() => homedir())])
  if (here === parse(here).root) return 'the whole disk does not travel; run from a project folder, or give --files'
  if (here === home) return 'your home folder does not travel by itself; run from a project folder, or give --files'
  return undefined
}

/** Packs the folder and leaves it in the peer's cache. */
export async function sendFolder(client: Client, dir: string): Promise<Travelling> {
  const temporary = await mkdtemp(join(tmpdir(), 'omega-'))
  try {
    const packed = await packFolder(dir)
    const file = join(temporary, 'folder')
    const hash = createHash('sha256')
    let bytes = 0
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        bytes += chunk.length
        done(null, chunk)
      }
    })
    await pipeline(packed.stream, measure, createWriteStream(file, { mode: 0o600 }))
    const input = { hash: hash.digest('hex'), bytes }
    if (!(await client.has(`/api/v1/blobs/${input.hash}`)))
      await client.upload(`/api/v1/blobs/${input.hash}`, createReadStream(file))
    return { dir, manifest: packed.manifest, input }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Applies what the program changed; tells conflicts. Resolves to the lines for a person. */
export async function bringBack(
  client: Client,
  travelling: Travelling,
  session: SessionView,
  runnerName: string
): Promise<string[]> {
  if (session.output === null) return []
  const content = await client.stream(`/api/v1/blobs/${session.output.hash}`)
  const summary = await applyResult(content, travelling.dir, travelling.manifest, {
    runner: runnerName,
    session: session.id
  })
  return [
    ...summary.conflicts.map(({ path, keptAs }) =>
      keptAs === null
        ? `${path} was deleted there and changed here: yours stays`
        : `${path} changed here too: the result is beside it as ${keptAs}`
    ),
    ...summary.refused.map(({ path, reason }) => `${path} was not written: ${reason}`)
  ]
}
