/** Folders and archives for the tests of travelling folders. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { zstdCompressSync } from 'node:zlib'
import { pack } from 'tar-stream'
import type { Header } from 'tar-stream'
import { onTestFinished } from 'vitest'

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'omega-folder-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** `'text'`: a file; `{ link }`: a symbolic link; null: an empty folder; `{ text, mode }`: a file with that mode. */
export type Content = string | null | { link: string } | { text: string; mode: number }

export function makeFolder(contents: Record<string, Content>, dir = freshFolder()): string {
  for (const [path, content] of Object.entries(contents)) {
    const full = join(dir, path)
    mkdirSync(dirname(full), { recursive: true })
    if (content === null) mkdirSync(full, { recursive: true })
    else if (typeof content === 'string') writeFileSync(full, content)
    else if ('link' in content) symlinkSync(content.link, full)
    else {
      writeFileSync(full, content.text)
      chmodSync(full, content.mode)
    }
  }
  return dir
}

/** What is in a folder, links as `-> target`, folders as null. */
export function contentsOf(dir: string, base = ''): Record<string, string | null> {
  const found: Record<string, string | null> = {}
  for (const name of readdirSync(join(dir, base)).sort()) {
    const path = base === '' ? name : `${base}/${name}`
    const stat = lstatSync(join(dir, path))
    if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(dir, path))}`
    else if (stat.isDirectory()) Object.assign(found, { [path]: null }, contentsOf(dir, path))
    else found[path] = readFileSync(join(dir, path), 'utf8')
  }
  return found
}

/** An archive as a hostile peer would write it, entry by entry. */
export async function hostileArchive(
  entries: (Partial<Header> & { name: string; content?: string | Buffer })[]
): Promise<Readable> {
  const tar = pack()
  for (const { content, ...header } of entries) tar.entry(header, content ?? '')
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return streamOf(zstdCompressSync(Buffer.concat(chunks)))
}

export function streamOf(bytes: Buffer): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 10_000) pieces.push(bytes.subarray(at, at + 10_000))
  return Readable.from(pieces, { objectMode: false })
}

export async function bytesOf(stream: Readable): Promise<Buffer> {
  return Buffer.concat((await stream.toArray()) as Buffer[])
}

/** Lets the tick of the file times pass, so that what was made before counts as older. */
export async function afterTick(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 30))
}
