export {
  compareVersion,
  DISPLAY_USUAL,
  FINAL_STATES,
  partsOfUri,
  RECORD_MAX_BYTES,
  RESTARTS,
  SpecInput,
  STATES,
  SUBMITTED_MAX_BYTES
} from './record.ts'
export type { Chunk, Progress, Restart, SessionRecord, SessionSpec, SessionState, Why } from './record.ts'
export { RecordWire, RegFrame, SessionIdWire } from './wire.ts'
export { sessionMachine } from './session.machine.ts'
export type { SessionActions, SessionEvent, SessionInput } from './session.machine.ts'
export type { ChildEnd } from './events.ts'
export {
  chooseKeepers,
  REPLACE_KEEPER_MS,
  replaceKeepers,
  survivesRunner,
  heirOf,
  takeoverInMs,
  TAKEOVER_AFTER_MS,
  waitsForPlace
} from './keepers.ts'
export { TASKS_MAX, TaskSet } from './task-set.ts'
export { CHUNK_RANGES_MAX, chunkId, isTaskRun, progressOf, progressInWords, taskRun, taskSession } from './array.ts'
export type { TaskRun } from './array.ts'
export { summarize } from './summary.ts'
export { firstEpochOf, isForceGenuine, reignOf, signForce } from './force.ts'
export type { ForceTakeover } from './force.ts'
export { decodeTie, encodeTie, sameVoters, TIE_DEFAULT, TIE_KEY, VOTERS_MIN, votersFor } from './tie.ts'
export type { Tie } from './tie.ts'
