/**
 * What a new sessiond does about the runs of a dead one: their pipes broke with it, so whatever still lives is killed and
 * reported as ended. Reports that nobody took are kept as they are.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runMark } from './environment.ts'
import { segmentsIn } from './log-format.ts'
import { os } from './os/index.ts'
import { listRuns, logFolder, removeRun, runFolder, removeTree, treeBytes, writeNote } from './run-store.ts'
import type { RunNote } from './run-store.ts'
import type { RunKey } from './wire.ts'
import { workFolder } from './work-folder.ts'

/** The notes of all runs, each of them ended. */
export async function recoverRuns(dataDir: string): Promise<RunNote[]> {
  const notes: RunNote[] = []
  for (const { key, note } of await listRuns(dataDir)) {
    if (note === undefined) {
      // Its program was never started: the note is written first. A note that cannot be read is treated alike, once dead.
      os.signalTree({ mark: runMark(dataDir, key.session), leader: 0 }, 'SIGKILL')
      await removeRun(dataDir, key)
    } else notes.push(note.state === 'exited' ? note : await endOrphan(dataDir, note))
  }
  return notes
}

async function endOrphan(dataDir: string, note: RunNote): Promise<RunNote> {
  const lives = note.pid > 0 && os.startTime(note.pid) === note.pidStart
  const mark = runMark(dataDir, note.session)
  const killed = os.signalTree({ mark, leader: lives ? note.pid : 0 }, 'SIGKILL')
  const ended = `sessiond ended unexpectedly while it ran${killed > 0 ? ' and its program was killed' : ''}; changed files were not collected`
  await removeTree(workFolder(runFolder(dataDir, note)))
  const exit = { code: null, signal: 'KILL', outputError: ended, logBytes: await logEnd(dataDir, note) }
  const keptBytes = await treeBytes(logFolder(dataDir, note))
  const after: RunNote = { ...note, state: 'exited', endedAt: Date.now(), keptBytes, exit }
  await writeNote(dataDir, after)
  return after
}

/** A frame that was cut short by the death is not handed out by the reader. */
async function logEnd(dataDir: string, key: RunKey): Promise<number> {
  const folder = logFolder(dataDir, key)
  const last = (await segmentsIn(folder)).at(-1)
  return last === undefined ? 0 : last.start + (await stat(join(folder, last.name))).size
}
