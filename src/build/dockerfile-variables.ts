// The variables that may stand in a FROM line: the ARGs before the first FROM, and the few the builder sets by itself.
// Expanded by the builder's own rules, as far as those rules reach there.

/** What the builder knows without an ARG; the platform is the engine's own, since nothing is built for another. */
export function platformVariables(): Map<string, string> {
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch;
  const variables = new Map<string, string>();
  for (const side of ['BUILD', 'TARGET']) {
    variables.set(`${side}PLATFORM`, `linux/${architecture}`);
    variables.set(`${side}OS`, 'linux');
    variables.set(`${side}ARCH`, architecture);
    variables.set(`${side}VARIANT`, '');
  }
  return variables;
}

/** `$NAME`, `${NAME}`, `${NAME:-other}`, `${NAME:+other}`, nested ones included; undefined when it can't be read. */
export function expand(
  text: string,
  variables: ReadonlyMap<string, string>,
  escapeCharacter: string,
): string | undefined {
  let result = '';
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === escapeCharacter && at + 1 < text.length) {
      result += text.charAt(at + 1);
      at += 2;
    } else if (char !== '$') {
      result += char;
      at += 1;
    } else {
      const variable = readVariable(text, at);
      if (variable === undefined) return undefined;
      const value = expandUse(variable, variables, escapeCharacter);
      if (value === undefined) return undefined;
      result += value;
      at = variable.end;
    }
  }
  return result;
}

interface VariableUse {
  readonly name: string;
  readonly modifier: '-' | '+' | undefined;
  readonly other: string;
  readonly end: number;
}

/** The use that begins at the dollar sign at `start`. */
function readVariable(text: string, start: number): VariableUse | undefined {
  const bare = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(text.slice(start));
  if (bare?.[1] !== undefined)
    return { name: bare[1], modifier: undefined, other: '', end: start + bare[0].length };
  const braced = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])|(?=\}))/.exec(text.slice(start));
  if (braced?.[1] === undefined) return undefined;
  const from = start + braced[0].length;
  const close = closingBrace(text, from);
  if (close === undefined) return undefined;
  const modifier = braced[2] === '-' || braced[2] === '+' ? braced[2] : undefined;
  return { name: braced[1], modifier, other: text.slice(from, close), end: close + 1 };
}

function closingBrace(text: string, from: number): number | undefined {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text.startsWith('${', at)) depth += 1;
    if (text.charAt(at) === '}') depth -= 1;
    if (depth === 0) return at;
  }
  return undefined;
}

function expandUse(
  use: VariableUse,
  variables: ReadonlyMap<string, string>,
  escapeCharacter: string,
): string | undefined {
  const value = variables.get(use.name) ?? '';
  if (use.modifier === '-' && value === '') return expand(use.other, variables, escapeCharacter);
  if (use.modifier === '+') return value === '' ? '' : expand(use.other, variables, escapeCharacter);
  return value;
}
