/**
 * The shape of a kernel: a synchronous reducer `step(state, event, env) -> effects[]`. State may be changed in place
 * inside `step`, nothing else may. The peer (protocols/peer) carries the effects out through the ports.
 */
import type { DownReason, PeerId, Plane, Random } from './ports.ts'

export interface Env {
  readonly self: PeerId
  /** Clock.mono() of this step. */
  readonly now: number
  /** Clock.wall() of this step. */
  readonly wall: number
  readonly random: Random
}

/** A message of a plane before encoding: a CBOR map whose `t` names the kind. */
export interface Message {
  readonly t: string
  readonly [key: string]: unknown
}

export type KernelEvent<Msg extends Message> =
  | { k: 'msg'; from: PeerId; msg: Msg }
  | { k: 'timer'; tag: string }
  /** An admitted (hello done) link came or went. `address`: the far end's, as the network named it. */
  | { k: 'link'; peer: PeerId; up: boolean; why?: DownReason; address?: string }

export type KernelEffect =
  | { e: 'send'; to: PeerId; plane: Plane; msg: Message }
  /** (Re)arms the kernel's timer of that tag; there is one timer a tag. */
  | { e: 'timer'; tag: string; inMs: number }
  | { e: 'clear'; tag: string }
  | { e: 'dial'; peer: PeerId; addresses: readonly string[] }
  | { e: 'close'; peer: PeerId; why: string }
  | { e: 'count'; name: string; by?: number }
