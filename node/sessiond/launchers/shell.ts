/** `shell:` gives one command line to the system's shell; further arguments become its `$1 …`. */
import type { Launch, Launcher } from './types.ts'

export const shell: Launcher = async ([line = '', ...rest], { env }): Promise<Launch> =>
  process.platform === 'win32'
    ? { file: env.ComSpec ?? 'cmd.exe', args: ['/d', '/s', '/c', `"${line}"`], verbatim: true }
    : { file: '/bin/sh', args: ['-c', line, 'sh', ...rest] }
