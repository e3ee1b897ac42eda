/** The part of noVNC's API (docs/API.md of the package) that is used here; it brings no types of its own. */
declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: WebSocket | string, options?: { shared?: boolean })
    resizeSession: boolean
    scaleViewport: boolean
    focusOnClick: boolean
    qualityLevel: number
    compressionLevel: number
    background: string
    disconnect(): void
    focus(): void
    blur(): void
    clipboardPasteFrom(text: string): void
    sendKey(keysym: number, code: string, down?: boolean): void
  }
}
