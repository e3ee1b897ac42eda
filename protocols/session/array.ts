/** An array in numbers: the names of its chunks and of its tasks' runs, and what its record says of how far it has come. */
import { encodeCbor, fromHex, toHex } from '../codec.ts'
import type { Crypto, SessionId } from '../ports.ts'
import type { Progress, SessionRecord } from './record.ts'
import type { TaskSet } from './task-set.ts'

/** Of what is over, in a record: about 3 KiB. What has no room is done once more by a next owner. */
export const OVER_RANGES_MAX = 300
/** Of what failed, in a record. */
const FAILING_RANGES_MAX = 40
/** Pieces of one chunk. */
export const CHUNK_RANGES_MAX = 16

/** Epochs of sessions are far below, also such as a person's word raised; sessiond takes 15 digits. */
const FIRST_TASK_EPOCH = 2 ** 48
/** A task's run counts its array's epoch in these, and the chunk within. */
const CHUNKS_AN_EPOCH = 2 ** 24

/** Where the run of a task is kept on the PC where it ran. */
export interface TaskRun {
  session: SessionId
  epoch: number
}

export function chunkId(of: SessionId, epoch: number, n: number, crypto: Crypto): SessionId {
  return named(of, crypto, 1, epoch, n)
}

/** Under which name a task runs, wherever it does. */
export function taskSession(of: SessionId, task: number, crypto: Crypto): SessionId {
  return named(of, crypto, 2, task)
}

export function taskRun(of: SessionId, task: number, epoch: number, n: number, crypto: Crypto): TaskRun {
  return { session: taskSession(of, task, crypto), epoch: FIRST_TASK_EPOCH + epoch * CHUNKS_AN_EPOCH + n }
}

/** A child that belongs to an array, and to no session of its own. */
export function isTaskRun(epoch: number): boolean {
  return epoch >= FIRST_TASK_EPOCH
}

function named(of: SessionId, crypto: Crypto, ...numbers: number[]): SessionId {
  return toHex(crypto.sha256(fromHex(of), encodeCbor(numbers))).slice(0, 32)
}

/** `over` holds the failed ones too; `unlisted`: failed under an earlier owner, whose record had no room for which. */
export function progressOf(over: TaskSet, failed: TaskSet, unlisted: number, running: number): Progress {
  const kept = over.longest(OVER_RANGES_MAX)
  const failures = unlisted + (kept === over ? failed.size : failed.within(kept))
  return {
    done: Math.max(0, kept.size - failures),
    failed: failures,
    running,
    over: kept.pairs.slice(),
    failing: failed.pairs.slice(0, 2 * FAILING_RANGES_MAX)
  }
}

export function progressInWords({ spec, progress }: SessionRecord): string {
  const { done = 0, failed = 0 } = progress ?? {}
  return `${done} of ${spec.array ?? 0} tasks done${failed === 0 ? '' : `, ${failed} failed`}`
}
