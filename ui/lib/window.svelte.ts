/**
 * Long lists are drawn where they are looked at: rows come in blocks, a block far from the screen is empty and as high as
 * it was. What a row shows costs nothing while nobody sees it.
 */
export const BLOCK_ROWS = 10
/** Blocks so near to the screen are drawn already. */
const NEAR = '400px'
/** Before a block was ever drawn. */
const ROW_GUESS_PX = 48

export function blocksOf<T>(items: readonly T[]): T[][] {
  const blocks: T[][] = []
  for (let i = 0; i < items.length; i += BLOCK_ROWS) blocks.push(items.slice(i, i + BLOCK_ROWS))
  return blocks
}

export class Windowed {
  /** Numbers of the blocks that are near the screen. */
  near = $state.raw<ReadonlySet<number>>(new Set([0]))
  readonly #heights = new Map<number, number>()
  readonly #numbers = new Map<Element, number>()
  readonly #observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: NEAR })

  /** An attachment for the element of a block. */
  block = (number: number) => (element: Element) => {
    this.#numbers.set(element, number)
    this.#observer.observe(element)
    return () => {
      this.#observer.unobserve(element)
      this.#numbers.delete(element)
    }
  }

  heightOf(number: number, rows: number): number {
    return this.#heights.get(number) ?? rows * ROW_GUESS_PX
  }

  stop(): void {
    this.#observer.disconnect()
  }

  #seen(entries: readonly IntersectionObserverEntry[]): void {
    const near = new Set(this.near)
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const number = this.#numbers.get(target)
      if (number === undefined) continue
      if (near.has(number) && !isIntersecting) this.#heights.set(number, boundingClientRect.height)
      if (isIntersecting) near.add(number)
      else near.delete(number)
    }
    this.near = near
  }
}
