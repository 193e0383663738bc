// Text from outside (a commit's subject, a job's last lines, cut to a length) as Postgres can keep it in jsonb: without NUL
// and without half a surrogate pair, which would make the whole write fail, now and at every try again.

export function storableText(text: string): string {
  return text.replaceAll('\0', '\u2400').toWellFormed();
}

/** The same value with all its text so. */
export function storable<T>(value: T): T {
  return JSON.parse(storableJson(value)) as T;
}

export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'string' ? storableText(each) : each,
  );
}
