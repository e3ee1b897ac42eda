/** How a child ended, as the session's life sees it. */
export interface ChildEnd {
  code: number | null
  signal: string | null
}
