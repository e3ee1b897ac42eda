/**
 * One line of command into program and arguments, with the quoting people know from a shell but none of its other powers.
 * Pure. What a shell would do more is found, so that the form can offer to use one.
 */
export type Parsed = { ok: true; program: string; args: string[] } | { ok: false; reason: string }

export function parseCommand(line: string): Parsed {
  const words: string[] = []
  let word: string | null = null
  let quote: '"' | "'" | null = null
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i)
    if (quote === "'") {
      if (c === "'") quote = null
      else word += c
    } else if (c === '\\' && (quote === null || /["\\$`]/.test(line.charAt(i + 1)))) {
      if (i + 1 >= line.length)
        return { ok: false, reason: 'The line ends with a backslash. Add what it should keep, or remove it.' }
      word = (word ?? '') + line.charAt(++i)
    } else if (quote === '"') {
      if (c === '"') quote = null
      else word += c
    } else if (c === '"' || c === "'") {
      quote = c
      word ??= ''
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + c
  }
  if (quote) return { ok: false, reason: `A quote (${quote}) is opened and not closed.` }
  if (word !== null) words.push(word)
  const [program, ...args] = words
  if (!program) return { ok: false, reason: 'Type the program to run.' }
  return { ok: true, program, args }
}

const SHELL_SIGNS: [RegExp, string][] = [
  [/\|/, 'a pipe'],
  [/[<>]/, 'a redirection'],
  [/&&|;|&/, 'more than one command'],
  [/\$\(|`/, 'a command inside a command'],
  [/\$\w|\$\{/, 'a variable'],
  [/[*?]|\[[^\]]*\]|^~|\s~/, 'a file pattern']
]

/** In words, what in this line only a shell understands; null when nothing. Quoted text does not count. */
export function needsShell(line: string): string | null {
  const bare = line.replace(/'[^']*'/g, '').replace(/\\./g, '')
  const outside = bare.replace(/"[^"]*"/g, '')
  const inDouble = bare.match(/"[^"]*"/g)?.join('') ?? ''
  const found = SHELL_SIGNS.find(
    ([sign, name]) => sign.test(outside) || (/command inside|variable/.test(name) && sign.test(inDouble))
  )
  return found ? found[1] : null
}

const UNITS: Record<string, number> = { '': 2 ** 20, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** "512M", "2 GiB", "1.5g"; a bare number is MiB. null when it is not a size. */
export function parseMemory(text: string): number | null {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text)
  if (!match) return null
  const unit = UNITS[(match[2] ?? '').toLowerCase()]
  return unit === undefined ? null : Math.round(Number(match[1]?.replace(',', '.')) * unit)
}
