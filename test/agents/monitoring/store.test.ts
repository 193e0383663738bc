// What was added is there, in order and once, whatever dies: the process, the disk's last free page, the store itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { openResults, type Results } from '../../../src/agents/monitoring/results.ts';
import type { NewResult } from '../../../src/agents/monitoring/scheduler.ts';
import { openStore } from '../../../src/agents/monitoring/store.ts';

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

const newFolder = (): string => mkdtempSync(join(inject('scratch'), 'results-'));

function opened(folder: string, keptResults?: number) {
  const store = openStore(folder, keptResults);
  closings.push(() => store.close());
  return store;
}

async function openedResults(folder: string, warn = (_: string) => {}): Promise<Results> {
  const results = await openResults({ folder, warn });
  closings.push(() => results.close());
  return results;
}

function resultOf(output: string): NewResult {
  return {
    checkId: 'c',
    startedAt: '2030-01-01T00:00:00.000Z',
    durationMs: 1,
    state: 'OK',
    output,
    metrics: [],
  };
}

test('numbers go on from 1 without a hole, also when everything was taken and the store opened anew', () => {
  const folder = newFolder();
  const first = openStore(folder);
  expect(first.add(['a', 'b'].map(resultOf))).toBe(2);
  const { epoch } = first;
  expect(first.take({ epoch, after: 2 }, 10)).toEqual({ epoch, results: [], lastSeq: 2 });
  first.close();
  const again = opened(folder);
  expect(again.epoch).toBe(epoch);
  expect(again.add([resultOf('c')])).toBe(3);
  expect(again.take({ epoch, after: 2 }, 10).results).toEqual([{ seq: 3, ...resultOf('c') }]);
});

test('only what was taken is forgotten, and nothing by one who knows another store', () => {
  const store = opened(newFolder());
  store.add(['a', 'b', 'c'].map(resultOf));
  const seqs = (position: Parameters<typeof store.take>[0], limit = 10) =>
    store.take(position, limit).results.map(({ seq }) => seq);
  expect(seqs(undefined, 2)).toEqual([1, 2]);
  expect(seqs({ epoch: 'another', after: 3 })).toEqual([1, 2, 3]);
  expect(seqs({ epoch: store.epoch, after: 99 })).toEqual([1, 2, 3]);
  expect(seqs({ epoch: store.epoch, after: 1 })).toEqual([2, 3]);
  expect(seqs(undefined)).toEqual([2, 3]);
});

test('of more results than are kept the oldest go, and their numbers are missing', () => {
  const store = opened(newFolder(), 3);
  for (const output of ['a', 'b', 'c', 'd', 'e']) store.add([resultOf(output)]);
  expect(store.take(undefined, 10)).toMatchObject({
    lastSeq: 5,
    results: [{ seq: 3 }, { seq: 4 }, { seq: 5 }],
  });
});

test('a store that is damaged is set aside, and the new one has an epoch of its own', () => {
  const folder = newFolder();
  const first = openStore(folder);
  first.add(Array.from({ length: 2000 }, (_, n) => resultOf(`${n}`)));
  first.close();
  writeFileSync(join(folder, 'results.sqlite'), Buffer.alloc(100_000, 7));
  const second = opened(folder);
  expect(second.epoch).not.toBe(first.epoch);
  expect(second.take({ epoch: first.epoch, after: 2000 }, 10)).toMatchObject({ lastSeq: 0, results: [] });
  expect(readdirSync(folder)).toContain('results.sqlite.broken');
});

test('after kill -9 at any moment everything that was said to be kept is there, in order, each once', {
  timeout: 60_000,
}, async () => {
  const folder = newFolder();
  const program = new URL('./store-writer.ts', import.meta.url).pathname;
  for (let round = 1, said = 0; round <= 8; round++) {
    const writer = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    closings.push(() => writer.kill('SIGKILL'));
    const lines = createInterface(writer.stdout);
    for (let heard = 0; heard < 3 * round; heard++) said = Number((await once(lines, 'line'))[0]);
    lines.on('line', (line) => {
      said = Number(line);
    });
    writer.kill('SIGKILL');
    await once(writer, 'close');
    const store = openStore(folder);
    const { results, lastSeq } = store.take(undefined, 1_000_000);
    store.close();
    expect(lastSeq).toBeGreaterThanOrEqual(said);
    expect(results.map(({ seq }) => seq)).toEqual(results.map((_, index) => index + 1));
    expect(results.map(({ output }) => Number(output))).toEqual(results.map(({ seq }) => seq));
    expect(results).toHaveLength(lastSeq);
  }
});

test('who waits gets the next result as it comes, and nothing when the time is over or he leaves', async () => {
  const results = await openedResults(newFolder());
  const { epoch } = results;
  const staying = new AbortController().signal;
  const waiting = results.take(undefined, 10, 10_000, staying);
  results.add(resultOf('a'));
  expect((await waiting).results).toMatchObject([{ seq: 1, output: 'a' }]);
  expect(await results.take({ epoch, after: 1 }, 10, 50, staying)).toMatchObject({ results: [], lastSeq: 1 });
  const leaving = new AbortController();
  const left = results.take({ epoch, after: 1 }, 10, 3_600_000, leaving.signal);
  leaving.abort();
  expect((await left).results).toEqual([]);
});

test('what could not be written is told and written with the next, in order', async () => {
  const folder = newFolder();
  const warnings: string[] = [];
  const results = await openedResults(folder, (sentence) => warnings.push(sentence));
  const other = new DatabaseSync(join(folder, 'results.sqlite'));
  closings.push(() => other.close());
  other.exec('begin immediate');
  results.add(resultOf('a'));
  await vi.waitFor(() => expect(warnings[0]).toMatch(/locked\); 1 wait, 0 are lost/), 5_000);
  expect(results.lastSeq()).toBe(0);
  other.exec('rollback');
  results.add(resultOf('b'));
  await vi.waitFor(() => expect(results.lastSeq()).toBe(2), 5_000);
  const { results: kept } = await results.take(undefined, 10, 0, new AbortController().signal);
  expect(kept.map(({ output }) => output)).toEqual(['a', 'b']);
});

test('what was added before the close is kept', async () => {
  const folder = newFolder();
  const results = await openResults({ folder, warn: () => {} });
  for (let n = 0; n < 500; n++) results.add(resultOf(`${n}`));
  await results.close();
  expect(opened(folder).lastSeq()).toBe(500);
});
