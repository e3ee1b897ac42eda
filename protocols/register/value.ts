/**
 * What a register holds: who votes on it, and who may run its session. The value carries its version and the attempt that
 * made it, so that whoever reads it knows whether a change of its own went through.
 */
import type { PeerId } from '../ports.ts'
import type { Rules } from './rules.ts'

/** Who votes. While the keepers change, `joint` are the new ones, and a quorum is a majority of each. */
export interface Config {
  readonly ver: number
  readonly voters: readonly PeerId[]
  readonly joint?: readonly PeerId[] | undefined
}

/** Numbers of a reign start above all that the voters of the one before can have counted up to unheard. */
export const REIGN_STEP = 2 ** 40

/** How often a person had taken the register over when these voters came. Their ballots carry it. */
export const reignOfConfig = ({ ver }: Pick<Config, 'ver'>): number => Math.floor(ver / REIGN_STEP)

/** The right to run. */
export interface Own {
  /** Null: nobody has it, and nobody needs to wait for it. */
  readonly peer: PeerId | null
  /** The fence: higher with every new holder. */
  readonly epoch: number
  /** Moves with every renewal. */
  readonly seq: number
  /** The attempt that made it so. Two attempts may make the same number, so the number alone says nothing. */
  readonly attempt: string
  /** The session has ended: nobody runs it any more. */
  readonly over: boolean
}

export interface Value {
  readonly ver: number
  /** Unique to the change that made this version. */
  readonly attempt: string
  readonly cfg: Config
  readonly own: Own
}

/** A change is data: what must hold of the value, and what becomes of it. */
export type Change =
  | { readonly k: 'read' }
  /** While the right is as that attempt made it. */
  | { readonly k: 'own'; readonly after: string; readonly own: Omit<Own, 'attempt'> }
  /** While the keepers are those of that version. */
  | { readonly k: 'cfg'; readonly ver: number; readonly cfg: Config }

export const READ: Change = { k: 'read' }

/**
 * The next value; the same one when the condition does not hold, for a read, and when this attempt has made it already. What an
 * older minor does not know stays in it.
 */
export function apply(value: Value, change: Change, attempt: string): Value {
  if (value.attempt === attempt) return value
  if (change.k === 'own' && change.after === value.own.attempt && !value.own.over)
    return { ...value, ver: value.ver + 1, attempt, own: { ...value.own, ...change.own, attempt } }
  if (change.k === 'cfg' && change.ver === value.cfg.ver)
    return { ...value, ver: value.ver + 1, attempt, cfg: { ...value.cfg, joint: undefined, ...change.cfg } }
  return value
}

/** All that have a say. */
export function membersOf(cfg: Config): PeerId[] {
  return cfg.joint === undefined ? [...cfg.voters] : [...new Set([...cfg.voters, ...cfg.joint])]
}

export function isQuorum(cfg: Config, said: { has(peer: PeerId): boolean }, rules: Rules): boolean {
  if (cfg.joint === undefined) return isMajority(cfg.voters, said, rules)
  const ofNew = isMajority(cfg.joint, said, rules)
  return ofNew && (!rules.jointNeedsBoth || isMajority(cfg.voters, said, rules))
}

function isMajority(voters: readonly PeerId[], said: { has(peer: PeerId): boolean }, rules: Rules): boolean {
  let votes = 0
  for (const voter of voters) if (said.has(voter)) votes++
  return rules.quorumIsMajority ? votes * 2 > voters.length : votes * 2 >= voters.length
}
