// The requests of acme-client, confined. Left alone it has no deadline, sleeps as long as a Retry-After says, repeats what
// was aborted, loses the reason of a broken connection and turns problem documents into bare sentences; and its one axios
// instance is shared by all. So each run hangs a sender of its own on that instance, for the requests made within the run
// only, and takes it off again.
import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent } from 'node:https';
import { getCACertificates } from 'node:tls';
import { axios } from 'acme-client';
import { AcmeFailed, failureOfAnswer, problemType } from './acme-failure.ts';

export interface RequestRules {
  /** Roots for the directory's TLS beside those that Node trusts, as PEM. */
  readonly trust?: string | undefined;
  readonly requestSeconds: number;
  readonly signal: AbortSignal;
}

const largestAnswerBytes = 1024 * 1024;

const runs = new AsyncLocalStorage<symbol>();

/** Answers as `work` does; what fails on the way to the authority is thrown as AcmeFailed, an abort as its reason. */
export async function withinRules<T>(rules: RequestRules, work: () => Promise<T>): Promise<T> {
  const run = Symbol('run');
  const agent = new Agent({
    keepAlive: true,
    ...(rules.trust === undefined ? {} : { ca: [...getCACertificates('default'), rules.trust] }),
  });
  // A fresh instance has none of acme-client's interceptors, which are what sleeps, repeats and loses.
  const plain = axios.create({ httpsAgent: agent, maxRedirects: 0, maxContentLength: largestAnswerBytes });
  const { request } = axios.interceptors;
  const confinement = request.use((config) => {
    if (runs.getStore() !== run) return config;
    const { url, method, headers } = config;
    // An error of ours carries no `config`, by which acme-client's own interceptor knows to let it pass.
    const adapter: typeof config.adapter = async ({ data }) => {
      insistOnTls(url);
      const signal = AbortSignal.any([rules.signal, AbortSignal.timeout(rules.requestSeconds * 1000)]);
      const answer = await plain
        .request({ url, method, headers, data, signal, validateStatus: null } as typeof config)
        .catch((fault: unknown) => {
          throw withoutRequest(fault, rules);
        });
      if (isUsable(answer.status, answer.data)) return answer;
      throw failureOfAnswer(answer.status, answer.data, answer.headers['retry-after'], new Date());
    };
    return Object.assign(config, { adapter });
  });
  try {
    return await runs.run(run, work);
  } finally {
    request.eject(confinement);
    agent.destroy();
  }
}

function insistOnTls(url: string | undefined): void {
  if (url === undefined || !URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new AcmeFailed('BROKEN', 'The authority named an address that is not https.');
  }
}

/** A used-up nonce is acme-client's to answer, by the fresh one that comes with the refusal. */
function isUsable(status: number, body: unknown): boolean {
  return (status >= 200 && status < 300) || (status === 400 && problemType(body) === 'badNonce');
}

/** axios' errors carry the whole request; only a code and the library's sentence are kept. */
function withoutRequest(fault: unknown, rules: RequestRules): unknown {
  if (rules.signal.aborted) return rules.signal.reason;
  if (!(fault instanceof Error)) return fault;
  if (fault.name === 'CanceledError') {
    return new AcmeFailed(
      'UNREACHABLE',
      `The authority did not answer within ${rules.requestSeconds} seconds.`,
    );
  }
  const code = 'code' in fault && fault.code !== undefined ? ` (${String(fault.code)})` : '';
  return new AcmeFailed('UNREACHABLE', `The authority can't be reached: ${fault.message}${code}.`);
}
