/**
 * Where the parts of the program lie, the same words from the sources and from the bundle. The bundle keeps all its files
 * in `build/node/`, the sources keep their folders; both know the project's root two folders up from this module.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import programs from './programs.json' with { type: 'json' }

const here = import.meta.dirname
const bundled = !import.meta.filename.endsWith('.ts')
const root = join(here, '..', '..')

export type Program = keyof typeof programs

/** Script to hand to `process.execPath` for a program of ours. */
export function programFile(program: Program): string {
  return bundled ? join(here, `${program}.js`) : join(root, programs[program])
}

/** Folder of the built page, or undefined when nobody has built it yet (`npm run build`). */
export function pageFolder(): string | undefined {
  const folder = join(root, 'build', 'ui')
  return existsSync(join(folder, 'index.html')) ? folder : undefined
}

let known: string | undefined

/** Version in package.json. */
export function programVersion(): string {
  known ??= (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
  return known
}
