/**
 * Imported first by a process that runs for weeks beside the person's own work: asks V8 to keep its young generation small
 * and to prefer memory over peak speed. Measured on the bundled peer, idle: 132 MB resident before, 106 MB after.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--optimize-for-size')
setFlagsFromString('--max-semi-space-size=1')
// By default 8 s: an idle peer spent a fifth of its time on whole collections, each giving back less than a megabyte.
setFlagsFromString('--gc-memory-reducer-start-delay-ms=60000')
