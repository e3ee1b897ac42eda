import { expect, test } from 'vitest'
import { commandOf, parseEntry } from '../../node/applications.ts'

const entry = (lines: string): string => `# a comment\n[Desktop Entry]\nType=Application\n${lines}\n`
const parsed = (lines: string) => parseEntry('some.app', entry(lines))

test('an entry of a menu is an application: its name, what it is, and its command', () => {
  expect(parsed('Name=Shell\nName[de]=Muschel\nComment=Runs\\scommands\nExec=sh -c "echo %%"')).toEqual({
    id: 'some.app',
    name: 'Shell',
    comment: 'Runs commands',
    exec: 'sh -c "echo %%"'
  })
})

test('what menus do not show, has no windows, or is not installed is none', () => {
  for (const line of ['NoDisplay=true', 'Hidden=true', 'Terminal=true', 'TryExec=no-such-program-here'])
    expect(parsed(`Name=Shell\nExec=sh\n${line}`), line).toBeUndefined()
  expect(parsed('Name=Gone\nExec=no-such-program-here %U')).toBeUndefined()
  expect(parsed('Exec=sh'), 'it has no name').toBeUndefined()
  expect(parseEntry('link', '[Desktop Entry]\nType=Link\nName=Page\nURL=https://example.org\n')).toBeUndefined()
  expect(parseEntry('empty', ''), 'an empty file').toBeUndefined()
})

test('only the group of the entry counts, not its actions', () => {
  const text = entry('Name=Shell\nExec=sh') + '\n[Desktop Action more]\nName=More\nExec=sh --more\nNoDisplay=true\n'
  expect(parseEntry('some.app', text)).toMatchObject({ name: 'Shell', exec: 'sh' })
})

test('files take the place of the field codes, and come last where there is none', () => {
  const app = (exec: string) => ({ id: 'a', name: 'A name', comment: '', exec })
  const files = ['/one', 'two words']
  expect(commandOf(app('view %F --new'), files)).toEqual(['view', '/one', 'two words', '--new'])
  expect(commandOf(app('view %u'), files)).toEqual(['view', '/one'])
  expect(commandOf(app('view'), files)).toEqual(['view', '/one', 'two words'])
  expect(commandOf(app('view %U'), [])).toEqual(['view'])
  expect(commandOf(app('view --title %c --icon %i 100%%'), [])).toEqual(['view', '--title', 'A name', '--icon', '100%'])
  expect(commandOf(app('"/opt/my app/run" "a \\"quoted\\" \\\\ word"'), [])).toEqual([
    '/opt/my app/run',
    'a "quoted" \\ word'
  ])
})
