// What commands print by the convention of Nagios, as observations.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPerformanceData, readPluginOutput } from '../../src/checks/plugin-output.ts';
import { longestOutput, type Metric } from '../../src/model/monitoring/observations.ts';

describe('states', () => {
  test.each([
    [0, 'OK', 'said'],
    [1, 'WARNING', 'said'],
    [2, 'CRITICAL', 'said'],
    [3, 'UNKNOWN', 'said'],
    [4, 'UNKNOWN', 'The command ended with the code 4, which is no state.\nsaid'],
    [127, 'UNKNOWN', 'The command ended with the code 127, which is no state.\nsaid'],
    [-1, 'UNKNOWN', 'The command ended with the code -1, which is no state.\nsaid'],
    [null, 'UNKNOWN', 'The command was ended by a signal, which is no state.\nsaid'],
  ])('the code %j is %s', (exitCode, state, output) => {
    expect(readPluginOutput({ exitCode, text: 'said\n' })).toEqual({ state, output, metrics: [] });
  });
});

describe('texts', () => {
  const disks = [
    'DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968',
    '/ 15272 MB (77%);',
    '/boot 68 MB (69%);',
    '/var/log 819 MB (84%); | /boot=68MB;88;93;0;98',
    '/home=69357MB;253404;253409;0;253414',
    '',
  ];
  test('performance data stands behind the bar of the first line, and behind the next bar to the end', () => {
    const { output, metrics } = readPluginOutput({ exitCode: 0, text: disks.join('\n') });
    expect(output.split('\n')).toEqual([
      'DISK OK - free space: / 3326 MB (56%);',
      '/ 15272 MB (77%);',
      '/boot 68 MB (69%);',
      '/var/log 819 MB (84%);',
    ]);
    const megabyte = 1024 * 1024;
    expect(metrics.map(({ name, value, unit }) => [name, value / megabyte, unit])).toEqual([
      ['/', 2643, 'B'],
      ['/boot', 68, 'B'],
      ['/home', 69357, 'B'],
    ]);
    expect(metrics[0]).toMatchObject({ warning: 5948 * megabyte, minimum: 0, maximum: 5968 * megabyte });
  });

  test.each([
    ['', 'The command printed nothing.', 0],
    ['  \r\n', 'The command printed nothing.', 0],
    ['| a=1', 'The command printed nothing.', 1],
    ['fine\r\nmore\r\n', 'fine\nmore', 0],
    ['fine |', 'fine', 0],
    ['a|b=1|c=2', 'a', 0],
  ])('%j', (text, output, count) => {
    const seen = readPluginOutput({ exitCode: 0, text });
    expect([seen.output, seen.metrics.length]).toEqual([output, count]);
  });

  test('a long one is cut and marked', () => {
    const { output } = readPluginOutput({ exitCode: 0, text: 'long '.repeat(10_000) });
    expect(output.length).toBeLessThanOrEqual(longestOutput);
    expect(output).toMatch(/\[cut\]$/);
  });
});

describe('performance data', () => {
  test.each<[data: string, metrics: Metric[]]>([
    ['time=0.25s', [{ name: 'time', value: 250, unit: 'ms' }]],
    ['time=250us;;;0', [{ name: 'time', value: 0.25, unit: 'ms', minimum: 0 }]],
    ['hits=12c', [{ name: 'hits', value: 12, unit: 'c' }]],
    ['load=-1.5e2', [{ name: 'load', value: -150, unit: '' }]],
    ['temperature=21C', [{ name: 'temperature', value: 21, unit: 'C' }]],
    ['size=2KiB;1', [{ name: 'size', value: 2048, unit: 'B', warning: 1024 }]],
    ["'it''s = here'=1", [{ name: "it's = here", value: 1, unit: '' }]],
    [
      'used=5%;80;90;0;100',
      [{ name: 'used', value: 5, unit: '%', warning: 80, critical: 90, minimum: 0, maximum: 100 }],
    ],
    ['left=5;10:;~:5', [{ name: 'left', value: 5, unit: '', warning: 10, critical: 5 }]],
    ['left=5;@1:2;3:4', [{ name: 'left', value: 5, unit: '' }]],
    ['left=5;0:7;:', [{ name: 'left', value: 5, unit: '', warning: 7 }]],
    [
      'a=1; b=2;;;;',
      [
        { name: 'a', value: 1, unit: '' },
        { name: 'b', value: 2, unit: '' },
      ],
    ],
    ['unknown=U next=1', [{ name: 'next', value: 1, unit: '' }]],
    ['no equals here a=1,5 =3 b= c=1=2 d=4', [{ name: 'd', value: 4, unit: '' }]],
    ["'open=1 a=2", [{ name: 'a', value: 2, unit: '' }]],
    ['', []],
  ])('%j', (data, metrics) => {
    expect(readPerformanceData(data)).toEqual(metrics);
  });

  const label = fc
    .string({ minLength: 1, maxLength: 30, unit: 'grapheme' })
    .filter((text) => !text.includes('\0'));
  const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 });
  const limit = fc.option(value, { nil: undefined });
  const written = fc
    .array(
      fc.record({ name: label, value, warning: limit, critical: limit, minimum: limit, maximum: limit }),
      {
        maxLength: 20,
      },
    )
    .map((all) => all.map((each) => ({ ...each, unit: '' })));

  test('what is written by the guidelines is read as it was meant', () => {
    fc.assert(
      fc.property(written, fc.constantFrom(' ', '\n', '  '), (metrics, between) => {
        const data = metrics.map((each) => {
          const limits = [each.warning, each.critical, each.minimum, each.maximum];
          const quoted = each.name.replaceAll("'", "''");
          return `'${quoted}'=${each.value};${limits.map((at) => (at === undefined ? '' : at)).join(';')}`;
        });
        const read = readPerformanceData(data.join(between));
        const told = (all: readonly Metric[]) =>
          all.map((each) => [
            each.name,
            each.value + 0,
            each.warning,
            each.critical,
            each.minimum,
            each.maximum,
          ]);
        expect(told(read)).toEqual(told(metrics).map((each) => each.map((at) => (at === 0 ? 0 : at))));
      }),
    );
  });

  test('whatever a command prints, there is an observation of bounded size with finite numbers', () => {
    const scraps = fc.constantFrom(
      "'",
      '=',
      ';',
      '|',
      ' ',
      '\n',
      '1',
      '9e999',
      '-',
      '.',
      'U',
      'KB',
      'a',
      '@',
      ':',
      '~',
    );
    const text = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.array(scraps, { maxLength: 200 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, fc.option(fc.integer({ min: -1, max: 255 })), (printed, exitCode) => {
        const seen = readPluginOutput({ exitCode, text: printed });
        expect(seen.output).not.toBe('');
        for (const metric of seen.metrics) {
          expect(metric.name).not.toBe('');
          for (const number of [
            metric.value,
            metric.warning,
            metric.critical,
            metric.minimum,
            metric.maximum,
          ])
            expect(Number.isFinite(number ?? 0)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a megabyte of anything is read in no time, and no more metrics are kept than a hundred', () => {
    for (const scrap of ["'", "''", 'a', 'a=1 ', "'a=", '1', ' ', 'a=1;'])
      expect(readPerformanceData(scrap.repeat(1_000_000 / scrap.length)).length).toBeLessThanOrEqual(100);
  });
});
