/** Plane `sched`: reservations and binding. Bounds follow from the record's (48 KiB) and one frame. */
import { z } from 'zod'
import { RecordWire, SessionIdWire } from '../session/index.ts'

const text = z.string().max(300)
/** What the worker has left, less what waits there: negative where it has promised none of it and many wait. */
const free = { freeCpu: z.int(), freeMem: z.int() }
const maybeFree = { freeCpu: free.freeCpu.optional(), freeMem: free.freeMem.optional() }

/** Results of tasks in one frame. */
export const RESULTS_MAX = 256

export const SchedFrame = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('reserve'),
    id: SessionIdWire,
    cpu: z.int().min(0),
    mem: z.int().min(0),
    /** Without room now it may wait: the answer may be `queued`, and `pull` comes later. */
    wait: z.boolean().optional(),
    class: z.int().min(0).max(4).optional()
  }),
  z.object({
    t: z.literal('queued'),
    id: SessionIdWire,
    place: z.int().min(1),
    estMs: z.int().min(0).optional(),
    ...free
  }),
  /** Room is held for one that waited: `bind` or `cancel` is the answer. */
  z.object({ t: z.literal('pull'), id: SessionIdWire, ...maybeFree }),
  z.object({ t: z.literal('held'), id: SessionIdWire, ...maybeFree }),
  z.object({ t: z.literal('refused'), id: SessionIdWire, why: text, ...free }),
  z.object({ t: z.literal('cancel'), id: SessionIdWire }),
  z.object({ t: z.literal('bind'), record: RecordWire }),
  z.object({ t: z.literal('bound'), id: SessionIdWire, epoch: z.int().min(0) }),
  z.object({ t: z.literal('unbound'), id: SessionIdWire, why: text }),
  /**
   * How far a chunk of an array is: results from number `from` on, each a task, its exit code (null: a signal ended it) and
   * its milliseconds. Told anew until `took` has come, and each 2 s as a sign of life.
   */
  z.object({
    t: z.literal('did'),
    id: SessionIdWire,
    of: SessionIdWire,
    epoch: z.int().min(0),
    from: z.int().min(0),
    list: z.array(z.tuple([z.int().min(0), z.int().nullable(), z.int().min(0)])).max(RESULTS_MAX),
    /** Nothing more comes of it. */
    over: z.looseObject({ why: text, blame: z.boolean() }).optional()
  }),
  /** Results below that number are on disk. */
  z.object({ t: z.literal('took'), id: SessionIdWire, upTo: z.int().min(0) }),
  /** What is left of a chunk is wanted no more. */
  z.object({ t: z.literal('drop'), id: SessionIdWire })
])
export type SchedFrame = z.infer<typeof SchedFrame>
