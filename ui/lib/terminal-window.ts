/**
 * xterm.js in a box of the page, loaded when a terminal is first looked at. The peer forbids styles that are not files, so
 * the ones that xterm.js makes while it runs go through the style sheets of the document, which scripts of our own may change.
 */
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'

const SCROLLBACK_LINES = 5_000
/** Text stays readable whatever colours a program picks. */
const CONTRAST = 4.5

export interface TerminalWindow {
  write(bytes: Uint8Array, drawn: () => void): void
  resize(columns: number, rows: number): void
  /** An empty screen, as a new terminal has it. */
  clear(): void
  /** How large a terminal fits the box; null while it is not laid out. */
  fitting(): [columns: number, rows: number] | null
  recolour(): void
  readAloud(on: boolean): void
  focus(): void
  close(): void
}

export function openWindow(box: HTMLElement, typed: (bytes: Uint8Array) => void, leave: () => void): TerminalWindow {
  const release = stylesWithoutText()
  const terminal = new Terminal({
    fontFamily: getComputedStyle(box).fontFamily,
    fontSize: 13,
    scrollback: SCROLLBACK_LINES,
    minimumContrastRatio: CONTRAST,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    theme: coloursOf(box)
  })
  const fit = new FitAddon()
  terminal.loadAddon(fit)
  terminal.open(box)
  const text = new TextEncoder()
  terminal.onData((data) => typed(text.encode(data)))
  terminal.onBinary((data) => typed(Uint8Array.from(data, (c) => c.charCodeAt(0))))
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key !== 'Escape' || !event.shiftKey) return true
    if (event.type === 'keydown') leave()
    return false
  })
  return {
    write: (bytes, drawn) => terminal.write(bytes, drawn),
    resize: (columns, rows) => terminal.resize(columns, rows),
    clear: () => terminal.reset(),
    fitting() {
      const size = fit.proposeDimensions()
      return size && size.cols > 1 && size.rows > 1 ? [Math.min(size.cols, 1000), Math.min(size.rows, 1000)] : null
    },
    recolour: () => (terminal.options.theme = coloursOf(box)),
    readAloud: (on) => (terminal.options.screenReaderMode = on),
    focus: () => terminal.focus(),
    close() {
      terminal.dispose()
      release()
    }
  }
}

const ON_LIGHT = {
  black: '#191a1c',
  red: '#a3261d',
  green: '#2f6b3c',
  yellow: '#7a5200',
  blue: '#2b5ea8',
  magenta: '#8a3b8f',
  cyan: '#1c6b78',
  white: '#66655f',
  brightBlack: '#66655f',
  brightRed: '#bf3a30',
  brightGreen: '#3c7a4b',
  brightYellow: '#8a5a0c',
  brightBlue: '#3a72c4',
  brightMagenta: '#a04fa5',
  brightCyan: '#2b7f8d',
  brightWhite: '#3c3d40'
}
const ON_DARK = {
  black: '#3a3c41',
  red: '#e0786f',
  green: '#7fb08a',
  yellow: '#d9a65b',
  blue: '#7fa9e0',
  magenta: '#c894cc',
  cyan: '#76b8c4',
  white: '#c9c7c1',
  brightBlack: '#8c8f96',
  brightRed: '#f09a92',
  brightGreen: '#9fcfa9',
  brightYellow: '#ecc383',
  brightBlue: '#a4c4f0',
  brightMagenta: '#dcb2df',
  brightCyan: '#9ad3dd',
  brightWhite: '#f4f2ed'
}

/** The box has the page's own colours, of whichever theme. */
function coloursOf(box: HTMLElement) {
  const { backgroundColor: background, color: foreground } = getComputedStyle(box)
  const [r = 0, g = 0, b = 0] = (/\d+, \d+, \d+/.exec(background)?.[0] ?? '').split(', ').map(Number)
  const isLight = r * 0.3 + g * 0.6 + b * 0.1 > 128
  const selectionBackground = isLight ? '#2b617940' : '#9cc3d250'
  return {
    background,
    foreground,
    cursor: foreground,
    cursorAccent: background,
    selectionBackground,
    ...(isLight ? ON_LIGHT : ON_DARK)
  }
}

let users = 0

/** While a terminal is open, elements take styles as scripts may give them: by style sheets and properties, not by text. */
function stylesWithoutText(): () => void {
  const createElement = Document.prototype.createElement.bind(document) as (tag: string) => HTMLElement
  if (users++ === 0)
    document.createElement = ((tag: string) =>
      tag === 'style' ? styleSheet() : byProperty(createElement(tag))) as typeof document.createElement
  return () => {
    if (--users === 0) Reflect.deleteProperty(document, 'createElement')
  }
}

function byProperty<T extends HTMLElement>(element: T): T {
  const setAttribute = element.setAttribute.bind(element)
  element.setAttribute = (name, value) => {
    if (name === 'style') element.style.cssText = value
    else setAttribute(name, value)
  }
  return element
}

/** Stands where xterm.js wants its style element, and keeps the text in a style sheet of the document. */
function styleSheet(): HTMLElement {
  const element = document.createElement('span')
  element.hidden = true
  const sheet = new CSSStyleSheet()
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
  const set = (text: string) => sheet.replaceSync(text)
  Object.defineProperties(element, { textContent: { set }, innerText: { set }, sheet: { value: sheet } })
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet)
    Element.prototype.remove.call(element)
  }
  return element
}
