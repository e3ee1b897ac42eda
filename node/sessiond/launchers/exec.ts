/** `exec:` starts a program with its arguments, no shell between. Says where it looked when there is no such program. */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { MeshError } from '../../../protocols/errors.ts'
import type { Launch, Launcher } from './types.ts'

export const exec: Launcher = async (argv, { cwd, env }): Promise<Launch> => {
  const [program = '', ...args] = argv
  return { file: await findProgram(program, cwd, env), args, argv0: program }
}

async function findProgram(program: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
  if (program.includes('/') || (process.platform === 'win32' && program.includes('\\'))) {
    const path = isAbsolute(program) ? program : resolve(cwd, program)
    const trouble = await troubleWith(path)
    if (trouble === undefined) return path
    throw new MeshError('HOST_FAILED', `cannot start "${program}": ${trouble} (${path})`)
  }
  const search = Object.entries(env).find(([name]) => name === 'PATH' || name.toUpperCase() === 'PATH')?.[1] ?? ''
  const folders = search.split(delimiter).filter((folder) => folder !== '')
  const paths = folders.flatMap((folder) => namesOf(program, env).map((name) => resolve(cwd, join(folder, name))))
  const troubles = await Promise.all(paths.map(troubleWith))
  const found = troubles.indexOf(undefined)
  if (found !== -1) return paths[found]!
  const denied = troubles.findIndex((trouble) => trouble !== NO_SUCH)
  if (denied !== -1)
    throw new MeshError('HOST_FAILED', `cannot start "${program}": ${troubles[denied]} (${paths[denied]})`)
  throw new MeshError(
    'HOST_FAILED',
    `cannot start "${program}": no such program on this PC; looked in ${folders.join(', ') || 'no folder (PATH is empty)'}`
  )
}

const NO_SUCH = 'no such file'

async function troubleWith(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path)
    if (!found.isFile()) return found.isDirectory() ? 'it is a folder' : 'it is not a file'
    await access(path, constants.X_OK)
    return undefined
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return NO_SUCH
    return code === 'EACCES' ? 'it may not be executed here' : (error as Error).message
  }
}

function namesOf(program: string, env: Readonly<Record<string, string>>): string[] {
  if (process.platform !== 'win32') return [program]
  return [program, ...(env.PATHEXT ?? '.COM;.EXE').split(';').map((ending) => program + ending.toLowerCase())]
}
