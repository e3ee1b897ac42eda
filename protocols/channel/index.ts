export { createChannels, step, isWritable, channelKey } from './kernel.ts'
export type { Channel, ChannelEffect, ChannelEvent, ChannelState } from './kernel.ts'
export { ChannelFrame, LIMITS as CHANNEL_LIMITS } from './wire.ts'
