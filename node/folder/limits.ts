/** Bounds of a travelling folder. */
export interface FolderLimits {
  /** Sum of file sizes. */
  bytes: number
  /** Files, folders and links together. */
  entries: number
}

/** 256 MiB packs, crosses 1 GbE and unpacks within some ten seconds; 200,000 entries list within one. */
export const FOLDER_LIMITS: FolderLimits = { bytes: 256 << 20, entries: 200_000 }

export const MIB = 1 << 20

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  if (bytes < MIB) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / MIB).toFixed(1)} MiB`
}
