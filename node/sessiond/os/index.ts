/** The operating system of this PC. */
import { darwin } from './darwin.ts'
import { linux } from './linux.ts'
import type { Os } from './types.ts'
import { win32 } from './win32.ts'

export type { Os, Tree, TreeSignal } from './types.ts'

export const os: Os = process.platform === 'win32' ? win32 : process.platform === 'darwin' ? darwin : linux
