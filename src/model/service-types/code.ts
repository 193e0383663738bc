// Code services: what every job of one is given. Their images come from pushes.

/** Where a web job must listen; its PORT variable says so too. */
export const webPort = 8080;
export const stopGraceSeconds = 30;
export const processLimit = 512;

/** What images customarily need to go from root to a user of their own; everything else is dropped. */
export const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'SETGID',
  'SETUID',
  'NET_BIND_SERVICE',
] as const;
