// Taking secret values out of text. Every value of eight characters or more counts as secret, but for the platform's own
// names and a few words that settings customarily have, which would make every other line unreadable.

const mark = '[redacted]';

const ordinary = new Set([
  'production',
  'development',
  'staging',
  'localhost',
  'disabled',
  'postgres',
  'postgresql',
]);

export function redactor(
  variables: readonly (readonly [name: string, value: string])[],
): (text: string) => string {
  const secrets = variables
    .filter(([name, value]) => looksSecret(name, value))
    .flatMap(([, value]) => [value, ...value.split('\n').filter((line) => line.length >= 12)])
    .concat(variables.flatMap(([, value]) => passwordOf(value)));
  const longestFirst = [...new Set(secrets)].sort((a, b) => b.length - a.length);
  return (text) => {
    let shown = text.replaceAll('\0', '\u2400');
    for (const secret of longestFirst) if (shown.includes(secret)) shown = shown.replaceAll(secret, mark);
    return shown;
  };
}

function looksSecret(name: string, value: string): boolean {
  return value.length >= 8 && !name.startsWith('BERTH_') && !ordinary.has(value.toLowerCase());
}

/** The password within an address like postgresql://user:password@host. */
function passwordOf(value: string): string[] {
  const found = /^[a-z+]+:\/\/[^:@/]*:([^@/]{8,})@/.exec(value);
  return found?.[1] === undefined ? [] : [found[1]];
}
