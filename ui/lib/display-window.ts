/**
 * The windows of a session in a box of the page: noVNC over a WebSocket of our own, loaded when windows are first looked
 * at. The display takes the size of the box; text that is copied there is here, and the reverse.
 */
import RFB from '@novnc/novnc'

const KEY_V = 0x76
/** JPEG of tight encoding, 0 to 9: text stays sharp. */
const QUALITY = 8
const COMPRESSION = 2

export interface DisplayEvents {
  /** Its first picture is there. */
  shown(): void
  /** The line is gone; why in words, or '' when it simply broke. */
  gone(reason: string): void
  /** The person leaves it by the keyboard. */
  left(): void
}
export interface DisplayWindow {
  focus(): void
  close(): void
}

/** `path`: of the WebSocket at the peer that serves this page. */
export function openWindow(box: HTMLElement, path: string, events: DisplayEvents): DisplayWindow {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${path}`)
  socket.binaryType = 'arraybuffer'
  let reason = ''
  socket.addEventListener('close', (event) => (reason = event.reason))
  const rfb = new RFB(box, socket, { shared: true })
  rfb.resizeSession = true
  rfb.scaleViewport = true
  rfb.qualityLevel = QUALITY
  rfb.compressionLevel = COMPRESSION
  rfb.background = ''
  let closed = false
  rfb.addEventListener('connect', () => {
    rfb.focus()
    events.shown()
  })
  rfb.addEventListener('disconnect', () => {
    // The reason comes with the end of the socket, which may be the next event.
    setTimeout(() => closed || events.gone(reason))
  })
  rfb.addEventListener('clipboard', (event) => {
    const { text } = (event as CustomEvent<{ text: string }>).detail
    // A browser may forbid it while the person looks elsewhere; then the text stays there.
    navigator.clipboard?.writeText(text).catch(() => {})
  })
  const onkeydown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && event.shiftKey) {
      event.stopImmediatePropagation()
      event.preventDefault()
      rfb.blur()
      return events.left()
    }
    if (event.key.toLowerCase() !== 'v' || !(event.ctrlKey || event.metaKey) || event.altKey) return
    if (navigator.clipboard?.readText === undefined) return
    // The text has to be there before the program hears of the key.
    event.stopImmediatePropagation()
    event.preventDefault()
    navigator.clipboard
      .readText()
      .then((text) => rfb.clipboardPasteFrom(text))
      .catch(() => {})
      .finally(() => closed || rfb.sendKey(KEY_V, 'KeyV'))
  }
  box.addEventListener('keydown', onkeydown, { capture: true })
  return {
    focus: () => rfb.focus(),
    close() {
      closed = true
      box.removeEventListener('keydown', onkeydown, { capture: true })
      rfb.disconnect()
    }
  }
}
