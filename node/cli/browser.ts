/** Opens the page in the person's browser, where there is a screen and a person. */
import { spawn } from 'node:child_process'

export function openBrowser(url: string | undefined): void {
  const hasScreen =
    process.platform !== 'linux' || process.env.DISPLAY !== undefined || process.env.WAYLAND_DISPLAY !== undefined
  if (url === undefined || !process.stdout.isTTY || !hasScreen) return
  const [program, args] =
    process.platform === 'darwin'
      ? ['open', [url]]
      : process.platform === 'win32'
        ? ['cmd', ['/c', 'start', '', url]]
        : ['xdg-open', [url]]
  const child = spawn(program as string, args as string[], { stdio: 'ignore', detached: true })
  // No opener: the link stands on the terminal.
  child.on('error', () => {})
  child.unref()
}
