// The output of a command by the convention of Nagios and its plugins: the exit code is the state; text up to `|`, then
// performance data; below the first line more text, up to the next `|`, and from there on performance data only. What is no
// performance data by the guidelines is left out. Units become those of Metric: times in ms, sizes in B, K being 1,024 as
// the customary plugins mean it.
import { cut, type Metric, type Observation, observedStates } from '../model/monitoring/observations.ts';

export interface CommandOutput {
  /** null: it was ended by a signal. */
  readonly exitCode: number | null;
  readonly text: string;
}

const mostMetrics = 100;
const longestLabel = 200;

export function readPluginOutput({ exitCode, text }: CommandOutput): Observation {
  const { said, data } = parts(text);
  const state = exitCode === null ? undefined : observedStates[exitCode];
  const ended = exitCode === null ? 'was ended by a signal' : `ended with the code ${exitCode}`;
  const remark = state === undefined ? `The command ${ended}, which is no state.` : '';
  const output = [remark, said || 'The command printed nothing.'].filter((line) => line !== '').join('\n');
  return { state: state ?? 'UNKNOWN', output: cut(output), metrics: readPerformanceData(data) };
}

function parts(text: string): { said: string; data: string } {
  const [first = '', ...more] = text.trim().split(/\r?\n/);
  const { before, after } = splitAtBar(first);
  const rest = splitAtBar(more.join('\n'));
  return { said: [before, rest.before].join('\n').trim(), data: `${after} ${rest.after}` };
}

function splitAtBar(text: string): { before: string; after: string } {
  const at = text.indexOf('|');
  if (at < 0) return { before: text.trimEnd(), after: '' };
  return { before: text.slice(0, at).trimEnd(), after: text.slice(at + 1) };
}

const number = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`;
const entry = new RegExp(
  String.raw`(?:'(?<quoted>(?:[^']|'')+)'|(?<plain>[^\s='][^\s=]*))=(?<value>${number})(?<unit>[A-Za-zµ%]{0,10})(?<limits>(?:;[^\s;]*){0,4});?(?=\s|$)`,
  'y',
);

/** Entries separated by white space; one that can't be read is passed over up to the next white space. */
export function readPerformanceData(data: string): Metric[] {
  const metrics: Metric[] = [];
  for (let at = 0; at < data.length && metrics.length < mostMetrics; ) {
    entry.lastIndex = at;
    const found = entry.exec(data);
    const metric = found?.groups && metricOf(found.groups);
    if (metric !== undefined) metrics.push(metric);
    at = found === null ? nextWord(data, at) : entry.lastIndex;
    while (at < data.length && /\s/.test(data.charAt(at))) at += 1;
  }
  return metrics;
}

function nextWord(data: string, from: number): number {
  const space = data.slice(from).search(/\s/);
  return space < 0 ? data.length : from + space;
}

function metricOf(groups: Readonly<Record<string, string | undefined>>): Metric | undefined {
  const { quoted, plain = '', value = '', unit: given = '', limits = '' } = groups;
  const name = (quoted?.replaceAll("''", "'") ?? plain).slice(0, longestLabel);
  const { unit, factor } = units[given] ?? { unit: given, factor: 1 };
  const [, warning, critical, minimum, maximum] = limits.split(';');
  const scaled = (text: string | undefined) => {
    const read = text !== undefined && exactNumber.test(text) ? Number(text) * factor : Number.NaN;
    return Number.isFinite(read) ? read : undefined;
  };
  const own = scaled(value);
  if (own === undefined) return undefined;
  return {
    name,
    value: own,
    unit,
    ...defined('warning', scaled(limitOf(warning))),
    ...defined('critical', scaled(limitOf(critical))),
    ...defined('minimum', scaled(minimum)),
    ...defined('maximum', scaled(maximum)),
  };
}

const exactNumber = new RegExp(`^${number}$`);
const range = new RegExp(`^(?:(?<from>${number}|~):)?(?<to>${number})?$`);

/** Of a range the one number at which it begins to be bad; undefined for those with two and for what lies within. */
function limitOf(text: string | undefined): string | undefined {
  const groups = range.exec(text ?? '')?.groups;
  if (groups === undefined) return undefined;
  const { from, to } = groups;
  if (to === undefined) return from === '~' ? undefined : from;
  return from === undefined || from === '~' || Number(from) === 0 ? to : undefined;
}

function defined<Name extends string>(name: Name, value: number | undefined): { [K in Name]?: number } {
  return (value === undefined ? {} : { [name]: value }) as { [K in Name]?: number };
}

const kibi = 1024;
const units: Readonly<Record<string, { readonly unit: string; readonly factor: number }>> = {
  s: { unit: 'ms', factor: 1000 },
  us: { unit: 'ms', factor: 1e-3 },
  µs: { unit: 'ms', factor: 1e-3 },
  ns: { unit: 'ms', factor: 1e-6 },
  ...Object.fromEntries(
    ['K', 'M', 'G', 'T', 'P'].flatMap((letter, power) =>
      [`${letter}B`, `${letter}iB`, `${letter.toLowerCase()}B`].map((unit) => [
        unit,
        { unit: 'B', factor: kibi ** (power + 1) },
      ]),
    ),
  ),
};
