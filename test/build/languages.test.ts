// How a source's language is recognised, and what Dockerfile is made for it: a table of sources.
import { describe, expect, test } from 'vitest';
import { baseImages } from '../../src/build/dockerfile.ts';
import { BuildInputInvalid, SourceNotRecognised } from '../../src/build/faults.ts';
import { recognise } from '../../src/build/languages/index.ts';
import { parseProcfile } from '../../src/build/procfile.ts';

async function build(files: Readonly<Record<string, string>>, certificate?: string) {
  const names = Object.keys(files);
  const read = async (path: string) => files[path];
  const language = await recognise(names, read);
  const procfile = files.Procfile === undefined ? undefined : parseProcfile(files.Procfile);
  const made = await language.dockerfile({ files: names, read, procfile, certificate });
  return { language: language.name, ...made };
}

const manifest = (value: object) => ({ 'package.json': JSON.stringify(value) });
const express = { dependencies: { express: '5' } };
const start = { scripts: { start: 'node app.js' } };

describe('Node.js', () => {
  test.each<[what: string, files: Record<string, string>, command: string]>([
    ['script', manifest(start), '["npm","start"]'],
    ['main', manifest({ main: 'lib/app.js' }), '["node","--","lib/app.js"]'],
    ['index.js', { ...manifest({}), 'index.js': '' }, '["node","--","index.js"]'],
    ['server.js', { ...manifest({}), 'server.js': '' }, '["node","--","server.js"]'],
    ['Procfile', { ...manifest(start), Procfile: 'web: a "b"' }, '["/bin/sh","-c","a \\"b\\""]'],
    ['Procfile alone', { ...manifest({}), Procfile: 'web: a' }, '["/bin/sh","-c","a"]'],
  ])('is started by its %s', async (_, files, command) => {
    const { language, dockerfile } = await build(files);
    expect(language).toBe('Node.js');
    expect(dockerfile).toContain(`\nCMD ${command}\n`);
    expect(dockerfile).toContain('\nUSER 1000:1000\n');
    expect(dockerfile).toContain('\nEXPOSE 8080\n');
    expect(baseImages(dockerfile)).toEqual(['node:24']);
  });

  test.each<[what: string, files: Record<string, string>, install: string | undefined]>([
    ['no dependencies', manifest(start), undefined],
    ['a lock but no dependencies', { ...manifest(start), 'package-lock.json': '' }, undefined],
    ['development dependencies only', manifest({ ...start, devDependencies: { a: '1' } }), undefined],
    ['dependencies', manifest({ ...start, ...express }), 'npm install'],
    ['dependencies and a lock', { ...manifest({ ...start, ...express }), 'package-lock.json': '' }, 'npm ci'],
    ['a shrinkwrap', { ...manifest({ ...start, ...express }), 'npm-shrinkwrap.json': '' }, 'npm ci'],
    ['a lock of another tool', { ...manifest({ ...start, ...express }), 'yarn.lock': '' }, 'npm install'],
  ])('with %s', async (_, files, install) => {
    expect(/npm (?:ci|install)/.exec((await build(files)).dockerfile)?.[0]).toBe(install);
  });

  test('the install is cached by its manifests, unless they point into the source', async () => {
    const order = async (value: object) => {
      const { dockerfile } = await build({ ...manifest(value), '.npmrc': '' });
      return dockerfile.indexOf('npm install') < dockerfile.indexOf('source/ ./')
        ? 'install first'
        : 'copy first';
    };
    expect(await order({ ...start, ...express })).toBe('install first');
    expect(await order({ ...start, dependencies: { a: 'file:./a' } })).toBe('copy first');
    expect(await order({ ...express, scripts: { start: 'x', postinstall: 'y' } })).toBe('copy first');
    expect(await order({ ...start, ...express, workspaces: ['a'] })).toBe('copy first');
  });

  test.each([
    ['{', 'package.json: is not valid JSON'],
    ['[]', 'package.json: its content'],
    ['{"scripts":{"start":1}}', 'package.json: scripts.start'],
    ['{}', "package.json: doesn't say how to start"],
  ])('%s is refused', async (text, words) => {
    await expect(build({ 'package.json': text })).rejects.toThrow(BuildInputInvalid);
    await expect(build({ 'package.json': text })).rejects.toThrow(words);
  });

  test('an own CA is trusted in the install and nowhere else', async () => {
    const { dockerfile } = await build(manifest({ ...start, ...express }), '.berth/ca.pem');
    const naming = dockerfile.split('\n').filter((text) => /ca\.pem/.test(text));
    expect(naming).toEqual([
      'COPY --chown=1000:1000 .berth/ca.pem /tmp/berth-ca.pem',
      expect.stringMatching(
        /^RUN export NODE_EXTRA_CA_CERTS=\S+ SSL_CERT_FILE=\S+ && .*npm install.* && rm -f \S+$/,
      ),
    ]);
    expect((await build(manifest(start), '.berth/ca.pem')).dockerfile).not.toContain('ca.pem');
  });
});

