/**
 * npm's `prepare` step, after every install in a clone: links `node_modules/.bin/omega` and notes which lock file is installed.
 */
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { markInstalled, root } from './setup.mjs'

const bin = join(root, 'node_modules', '.bin')
const link = join(bin, 'omega')

mkdirSync(bin, { recursive: true })
if (process.platform === 'win32') {
  writeFileSync(`${link}.cmd`, '@"%~dp0\\..\\node\\bin\\node.exe" "%~dp0\\..\\..\\node\\install\\omega.js" %*\r\n')
} else {
  const target = join('..', '..', 'node', 'install', 'omega.sh')
  rmSync(link, { force: true })
  symlinkSync(target, link)
  chmodSync(join(root, 'node', 'install', 'omega.sh'), 0o755)
}
if (existsSync(join(root, 'node_modules', 'esbuild'))) markInstalled()
