/** Some of the neighbours, a bit each by the number of their link: who has which entry is asked more often than all else. */
export interface Slots {
  size: number
  readonly words: number[]
}

const WORD_BITS = 32

export function noSlots(): Slots {
  return { size: 0, words: [0] }
}

export function hasSlot({ words }: Slots, slot: number): boolean {
  return (words[slot >>> 5]! & (1 << (slot % WORD_BITS))) !== 0
}

export function addSlot(slots: Slots, slot: number): void {
  if (hasSlot(slots, slot)) return
  const { words } = slots
  while (words.length <= slot >>> 5) words.push(0)
  words[slot >>> 5]! |= 1 << (slot % WORD_BITS)
  slots.size++
}

export function dropSlot(slots: Slots, slot: number): void {
  if (!hasSlot(slots, slot)) return
  slots.words[slot >>> 5]! &= ~(1 << (slot % WORD_BITS))
  slots.size--
}

/** The lowest number that none of these has. */
export function freeSlot(taken: Iterable<{ readonly slot: number }>): number {
  const slots = noSlots()
  for (const { slot } of taken) addSlot(slots, slot)
  let free = 0
  while (hasSlot(slots, free)) free++
  return free
}
