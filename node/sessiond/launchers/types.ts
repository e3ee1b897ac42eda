/** A launcher turns what was asked into a program, its arguments and how to pass them. Rejects with a reason for people. */
export type Launcher = (argv: readonly string[], context: LaunchContext) => Promise<Launch>

export interface LaunchContext {
  cwd: string
  env: Readonly<Record<string, string>>
}
export interface Launch {
  file: string
  args: readonly string[]
  /** What the program sees as its own name; `file` when absent. */
  argv0?: string
  /** Windows: pass the arguments as they are, the shell quotes for itself. */
  verbatim?: boolean
}
