/**
 * Which files of a folder do not travel: `.git` never; what `.gitignore` files say does not go out; what `.omegaignore`
 * files say (same syntax, and they win) neither goes out nor comes back. Rules of a folder count for what is below it.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ignore from 'ignore'
import type { Ignore } from 'ignore'

export const GIT_FOLDER = '.git'
/** A file of rules is read by people; more than this is none. */
const RULES_BYTES_MAX = 1 << 20

interface Rules {
  /** Path of the folder they stand in, '' for the top. */
  base: string
  git: Ignore | undefined
  omega: Ignore | undefined
}

export class IgnoreStack {
  readonly #names: readonly ('.gitignore' | '.omegaignore')[]
  readonly #stack: readonly Rules[]

  /** Going out both kinds of files count, coming back `.omegaignore` alone. */
  constructor(names: readonly ('.gitignore' | '.omegaignore')[], stack: readonly Rules[] = []) {
    this.#names = names
    this.#stack = stack
  }

  /** Rules for what is inside `base` (path from the top of the folder), which is at `folder` on disk. */
  async enter(folder: string, base: string): Promise<IgnoreStack> {
    const [git, omega] = await Promise.all([this.#read(folder, '.gitignore'), this.#read(folder, '.omegaignore')])
    if (git === undefined && omega === undefined) return this
    return new IgnoreStack(this.#names, [...this.#stack, { base, git, omega }])
  }

  /** The same rules with some more that count for the whole folder and win. */
  with(patterns: readonly string[]): IgnoreStack {
    if (patterns.length === 0) return this
    return new IgnoreStack(this.#names, [
      { base: '', git: undefined, omega: ignore().add([...patterns]) },
      ...this.#stack
    ])
  }

  /** The innermost file with an opinion decides; `.omegaignore` before `.gitignore`. */
  ignores(path: string, isFolder: boolean): boolean {
    for (const kind of ['omega', 'git'] as const)
      for (let i = this.#stack.length - 1; i >= 0; i--) {
        const rules = this.#stack[i]!
        const matcher = rules[kind]
        if (matcher === undefined) continue
        const inside = rules.base === '' ? path : path.slice(rules.base.length + 1)
        const verdict = matcher.test(isFolder ? `${inside}/` : inside)
        if (verdict.ignored) return true
        if (verdict.unignored) return false
      }
    return false
  }

  async #read(folder: string, name: '.gitignore' | '.omegaignore'): Promise<Ignore | undefined> {
    if (!this.#names.includes(name)) return undefined
    try {
      const text = await readFile(join(folder, name), 'utf8')
      return text.length > RULES_BYTES_MAX ? undefined : ignore().add(text)
    } catch {
      return undefined
    }
  }
}
