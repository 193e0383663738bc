// Certificates of sites: where they come from, how far they are, and when they are renewed.

export const certificateSources = ['UPLOADED', 'ACME', 'SELF_SIGNED'] as const;
export type CertificateSource = (typeof certificateSources)[number];

/** PENDING until there is one to serve; FAILED when obtaining it was given up. A failed renewal leaves it READY. */
export const certificateStates = ['PENDING', 'READY', 'FAILED'] as const;
export type CertificateState = (typeof certificateStates)[number];

/** Within so many days its expiry is a critical check result. */
export const expiresSoonDays = 14;

/** Renewed when less than a third of its lifetime is left, as authorities recommend. */
export function renewAt(notBefore: Date, notAfter: Date): Date {
  return new Date(notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 3);
}
