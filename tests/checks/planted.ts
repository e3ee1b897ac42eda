/** A small tree with a planted violation, to prove that a check sees it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Finding } from './source.ts'

/** What the check says of a tree of these files: `file:line text`. */
export function findIn(check: (tree: string) => Finding[], files: Record<string, string>): string[] {
  const tree = mkdtempSync(join(tmpdir(), 'omega-check-'))
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(join(tree, dirname(file)), { recursive: true })
      writeFileSync(join(tree, file), text)
    }
    return check(tree).map(({ file, line, text }) => `${file}:${line} ${text}`)
  } finally {
    rmSync(tree, { recursive: true })
  }
}
