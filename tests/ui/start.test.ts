/** The form of a new session: what is typed becomes an order, or says what is wrong. */
import { expect, test } from 'vitest'
import { needsShell, parseCommand, parseMemory } from '../../ui/lib/command-line.ts'
import { check, emptyForm, readForm, type Form } from '../../ui/lib/start.ts'
import { fakeMesh } from './fake-mesh.ts'

const { nodes } = fakeMesh('office')
const form = (change: Partial<Form>): Form => ({ ...emptyForm(), command: 'make', ...change })
const words = (line: string) => {
  const parsed = parseCommand(line)
  return parsed.ok ? [parsed.program, ...parsed.args] : parsed.reason
}

test('quotes and backslashes hold words together as in a shell', () => {
  expect(words('make -j8  all')).toEqual(['make', '-j8', 'all'])
  expect(words(`say "a b" 'c "d"' e\\ f ""`)).toEqual(['say', 'a b', 'c "d"', 'e f', ''])
  expect(words('a "\\$x\\n"')).toEqual(['a', '$x\\n'])
  expect(words("it's")).toMatch(/not closed/)
  expect(words('a \\')).toMatch(/backslash/)
  expect(words('   ')).toMatch(/program/)
})

test('what only a shell understands is named, quoted text is not', () => {
  expect(needsShell('a | b')).toBe('a pipe')
  expect(needsShell('a > out')).toBe('a redirection')
  expect(needsShell('a && b')).toBe('more than one command')
  expect(needsShell('echo "$HOME"')).toBe('a variable')
  expect(needsShell('ls *.c')).toBe('a file pattern')
  expect(needsShell("grep 'a|b' file")).toBeNull()
  expect(needsShell('python3 train.py --epochs 40')).toBeNull()
})

test('memory is read with and without units', () => {
  expect(parseMemory('512')).toBe(512 * 2 ** 20)
  expect(parseMemory('2 GiB')).toBe(2 ** 31)
  expect(parseMemory('1,5g')).toBe(1.5 * 2 ** 30)
  expect(['', 'much', '2 XB', '-1'].map(parseMemory)).toEqual([null, null, null, null])
})

test('a whole form becomes an order', () => {
  const { order, problems } = check(
    form({ command: 'make -j8 "a b"', node: 'atlas', cores: '8', memory: '2G', restart: 'always' }),
    nodes
  )
  expect(problems).toEqual({})
  expect(order).toEqual({
    app_uri: 'exec:make',
    args: ['-j8', 'a b'],
    cpu_cores: 8,
    ram_bytes: 2 ** 31,
    restart: 'always',
    mode: 'available',
    priority: 2,
    constraints: { on: 'atlas' }
  })
})

test('many times is an array, and an array is never strict', () => {
  expect(check(form({ tasks: ' 40 ', priority: '0' }), nodes).order).toMatchObject({
    kind: 'array',
    array: 40,
    priority: 0
  })
  expect(check(form({ mode: 'strict' }), nodes).order).toMatchObject({ mode: 'strict' })
  expect(check(form({ mode: 'strict' }), nodes).order).not.toHaveProperty('kind')
  expect(check(form({ mode: 'strict', tasks: '2' }), nodes)).toMatchObject({
    order: null,
    problems: { tasks: 'Several runs are never strict: one whose PC is lost runs again.' }
  })
  for (const tasks of ['', '0', '1.5', 'ten', '1000001'])
    expect(check(form({ tasks }), nodes).problems.tasks, tasks).toMatch(/whole number from 1/)
})

test('a shell line travels as it is', () => {
  expect(check(form({ command: `seq 9 | grep '[12]'`, shell: true }), nodes).order).toMatchObject({
    app_uri: `shell:seq 9 | grep '[12]'`,
    args: []
  })
})

test('each wrong field says what is wrong, and there is no order', () => {
  const { order, problems } = check(form({ command: '', cores: '0', memory: 'lots', node: 'nowhere' }), nodes)
  expect(order).toBeNull()
  expect(Object.keys(problems).sort()).toEqual(['command', 'cores', 'memory', 'node'])
  expect(check(form({ command: 'x'.repeat(5_000) }), nodes).problems.command).toMatch(/5000 characters/)
})

test('an order that no PC can ever take is said before it is sent', () => {
  expect(check(form({ cores: '96' }), nodes).notes.join()).toMatch(/the most is 48, at atlas/)
  expect(check(form({ memory: '1 TiB' }), nodes).notes.join()).toMatch(/the most is 192 GiB, at atlas/)
  expect(check(form({ node: 'studio', cores: '32' }), nodes).notes.join()).toMatch(/the most is 9, at studio/)
  expect(check(form({ node: 'lark' }), nodes).notes.join()).toMatch(/lark does not answer/)
  expect(check(form({}), nodes).notes).toEqual([])
})

test('a draft comes back as it was, and an odd one as an empty form', () => {
  const draft = form({ command: 'make -j9', cores: '4' })
  expect(readForm(JSON.stringify(draft))).toEqual(draft)
  expect(readForm('')).toEqual(emptyForm())
  expect(readForm('{"cores":7,"command":"a"}')).toEqual({ ...emptyForm(), command: 'a' })
})

test('in a terminal: the order says so, and it runs once', () => {
  expect(check(form({ terminal: true }), []).order).toMatchObject({
    terminal: { columns: 80, rows: 24, required: true },
    env: { TERM: 'xterm-256color' }
  })
  expect(check(form({}), []).order).not.toHaveProperty('terminal')
  expect(check(form({ terminal: true, tasks: '3' }), []).problems.tasks).toContain('runs once')
})
