// One attempt as an e-mail against a real SMTP server: what it is handed, what a refusal and silence come to.
import { type AddressInfo, createServer, type Server } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterEach, expect, test } from 'vitest';
import { sendMail } from '../../src/webhooks/mail.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

async function mailServer(refusal?: Error & { responseCode?: number }) {
  const got: Mail[] = [];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password }, _session, done) =>
      username === 'berth' && password === 'secret' ? done(null, { user: 'berth' }) : done(new Error('no')),
    onData: async (stream, session, done) => {
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part as Buffer);
      const { mailFrom, rcptTo } = session.envelope;
      const from = mailFrom === false ? '' : mailFrom.address;
      got.push({ from, to: rcptTo.map(({ address }) => address), text: Buffer.concat(parts).toString() });
      done(refusal);
    },
  });
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return { got, url: `smtp://berth:secret@127.0.0.1:${port}`, wrong: `smtp://berth:other@127.0.0.1:${port}` };
}

const message = {
  id: 'msg_7',
  at: new Date('2026-01-02T03:04:05Z'),
  body: JSON.stringify({
    type: 'INCIDENT_OPENED',
    timestamp: '2026-01-02T03:04:05.000Z',
    data: {
      cursor: 'abc',
      message: 'port is CRITICAL:\r\nBcc: all@example.org',
      details: { state: 'CRITICAL' },
    },
  }),
};
const from = 'berth@example.org';
const never = new AbortController().signal;

test('it is handed over with subject, text and an id that stays the same', async () => {
  const { got, url } = await mailServer();
  const made = await sendMail('alarms@example.org', message, { url, from }, 5_000, never);
  expect(made).toMatchObject({ status: 250, error: null });
  const [mail] = got;
  expect(mail).toMatchObject({ from, to: ['alarms@example.org'] });
  expect(mail?.text).toMatch(/^Subject: \[Berth\] port is CRITICAL: Bcc: all@example\.org\r$/m);
  expect(mail?.text).toMatch(/^Message-ID: <msg_7@berth>\r$/m);
  expect(mail?.text).toMatch(/^type: INCIDENT_OPENED\r$/m);
  const [head = ''] = mail?.text.split('\r\n\r\n') ?? [];
  expect(head).not.toMatch(/^Bcc:/m);
});

test('a refusal, a wrong password and silence are told', async () => {
  const refusal = Object.assign(new Error('mailbox is full'), { responseCode: 552 });
  const { url, wrong } = await mailServer(refusal);
  expect(await sendMail('a@example.org', message, { url, from }, 5_000, never)).toMatchObject({
    status: 552,
    error: expect.stringMatching(/mailbox is full/),
  });
  expect(await sendMail('a@example.org', message, { url: wrong, from }, 5_000, never)).toMatchObject({
    status: 535,
  });
  const silent = await silentServer();
  expect(await sendMail('a@example.org', message, { url: silent, from }, 300, never)).toMatchObject({
    status: null,
    error: expect.stringMatching(/\S/),
  });
  expect(
    await sendMail('a@example.org', message, { url: 'smtp://127.0.0.1:1', from }, 2_000, never),
  ).toMatchObject({
    status: null,
    error: expect.stringMatching(/ECONNREFUSED/),
  });
});

async function silentServer(): Promise<string> {
  const server: Server = createServer(() => {});
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
