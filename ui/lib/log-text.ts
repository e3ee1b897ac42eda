/**
 * Output of a program as lines to read: stdout and stderr in the order they came, in blocks of one stream each. Bounded:
 * only the last lines are kept, and what went is counted. Terminal colours are taken out; a carriage return overwrites its
 * line, as progress bars expect.
 */
export const LINES_KEPT = 5_000
/** Characters kept: long lines are fewer, so that a page of them stays quick. */
const CHARS_KEPT = 2_000_000
/** A block is one element of the page. */
const BLOCK_LINES = 100
/** A longer line is cut into lines of this length. */
const LINE_MAX_CHARS = 4_096

export interface Block {
  id: number
  stream: 1 | 2
  lines: readonly string[]
  /** The last line has no end yet. */
  open: boolean
}

// Escape sequences: CSI, OSC, and the two-character ones.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g

export class LogText {
  /** Replaced, never changed, by `take`. */
  blocks: readonly Block[] = []
  /** Lines no longer kept. */
  dropped = 0
  #lines = 0
  #chars = 0
  #nextId = 1
  #decoders = { 1: new TextDecoder(), 2: new TextDecoder() }
  /** The beginning of an escape sequence that came cut in two. */
  #held: Record<1 | 2, string> = { 1: '', 2: '' }

  get lines(): number {
    return this.#lines
  }

  take(stream: 1 | 2, bytes: Uint8Array): void {
    const text = this.#clean(stream, this.#decoders[stream].decode(bytes, { stream: true }))
    if (text === '') return
    const pieces = text.split('\n')
    const blocks = [...this.blocks]
    pieces.forEach((piece, i) => {
      const ends = i < pieces.length - 1
      if (piece !== '' || ends) this.#append(blocks, stream, piece, ends)
    })
    this.#trim(blocks)
    this.blocks = blocks
  }

  text(): string {
    return this.blocks.flatMap((block) => block.lines).join('\n')
  }

  #clean(stream: 1 | 2, decoded: string): string {
    const text = this.#held[stream] + decoded
    const cut = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,200})?$|\r$/.exec(text)
    this.#held[stream] = cut ? cut[0] : ''
    return (cut ? text.slice(0, cut.index) : text).replace(ESCAPES, '').replace(/\r\n/g, '\n').replace(CONTROLS, '')
  }

  #append(blocks: Block[], stream: 1 | 2, piece: string, ends: boolean): void {
    const last = blocks.at(-1)
    const grows = last?.stream === stream && (last.open || last.lines.length < BLOCK_LINES)
    const block = grows
      ? { ...last, lines: [...last.lines] }
      : { id: this.#nextId++, stream, lines: [] as string[], open: false }
    const before = block.open ? (block.lines.pop() as string) : ''
    if (!block.open) this.#lines++
    this.#chars -= before.length
    let line = overwrite(before + piece)
    while (line.length > LINE_MAX_CHARS) {
      block.lines.push(line.slice(0, LINE_MAX_CHARS))
      line = line.slice(LINE_MAX_CHARS)
      this.#lines++
      this.#chars += LINE_MAX_CHARS
    }
    block.lines.push(line)
    this.#chars += line.length
    block.open = !ends
    if (grows) blocks[blocks.length - 1] = block
    else blocks.push(block)
  }

  #trim(blocks: Block[]): void {
    while (this.#lines > LINES_KEPT || this.#chars > CHARS_KEPT) {
      const first = blocks[0] as Block
      let gone = 0
      while (gone < first.lines.length && (this.#lines > LINES_KEPT || this.#chars > CHARS_KEPT)) {
        this.#chars -= (first.lines[gone++] as string).length
        this.#lines--
        this.dropped++
      }
      if (gone === first.lines.length) blocks.shift()
      else blocks[0] = { ...first, lines: first.lines.slice(gone) }
    }
  }
}

/** What is visible of a line in which the cursor went back to the start. */
function overwrite(line: string): string {
  if (!line.includes('\r')) return line
  return line.split('\r').reduce((shown, part) => part + shown.slice(part.length), '')
}
