// Which images a Dockerfile builds on, and its pinned form: tables of cases, and properties over made Dockerfiles.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles write variables that way
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseImages, pinBases } from '../../src/build/dockerfile.ts';
import { BuildInputInvalid } from '../../src/build/faults.ts';

const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

describe('base images', () => {
  test.each<[text: string, images: readonly string[]]>([
    ['FROM node:24', ['node:24']],
    ['from node:24 as Build\nRUN x\nFROM build\nCOPY --from=BUILD /a /b', ['node:24']],
    ['FROM scratch\nCOPY a /', []],
    ['ARG TAG=24\nFROM node:$TAG', ['node:24']],
    ['ARG TAG=24\nARG IMAGE=node:${TAG}-slim\nFROM ${IMAGE}', ['node:24-slim']],
    ['ARG TAG\nFROM node:${TAG:-22}\nFROM node${TAG:+x}:1', ['node:22', 'node:1']],
    ['ARG A\nARG B=3\nFROM python:${A:-${B}}', ['python:3']],
    ['ARG TAG="24"\nFROM node:$TAG', ['node:24']],
    ['FROM --platform=$BUILDPLATFORM golang:1 AS b\nFROM b', ['golang:1']],
    ['FROM app-$TARGETARCH:1', [`app-${architecture}:1`]],
    ['FROM a\nARG T=2\nFROM b:1', ['a', 'b:1']],
    [
      'FROM a AS one\nFROM b\nCOPY --from=one /x /\nCOPY --from=0 /x /\nCOPY --from=c:2 /x /',
      ['a', 'b', 'c:2'],
    ],
    ['FROM a\nCOPY --from=7 /x /', ['a', '7']],
    ['FROM a\nCOPY --chown=1:1 --from=c:2 ["x", "/"]', ['a', 'c:2']],
    ['FROM a\nRUN --mount=type=bind,from=tools:1,target=/t make', ['a', 'tools:1']],
    ['FROM a\nRUN --mount=type=cache,target=/t make', ['a']],
    ['FROM a\nRUN echo FROM b\n# FROM c\nRUN echo \\\n FROM d', ['a']],
    ['FROM a AS b\nFROM b AS c\nFROM a', ['a']],
    ['FROM b\nFROM a AS b', ['b', 'a']],
    ['# escape=`\nFROM a `\n  AS x\nRUN dir C:\\', ['a']],
    ['FROM \\\n  # why\n  node:24 \\\n AS x', ['node:24']],
    ['\uFEFFFROM node:24\r\nRUN x\r\n', ['node:24']],
    ['FROM reg.test:5000/a/b@sha256:' + 'a'.repeat(64), [`reg.test:5000/a/b@sha256:${'a'.repeat(64)}`]],
    ['FROM "node:24"', ['node:24']],
    ['FROM a\nCOPY --from=scratch /a /b', ['a']],
    ['ARG S=one\nFROM a AS one\nFROM $S', ['a']],
    ['FROM a\nCOPY --fr\\\nom=b:\\\n1 /x /', ['a', 'b:1']],
    ['FROM a AS c0ffee123456\nCOPY --from=c0ffee123456 /x /', ['a', 'c0ffee123456']],
    ['FROM a AS c0ffee123456\nFROM b\nCOPY --from=c0ffee123456 /x /', ['a', 'b']],
    ['FROM a\nRUN x \\  \n   # why\n\n  from b \\\n && copy --from=c d', ['a']],
  ])('%j → %j', (text, images) => {
    expect(baseImages(text)).toEqual(images);
  });

  test.each<[text: string, line: number | undefined, words: string]>([
    ['', undefined, 'no FROM'],
    ['# nothing\n', undefined, 'no FROM'],
    ['RUN x', 1, 'before the first FROM'],
    ['ARG A=1\n\nENV x=1\nFROM a', 3, 'before the first FROM'],
    ['FROM', 1, 'one image'],
    ['FROM a b', 1, 'one image'],
    ['FROM a AS', 1, 'one image'],
    ['FROM a AS b c', 1, 'one image'],
    ['FROM a\nBANANA x', 2, 'no instruction BANANA'],
    ['FROM a\nRUN', 2, 'RUN needs something'],
    ['ARG TAG\nFROM $TAG', 2, "doesn't name an image"],
    ['FROM node:${TAG', 1, "can't be read"],
    ['FROM ${TAG:?x}', 1, "can't be read"],
    ['FROM -x', 1, "doesn't name an image"],
    ['FROM a\nCOPY --from= x /', 2, 'without a name'],
    ['FROM a\nCOPY --from=$X x /', 2, "doesn't name an image"],
    ['FROM a\0', undefined, 'NUL'],
    // What follows was read by the builder as a use of image "b" and by the parser as something else.
    ['FROM a\nCOPY --"from"=b /x /', 2, 'without quotes'],
    ['FROM a\nCOPY --fr\\om=b /x /', 2, 'without quotes'],
    ["FROM a\nCOPY --chown=1 --'from=b' /x /", 2, 'without quotes'],
    ['FROM a\nCOPY --chown=1\v--from=b /x /', 2, 'white space'],
    ['FROM a\nCOPY \v--from=b /x /', 2, 'white space'],
    ['FROM a\nCOPY \u0085--from=b /x /', 2, 'white space'],
    ['FROM a\nCOPY \u00a0--from=b /x /', 2, 'beyond doubt'],
    ['FROM a\nCOPY --chown=\u00e0--from=b /x /', 2, 'beyond doubt'],
    ['FROM a\rFROM b', 1, 'white space'],
    ['FROM a\nRUN <<CMD\nCOPY --from=b /x /\nCMD', 3, 'Heredocs'],
    ['FROM a\nRUN cat <<EOF\nFROM b\nEOF', 3, 'Heredocs'],
    ['FROM a AS s\nONBUILD COPY --from=b /x /\nFROM s', 2, 'ONBUILD'],
    ['FROM a AS s\nonbuild copy --fr\\om=b /x /\nFROM s', 2, 'ONBUILD'],
    // The engine would fetch these from where it stands itself.
    ['FROM a\nADD http://10.0.0.1/ /x', 2, 'ADD takes files'],
    ['FROM a\nADD a HTTP://10.0.0.1/ /x', 2, 'ADD takes files'],
    ['FROM a\nADD ["http://10.0.0.1/", "/x"]', 2, 'ADD takes files'],
    ['FROM a\nADD ["\\u0068ttp:\\u002f/10.0.0.1/", "/x"]', 2, 'ADD takes files'],
    ['FROM a\nADD http:\\/\\/10.0.0.1/ /x', 2, 'ADD takes files'],
    ['FROM a\nADD "http:"//10.0.0.1/ /x', 2, 'ADD takes files'],
    ['FROM a\nARG U=http\nADD $U://10.0.0.1/ /x', 3, 'ADD takes files'],
    ['FROM a\nARG U\nADD ${U} /x', 3, 'ADD takes files'],
    ['FROM a AS s\nONBUILD ADD http://10.0.0.1/ /x\nFROM s', 2, 'ADD takes files'],
    ['# x\n# escape=`\nFROM a', 2, 'escape directive'],
    ['# escape = ` x\nFROM a', 1, 'escape directive'],
  ])('%j is refused with its line', (text, line, words) => {
    const refused = () => baseImages(text);
    expect(refused).toThrow(BuildInputInvalid);
    expect(refused).toThrow(expect.objectContaining({ line, file: 'Dockerfile' }));
    expect(refused).toThrow(words);
  });
});

