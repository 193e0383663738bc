// GraphiQL in a real browser: whole without any other server, and with the token from its headers editor both queries and
// subscriptions work. Needs Chromium; without one only the page itself is looked at.
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBrowser } from '../support/browser.ts';
import { codeOf, type Edge, type GraphqlAnswer, openEdge, recording, serveWorld } from './edge.ts';
import { globalId, watchEvents } from './watching.ts';

const executablePath = await findBrowser();
const html = { accept: 'text/html' };

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge({ development: true });
});
afterAll(() => edge?.close());

test('it is served to browsers in development, names no other server, and is not there otherwise', async () => {
  const response = await fetch(`${edge.server.url}/graphql`, { headers: html });
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(response.headers.get('content-security-policy')).toContain("connect-src 'self'");
  expect(await response.text()).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/);
  const server = await serveWorld(edge, edge.repositories, { logger: recording() });
  try {
    const production = await fetch(`${server.url}/graphql`, { headers: html });
    expect(production.status).toBe(406);
    expect(codeOf((await production.json()) as GraphqlAnswer)).toBe('BAD_REQUEST');
  } finally {
    await server.close();
  }
});

describe.runIf(executablePath !== undefined)('in a browser', () => {
  const quiet = ['background-networking', 'component-update', 'sync'].map((each) => `--disable-${each}`);
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet];
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? '', headless: true, args });
    page = await browser.newPage();
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(`${edge.server.url}/graphql`);
    await page.waitForSelector('.graphiql-execute-button');
  }, 60_000);
  afterAll(() => browser?.close());

  async function write(place: string, text: string): Promise<void> {
    await page.locator(`${place} .monaco-editor:visible`).first().click();
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.keyboard.insertText(text);
  }
  const shown = async () => (await page.locator('.graphiql-response').textContent()) ?? '';

  /** The editors take over what is typed after a while; until then the operation before it would run again. */
  async function runUntil(fits: RegExp): Promise<void> {
    const result = async () => {
      const before = await shown();
      if (!fits.test(before)) await page.keyboard.press('Control+Enter');
      return before;
    };
    await expect.poll(result, { interval: 1_000, timeout: 20_000 }).toMatch(fits);
  }

  test('a query and a subscription run with the token of the headers editor', async () => {
    const environmentId = await edge.addEnvironment('Seen in the browser');
    await write('.graphiql-editor-tool', JSON.stringify({ Authorization: `Bearer ${edge.token.secret}` }));
    await write('.graphiql-query-editor', '{ environments(first: 20) { nodes { name } } }');
    await runUntil(/Seen.in.the.browser/);
    const id = globalId('Environment', environmentId);
    const watch = watchEvents
      .replace('($environmentId: ID!, $after: Cursor)', '')
      .replace('environmentId: $environmentId, after: $after', `environmentId: "${id}"`);
    await write('.graphiql-query-editor', watch.replaceAll(/\s+/g, ' '));
    await runUntil(/CaughtUp/);
    await edge.addEvents(environmentId, 1);
    await expect.poll(shown, { timeout: 10_000 }).toMatch(/event.0/);
  }, 60_000);

  test('nothing was asked of another server, and the page complained of nothing', () => {
    const foreign = asked.filter((url) => !url.replace(/^blob:/, '').startsWith(edge.server.url));
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
