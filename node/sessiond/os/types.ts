/** What sessiond needs of an operating system to hold a child and everything the child starts. One file per OS beside. */
export type TreeSignal = 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'

/** What a session started. */
export interface Tree {
  /** `NAME=value` in the environment of all of it and of nothing else (`runMark`). */
  mark: string
  /** Its first process, the head of its group; 0: unknown or long gone, only its marks are left. */
  leader: number
  /** A shell there may watch over jobs of its own. */
  hasTerminal?: boolean
  /** Of these, between a stop and the going on after it: jobs that a person had stopped, which go on when the person says. */
  stoodBefore?: Set<number>
  /** `forks()` from before it was started. */
  forksBefore?: number | undefined
}

export interface Os {
  /** False: a frozen run is not possible here; the leash kills instead. */
  readonly canFreeze: boolean
  /** Milliseconds on one scale for all processes of this PC, including time it slept. */
  bootMs(): number
  /** Names one life of a pid: differs when the pid is used again. Undefined when no such process lives. */
  startTime(pid: number): string | undefined
  /** To the process group of a leader that still lives. */
  signalGroup(leader: number, signal: NodeJS.Signals): void
  /** How many processes this PC has started; handed back in a tree, it narrows the search. Undefined: not known here. */
  forks(): number | undefined
  /**
   * To everything a session started, however it detached itself, as far as this OS lets us find it. Repeats until nothing
   * new turns up. Returns how many were signalled.
   */
  signalTree(tree: Tree, signal: TreeSignal): number
  /** The user of this PC comes first: below-normal CPU and, where it follows, I/O. */
  lowerPriority(pid: number): void
  /** Changes when a disk, network interface, GPU, battery or USB device comes or goes; undefined: cannot be told here. */
  deviceMark(): string | undefined
}

/** Sends a signal; a process that is gone or not ours is none of the caller's business. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}