describe('Python', () => {
  test.each<[what: string, files: Record<string, string>, command: string, install: string | undefined]>([
    ['app.py', { 'app.py': '' }, '["python3","app.py"]', undefined],
    ['main.py', { 'main.py': '' }, '["python3","main.py"]', undefined],
    [
      'empty requirements',
      { 'app.py': '', 'requirements.txt': '\n# none\n' },
      '["python3","app.py"]',
      undefined,
    ],
    [
      'requirements',
      { 'app.py': '', 'requirements.txt': 'flask\n' },
      '["python3","app.py"]',
      '-r requirements.txt',
    ],
    [
      'a project',
      {
        'app.py': '',
        'pyproject.toml': '[project]\nname = "a"\ndependencies = [\n  # web\n  "flask",\n]\n[tool.x]\n',
      },
      '["python3","app.py"]',
      '.',
    ],
    [
      'a project without dependencies',
      { 'app.py': '', 'pyproject.toml': '[project]\ndependencies = []\n' },
      '["python3","app.py"]',
      undefined,
    ],
    [
      'tools only',
      { 'app.py': '', 'pyproject.toml': '[tool.x]\ndependencies = ["a"]\n' },
      '["python3","app.py"]',
      undefined,
    ],
    [
      'a Procfile',
      { 'requirements.txt': 'gunicorn', Procfile: 'web: gunicorn a' },
      '["/bin/sh","-c","gunicorn a"]',
      '-r requirements.txt',
    ],
  ])('with %s', async (_, files, command, install) => {
    const { language, dockerfile } = await build(files);
    expect(language).toBe('Python');
    expect(dockerfile).toContain(`\nCMD ${command}\n`);
    expect(/pip install .*? (-r \S+|\.)(?:\n|$)/.exec(dockerfile)?.[1]).toBe(install);
    expect(baseImages(dockerfile)).toEqual(['python:3.11']);
  });

  test('without a program to start it is refused', async () => {
    await expect(build({ 'requirements.txt': 'flask' })).rejects.toThrow("doesn't say how to start");
  });

  test('an own CA is trusted by pip', async () => {
    const { dockerfile } = await build({ 'app.py': '', 'requirements.txt': 'flask' }, '.berth/ca.pem');
    expect(dockerfile).toMatch(/\nRUN export PIP_CERT=\S+ SSL_CERT_FILE=.* && rm -f \S+\n/);
  });
});

test('a static site is served by nginx without its dot files', async () => {
  const { language, dockerfile, files } = await build({ 'index.html': '' });
  expect(language).toBe('static site');
  expect(baseImages(dockerfile)).toEqual(['nginx:1']);
  expect(files['nginx.conf']).toContain('listen 8080;');
});

test('a Procfile is enough', async () => {
  const { language, dockerfile } = await build({ Procfile: 'web: ./serve', serve: '' });
  expect(language).toBe('Procfile');
  expect(dockerfile).toContain('\nCMD ["/bin/sh","-c","./serve"]\n');
});

test('nothing recognised lists what would be', async () => {
  await expect(build({ 'README.md': '' })).rejects.toThrow(SourceNotRecognised);
  await expect(build({ 'README.md': '' })).rejects.toThrow(
    /Dockerfile; package\.json .*requirements\.txt.*index\.html.*Procfile/,
  );
});
