/**
 * Keyboard ways through the page: `g` and a letter for a tab, `j` and `k` along rows, `/` or Ctrl K to find, `?` for help.
 * None of them where text is typed.
 */
export interface KeyActions {
  go(key: string): boolean
  find(): void
  help(): void
}

const CHORD_MS = 1_200

export function listenToKeys(actions: KeyActions): () => void {
  let chordUntil = 0
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || isTyping(event.target) || document.querySelector('dialog[open]')) return
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
      event.preventDefault()
      actions.find()
      return
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const chord = performance.now() < chordUntil
    chordUntil = 0
    if (chord && actions.go(event.key)) event.preventDefault()
    else if (event.key === 'g') chordUntil = performance.now() + CHORD_MS
    else if (event.key === 'j' || event.key === 'k') moveRow(event.key === 'j' ? 1 : -1)
    else if (event.key === '/' || event.key === '?') {
      event.preventDefault()
      if (event.key === '/') actions.find()
      else actions.help()
    }
  }
  document.addEventListener('keydown', onKey)
  return () => document.removeEventListener('keydown', onKey)
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

/** Rows are the links marked data-row; the focus moves from one to the next and Enter opens it, as for any link. */
function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}
