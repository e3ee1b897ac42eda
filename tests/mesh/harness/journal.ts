/**
 * What a test run made outside of its own process: namespaces, links, folders. Written down before it is made, so that
 * the teardown, or the runner when a test file was ended half way, removes exactly that and nothing else.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killWhole } from './processes.ts'

export interface Made {
  /** Unique to one mesh of one run; also the value of OMEGA_TEST_TAG in each of its processes. */
  tag: string
  /** Network namespaces, the peers' before the LAN's. */
  namespaces: string[]
  /** Links of the host's own namespace. */
  links: string[]
  folder: string
}

export const journalFile = (tag: string): string =>
  join(process.env.OMEGA_TEST_JOURNAL ?? tmpdir(), `omega-${tag}.mesh.json`)

export function writeJournal(made: Made): void {
  writeFileSync(journalFile(made.tag), JSON.stringify(made))
}

/** Removes all that a journal names, then the journal. Safe to repeat. */
export async function sweep(file: string): Promise<void> {
  const made = JSON.parse(readFileSync(file, 'utf8')) as Made
  await killWhole(made)
  for (const name of made.namespaces) ipQuiet('netns', 'del', name)
  for (const link of made.links) ipQuiet('link', 'del', link)
  rmSync(made.folder, { recursive: true, force: true, maxRetries: 5 })
  rmSync(file, { force: true })
}

function ipQuiet(...args: string[]): void {
  try {
    execFileSync('ip', args, { stdio: 'ignore' })
  } catch {
    // It was never made, or went with the namespace it led into.
  }
}
