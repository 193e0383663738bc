// Global ids: a type's name and an id, opaque to clients. The one place that knows their form.

export function writeGlobalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString('base64url');
}

/** `id` is empty for text that is no global id. */
export function readGlobalId(text: string): { readonly typename: string; readonly id: string } {
  const [typename = '', ...rest] = Buffer.from(text, 'base64url').toString('utf8').split(':');
  return { typename, id: rest.join(':') };
}
