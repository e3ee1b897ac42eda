/** `app:` starts an installed application by the id of its menu entry, with files or addresses to open. */
import { MeshError } from '../../../protocols/errors.ts'
import { applications, commandOf } from '../../applications.ts'
import { exec } from './exec.ts'
import type { Launcher } from './types.ts'

export const app: Launcher = async ([id = '', ...files], context) => {
  const found = applications().get(id)
  if (found === undefined)
    throw new MeshError(
      'HOST_FAILED',
      `the application "${id}" is not installed on this PC; \`omega apps\` lists which PC has it`
    )
  return await exec(commandOf(found, files), context)
}
