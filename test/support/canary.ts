// A secret value that is awkward to write down, and the look for it in a text, in every form in which it could give itself
// away.

export const canary = 'cAn4ry/+"\\ 🐤 of the mine';

const forms = [
  canary,
  JSON.stringify(canary).slice(1, -1),
  ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(canary).toString(form)),
];

/** What of the text gives the canary away, whole or its telling beginning. */
export function sightings(text: string): string[] {
  return [...forms, 'cAn4ry'].filter((form) => text.includes(form));
}
