/** The launchers by scheme; a new scheme is a file beside and a line here. */
import type { RunOrder } from '../../../protocols/ports.ts'
import { app } from './app.ts'
import { exec } from './exec.ts'
import { shell } from './shell.ts'
import type { Launcher } from './types.ts'

export type { Launch } from './types.ts'

export const LAUNCHERS: Record<RunOrder['launcher'], Launcher> = { exec, shell, app }
