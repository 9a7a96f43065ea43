import { expect, test } from 'vitest';
import { parsePythonLiteral, toPythonLiteral } from '../../src/io/python-literal.js';

test('metadata as Python writes it', () => {
  const cases: [string, unknown][] = [
    ["{0: 'person', 1: \"it's\"}", { 0: 'person', 1: "it's" }],
    [
      "{'batch': 1, 'half': False, 'opset': None, 'imgsz': [640, 480], 'x': (1, 2.5,), 'y': -1e-3}",
      { batch: 1, half: false, opset: null, imgsz: [640, 480], x: [1, 2.5], y: -0.001 },
    ],
    ["'a\\n\\'b\\' \\x41 \\u00e9 \\U0001F600 \\\\'", "a\n'b' A é 😀 \\"],
    [' [ ] ', []],
    ['{}', {}],
    ["{'__proto__': 1}", JSON.parse('{"__proto__": 1}')],
  ];
  for (const [text, value] of cases) expect(parsePythonLiteral(text), text).toEqual(value);
});

test('what is no literal throws', () => {
  for (const text of [
    '',
    '{',
    "{0: 'a'",
    "'open",
    '[1 2]',
    '__import__("os")',
    '1 + 1',
    "{'a' 1}",
    '[1], 2',
    '['.repeat(1000),
    "'\\uzzzz'",
  ])
    expect(() => parsePythonLiteral(text), text).toThrow(SyntaxError);
});

test('what is written can be read, and looks like Python', () => {
  const value = { 0: 'person', 1: "it's", 2: 'say "hi"', a: [1, true, null], 'b\n': -0.5 };
  expect(toPythonLiteral(value)).toBe(`{0: 'person', 1: "it's", 2: 'say "hi"', 'a': [1, True, None], 'b\\n': -0.5}`);
  expect(parsePythonLiteral(toPythonLiteral(value))).toEqual(value);
});
