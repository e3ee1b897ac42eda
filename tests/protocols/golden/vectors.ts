/** The files of golden vectors, one a plane: release -> name of the message -> its bytes in hex. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Releases = Record<string, Record<string, string>>

const root = join(import.meta.dirname, '..', '..', '..')
/** Of this program. */
export const VERSION = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

export const vectorsFile = (plane: string): string => join(import.meta.dirname, `${plane}.json`)

export function readVectors(plane: string): Releases {
  const file = vectorsFile(plane)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Releases) : {}
}
