/** One peer, ready to be hosted: give it its ports and its place in a mesh. */
export { Peer } from './peer.ts'
export type { PeerOptions } from './peer.ts'
export type { Changed, StampedEvent } from './journal.ts'
export type { AdView } from './readings.ts'
export type { PeerContext, PeerEvent, PeerPorts } from './context.ts'
export type { ChannelHandle } from './channels.ts'
export type { Answer } from './rpc.ts'
export { peerMachine } from './peer.machine.ts'
