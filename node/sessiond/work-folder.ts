/** The folder a session works in: unpacked from its input before, what changed packed into the blob cache after. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { Transform } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { BlobRef, Exit } from '../../protocols/ports.ts'
import { blobPath, storeBlob } from '../adapters/blob-cache.ts'

/** How the folder was before the program ran; kept on disk, for it may have many entries. */
const baseFile = (runFolder: string): string => join(runFolder, 'base.jsonl')

export const workFolder = (runFolder: string): string => join(runFolder, 'work')

/** Rejects with a reason for people. */
export async function unpackInput(dataDir: string, runFolder: string, input: BlobRef, maxBytes: number): Promise<void> {
  const { saveManifest, unpackFolder } = await import('../folder/index.ts')
  const digest = createHash('sha256')
  const source = createReadStream(blobPath(dataDir, input.hash), { highWaterMark: 256 << 10 })
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk)
      done(null, chunk)
    }
  })
  source.on('error', (error) => counted.destroy(notHere(input, error)))
  const base = await unpackFolder(source.pipe(counted), workFolder(runFolder), { bytes: maxBytes })
  if (digest.digest('hex') !== input.hash)
    throw new MeshError('STORE_FAILED', `the folder's archive ${input.hash} is damaged on this disk`)
  await saveManifest(baseFile(runFolder), base)
}

function notHere(input: BlobRef, error: Error): MeshError {
  return new MeshError('STORE_FAILED', `the folder's archive ${input.hash} cannot be read here: ${error.message}`)
}

/** Undefined parts are left out: no folder travelled, or nothing changed. Never rejects; what went wrong is said in words. */
export async function packOutput(
  dataDir: string,
  runFolder: string,
  maxBytes: number
): Promise<Pick<Exit, 'output' | 'outputError'>> {
  const base = baseFile(runFolder)
  if (!(await access(base).then(isTrue, isFalse))) return {}
  try {
    const { loadManifest, packResult } = await import('../folder/index.ts')
    const packed = await packResult(await loadManifest(base), workFolder(runFolder), { limitBytes: maxBytes })
    if (packed === undefined) return {}
    const blob = await storeBlob(dataDir, packed.stream, { writer: 'sessiond' })
    const exit: Pick<Exit, 'output' | 'outputError'> = { output: { ...blob, files: packed.files } }
    if (packed.skipped.length > 0) exit.outputError = leftOut(packed.skipped)
    return exit
  } catch (error) {
    return { outputError: `the changed files could not be packed: ${(error as Error).message}` }
  }
}

function leftOut(skipped: readonly { path: string; reason: string }[]): string {
  const named = skipped.slice(0, 5).map(({ path, reason }) => `${path} (${reason})`)
  return `left out: ${named.join(', ')}${skipped.length > 5 ? ` and ${skipped.length - 5} more` : ''}`
}

/** Where the program starts. Rejects BAD_REQUEST when there is no such folder. */
export async function startFolder(runFolder: string, cwd: string, travelled: boolean): Promise<string> {
  const top = workFolder(runFolder)
  const wanted = !travelled && isAbsolute(cwd) ? cwd : join(top, cwd)
  if (travelled && isAbsolute(cwd))
    throw new MeshError('BAD_REQUEST', `the start folder "${cwd}" must be inside the folder that travels`)
  const found = await stat(wanted).catch(() => undefined)
  if (found === undefined || !found.isDirectory())
    throw new MeshError(
      'BAD_REQUEST',
      `there is no folder "${cwd}" ${isAbsolute(cwd) ? 'on this PC' : 'in what was sent'}`
    )
  if (isAbsolute(cwd)) return wanted
  const [inside, real] = await Promise.all([realpath(top), realpath(wanted)])
  if (relative(inside, real).startsWith('..'))
    throw new MeshError('BAD_REQUEST', `the start folder "${cwd}" leads out of the folder that travels`)
  return real
}

const isTrue = (): boolean => true
const isFalse = (): boolean => false
