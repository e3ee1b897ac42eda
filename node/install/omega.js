#!/usr/bin/env node
/**
 * The `omega` command: runs the CLI on the pinned runtime, from the bundle when it is as new as the sources, else from the
 * sources. Plain JavaScript, since any Node may start it; on unix `omega.sh` saves that first Node.
 */
import { existsSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isFresh, pinnedNode, root, runPinned } from './setup.mjs'

if (process.execPath !== pinnedNode && !process.versions.node.startsWith('24.') && existsSync(pinnedNode)) {
  runPinned(import.meta.filename, process.argv.slice(2))
} else {
  module.enableCompileCache?.(join(root, 'build', 'cache'))
  const bundle = join(root, 'build', 'node', 'omega.js')
  await import(pathToFileURL(isFresh('node') && existsSync(bundle) ? bundle : join(root, 'node', 'main.ts')).href)
}
