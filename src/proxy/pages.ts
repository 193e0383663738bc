// The pages that the proxy answers with by itself: complete HTTP answers for errors, and the page of maintenance mode. They
// say what a visitor can do and nothing of what lies behind.
import { errorPage, type ProxyFile, paths } from './layout.ts';

interface Page {
  readonly reason: string;
  readonly title: string;
  readonly text: string;
  readonly headers?: readonly string[];
}

const pages: Readonly<Record<number, Page>> = {
  400: {
    reason: 'Bad Request',
    title: 'This request can’t be accepted',
    text: 'It breaks the rules of HTTP, or it is too large.',
  },
  403: { reason: 'Forbidden', title: 'Not allowed', text: 'This request is not allowed here.' },
  404: {
    reason: 'Not Found',
    title: 'There is no site here',
    text: 'No site with this name is served here. Check the address.',
  },
  405: {
    reason: 'Method Not Allowed',
    title: 'This method is not served',
    text: 'Use another method.',
    headers: ['Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
  },
  408: {
    reason: 'Request Timeout',
    title: 'The request took too long',
    text: 'It did not arrive in time. Try again.',
  },
  413: {
    reason: 'Content Too Large',
    title: 'Too large',
    text: 'The request is larger than this site accepts.',
  },
  500: { reason: 'Internal Server Error', title: 'Something went wrong', text: 'Try again later.' },
  502: {
    reason: 'Bad Gateway',
    title: 'The site gave no usable answer',
    text: 'Try again in a moment.',
  },
  503: {
    reason: 'Service Unavailable',
    title: 'This site is not available right now',
    text: 'Try again in a moment.',
    headers: ['Retry-After: 5'],
  },
  504: {
    reason: 'Gateway Timeout',
    title: 'The site took too long to answer',
    text: 'Try again in a moment.',
  },
};

export const errorStatuses: readonly number[] = Object.keys(pages).map(Number);

export function pageFiles(): ProxyFile[] {
  const errors = Object.entries(pages).map(([status, page]) => ({
    path: errorPage(Number(status)),
    content: answer(Number(status), page),
    mode: 0o644,
  }));
  const maintenance = html(
    'This site is being maintained',
    'It will be back soon. Try again in a few minutes.',
  );
  return [...errors, { path: paths.maintenancePage, content: maintenance, mode: 0o644 }];
}

function answer(status: number, page: Page): string {
  const body = html(page.title, page.text);
  return [
    `HTTP/1.1 ${status} ${page.reason}`,
    'Content-Type: text/html; charset=utf-8',
    'Cache-Control: no-store',
    ...(page.headers ?? []),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

function html(title: string, text: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title><meta name="viewport" content="width=device-width"><style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}</style></head><body><h1>${title}</h1><p>${text}</p></body></html>\n`;
}
