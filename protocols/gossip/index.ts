/** Gossip: signed entries that every member holds, and the advertisement of what each PC gives. */
export { step } from './kernel.ts'
export { createGossip, entries, entry } from './state.ts'
export type { GossipEffect, GossipEvent, GossipOptions, GossipSettings, GossipState } from './state.ts'
export { signEntry } from './entry.ts'
export type { Entry } from './entry.ts'
export { TOPICS, topicOf } from './topics.ts'
export type { Topic, TopicName } from './topics.ts'
export { GOSSIP, GossipFrame } from './wire.ts'
export type { GossipMessage } from './wire.ts'
export {
  AdDynamic,
  adPauseMs,
  AdStatic,
  APPS_MAX,
  decodeAdDynamic,
  decodeAdStatic,
  encodeAdDynamic,
  encodeAdStatic,
  heartbeatMs,
  isSmallMesh,
  shouldAdvertise
} from './ad.ts'
