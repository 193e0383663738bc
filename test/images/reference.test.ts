import { expect, test } from 'vitest';
import { findRecipe } from '../../src/images/recipes/index.ts';
import { covers, parseReference, wantedVersion } from '../../src/images/reference.ts';

test('short and full references of an official image are one thing', () => {
  for (const given of [
    'postgres:15',
    'library/postgres:15',
    'docker.io/postgres:15',
    'index.docker.io/library/postgres:15',
  ]) {
    const reference = parseReference(given);
    expect(reference.canonical).toBe('docker.io/library/postgres:15');
    expect(findRecipe(reference)?.name).toBe('postgres');
  }
});

test('an image of another registry, another owner or a digest is never taken for an official one', () => {
  expect(findRecipe(parseReference('localhost:5000/library/postgres:15'))).toBeUndefined();
  expect(findRecipe(parseReference('example.org/postgres:15'))).toBeUndefined();
  expect(findRecipe(parseReference('someone/postgres:15'))).toBeUndefined();
  expect(wantedVersion(parseReference(`postgres@sha256:${'0'.repeat(64)}`))).toBeUndefined();
  expect(parseReference('localhost:5000/a/b').canonical).toBe('localhost:5000/a/b:latest');
});

test('variants of a version count as the version, other kinds of tag do not', () => {
  const wanted = (tag: string): string | undefined => wantedVersion(parseReference(`node:${tag}`))?.version;
  expect(['24', '24-slim', '24-alpine', '24-alpine3.20', '24-bookworm-slim'].map(wanted)).toEqual(
    Array(5).fill('24'),
  );
  expect(['latest', 'lts', 'slim', 'alpine', 'lts-alpine'].map(wanted)).toEqual(Array(5).fill(''));
  expect(['24-onbuild', '24rc1', '24-windowsservercore', 'nightly'].map(wanted)).toEqual(
    Array(4).fill(undefined),
  );
});

test('a version is covered by itself and by its patch releases only', () => {
  expect(covers('15.14', { version: '15' })).toBe(true);
  expect(covers('15.14', { version: '15.14' })).toBe(true);
  expect(covers('15.14', { version: '' })).toBe(true);
  expect(covers('150.1', { version: '15' })).toBe(false);
  expect(covers('15.14', { version: '15.1' })).toBe(false);
  expect(covers('15.14', { version: '15.14.1' })).toBe(false);
});
