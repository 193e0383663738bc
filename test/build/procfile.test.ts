// The Procfile's grammar, as a table.
import { expect, test } from 'vitest';
import { BuildInputInvalid } from '../../src/build/faults.ts';
import { parseProcfile } from '../../src/build/procfile.ts';

test.each([
  ['web: npm start', { web: 'npm start' }],
  ['web: a\nworker: b --x="y: z"\n', { web: 'a', worker: 'b --x="y: z"' }],
  ['# comment\r\n\r\nweb:a\r\n  # another\r\nClock_2-x:\t b  \r\n', { web: 'a', 'Clock_2-x': 'b' }],
  ['\uFEFFweb: a', { web: 'a' }],
  ['web: a # b $PORT \\', { web: 'a # b $PORT \\' }],
  ['constructor: x\nweb: a', { constructor: 'x', web: 'a' }],
  [`${'w'.repeat(40)}: a\nweb: a`, { ['w'.repeat(40)]: 'a', web: 'a' }],
])('%j is read', (text, targets) => {
  expect([...parseProcfile(text)].sort()).toEqual(Object.entries(targets).sort());
});

test.each([
  ['', undefined, 'no target named web'],
  ['worker: a', undefined, 'no target named web'],
  ['Web: a', undefined, 'no target named web'],
  ['web: a\nnonsense', 2, 'colon is missing'],
  ['web: a\n\n# c\nweb: b', 4, 'second time'],
  ['web:', 1, 'no command'],
  ['web: a\nw orker: b', 2, 'letters, digits'],
  ['web: a\n: b', 2, 'letters, digits'],
  [' web: a', 1, 'letters, digits'],
  ['wéb: a', 1, 'letters, digits'],
  // Names that no worker could be asked for by.
  [`${'w'.repeat(41)}: a`, 1, 'letters, digits'],
  ['-w: a', 1, 'begins and ends'],
  ['w_: a', 1, 'begins and ends'],
  ['__proto__: a', 1, 'begins and ends'],
  ['web: a\0b', 1, 'NUL'],
  [['web: a', ...Array.from({ length: 64 }, (_, index) => `w${index}: b`)].join('\n'), 65, '64 targets'],
])('%j is refused with its line', (text, line, words) => {
  const refused = () => parseProcfile(text);
  expect(refused).toThrow(BuildInputInvalid);
  expect(refused).toThrow(expect.objectContaining({ line, file: 'Procfile', code: 'INVALID' }));
  expect(refused).toThrow(words);
});

test('64 targets are accepted', () => {
  const text = ['web: a', ...Array.from({ length: 63 }, (_, index) => `w${index}: b`)].join('\n');
  expect(parseProcfile(text).size).toBe(64);
});
