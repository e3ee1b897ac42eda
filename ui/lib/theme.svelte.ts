/** Dark, light or as the system says; remembered in this browser. */
const KEY = 'omega.theme'
export const THEMES = ['auto', 'dark', 'light'] as const
export type ThemeName = (typeof THEMES)[number]

class Theme {
  name = $state<ThemeName>(read())

  apply(): void {
    document.documentElement.dataset.theme = this.name
  }

  next(): void {
    this.set(THEMES[(THEMES.indexOf(this.name) + 1) % THEMES.length] ?? 'auto')
  }

  set(name: ThemeName): void {
    this.name = name
    try {
      localStorage.setItem(KEY, name)
    } catch {
      // Not remembered, still applied.
    }
    this.apply()
  }
}

function read(): ThemeName {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto'
  } catch {
    return 'auto'
  }
}

export const theme = new Theme()