describe('pinned bases', () => {
  const id = (letter: string) => `sha256:${letter.repeat(64)}`;

  test.each<[text: string, pins: Record<string, string>, pinned: string]>([
    ['FROM node:24 AS x', { 'node:24': id('a') }, `FROM ${id('a')} AS x`],
    [
      'ARG T=24\nFROM --platform=linux/amd64 node:$T as x\nFROM x\nCOPY --from=node:24 --chown=1 a b\n',
      { 'node:24': id('a') },
      `ARG T=24\nFROM --platform=linux/amd64 ${id('a')} as x\nFROM x\nCOPY --from=${id('a')} --chown=1 a b\n`,
    ],
    ['FROM \\\r\n  node:24\r\nRUN x\r\n', { 'node:24': id('a') }, `FROM \\\r\n  ${id('a')}\r\nRUN x\r\n`],
    [
      'FROM a\nFROM b\nFROM a',
      { a: id('a'), b: id('b') },
      `FROM ${id('a')}\nFROM ${id('b')}\nFROM ${id('a')}`,
    ],
    [
      'FROM a\nRUN --mount=from=t:1,target=/t x',
      { a: 'i', 't:1': 'j' },
      'FROM i\nRUN --mount=from=j,target=/t x',
    ],
    ['# syntax=docker/dockerfile:1\n# escape=`\nFROM a', { a: 'i' }, '# escape=`\n\nFROM i'],
    ['# escape=`\n#SYNTAX = x/y\n\nFROM a', { a: 'i' }, '# escape=`\n\n\nFROM i'],
    ['FROM a\nCOPY --fr\\\nom=b:\\\n1 x y', { a: 'i', 'b:1': 'j' }, 'FROM i\nCOPY --fr\\\nom=j x y'],
    ['ARG S=one\nFROM a AS one\nFROM ${S}', { a: 'i' }, 'ARG S=one\nFROM i AS one\nFROM one'],
    ['# a comment\n# syntax=x\nFROM a', { a: 'i' }, '# a comment\n# syntax=x\nFROM i'],
  ])('%j', (text, pins, pinned) => {
    expect(pinBases(text, pins)).toBe(pinned);
  });

  test('a base without a pin is a fault, not a silent pull', () => {
    expect(() => pinBases('FROM a', {})).toThrow('No pin');
    expect(() => pinBases('FROM constructor', {})).toThrow('No pin');
  });

  test('whatever the Dockerfile, the pinned one has only pins as bases and the same number of lines', () => {
    fc.assert(
      fc.property(fc.array(stage, { minLength: 1, maxLength: 4 }), fc.boolean(), (stages, windows) => {
        const text = stages.map((part, index) => part(index)).join('\n');
        const given = windows ? text.replaceAll('\n', '\r\n') : text;
        const pins = Object.fromEntries(baseImages(given).map((name, index) => [name, `sha256:${index}abc`]));
        const pinned = pinBases(given, pins);
        expect([...baseImages(pinned)].sort()).toEqual(Object.values(pins).sort());
        expect(pinned.split('\n').length).toBe(given.split('\n').length);
        expect(pinned.split('\n').filter(untouched)).toEqual(given.split('\n').filter(untouched));
      }),
    );
  });

  test('no text at all makes it fail otherwise than with the typed error', () => {
    const words = fc.constantFrom(
      'FROM',
      'ARG',
      'COPY',
      '--from=',
      'a:1',
      '$A',
      '${A',
      '}',
      '\\',
      '\n',
      ' ',
      '#',
      '"',
      '=',
      'AS',
      '<<E',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((all) => all.join(' ')),
        ),
        (text) => {
          try {
            const images = baseImages(text);
            pinBases(text, Object.fromEntries(images.map((name) => [name, 'i'])));
          } catch (error) {
            expect(error).toBeInstanceOf(BuildInputInvalid);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const untouched = (line: string) => /^(?:RUN|#|ENV| {2}&&|CMD|\r?$)/.test(line);

const image = fc.constantFrom('node:24', 'a', 'reg.test:5000/x/y:1.2', 'python@sha256:abc', 'scratch');
const line = fc.oneof(
  fc.constantFrom('RUN echo FROM x', '# FROM y', 'ENV A=b', 'RUN a \\\n  && b', '', 'CMD ["a", "b"]'),
  image.map((name) => `COPY --from=${name} /a /b`),
  image.map((name) => `COPY --chown=1:1 --from=${name} ["a", "/"]`),
);
const stage = fc
  .tuple(
    image,
    fc.boolean(),
    fc.constantFrom('FROM ', 'from\t', 'FROM \\\n  ', 'FROM --platform=linux/amd64 '),
    fc.array(line),
  )
  .map(
    ([name, named, from, rest]) =>
      (index: number) =>
        [`${from}${name}${named ? ` AS s${index}` : ''}`, ...rest].join('\n'),
  );
