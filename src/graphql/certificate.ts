// Certificates: the type, its list on an environment, and the mutations. Keys go in and never come out.
import * as control from '../control/certificates.ts';
import { certificatesPage } from '../control/loading.ts';
import { isId } from '../ids.ts';
import {
  certificateSources,
  certificateStates,
  expiresSoon,
  expiresSoonDays,
} from '../model/certificates.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest } from './connections.ts';
import { described } from './described.ts';
import { sized } from './environment.ts';
import { loadEach, loaded, localId } from './ids.ts';
import { mutation, type Payload } from './mutation.ts';
import { CertificateRef, EnvironmentRef } from './refs.ts';

const SourceEnum = builder.enumType('CertificateSource', {
  description: 'Where a certificate comes from.',
  values: described(certificateSources, {
    UPLOADED: 'Somebody brought it; renewing it is theirs.',
    ACME: 'Obtained of a certificate authority by HTTP-01 through the service proxy, and renewed by itself.',
    SELF_SIGNED: 'Signed by itself, for sandboxes; browsers warn. Renewed by itself.',
  }),
});

const StateEnum = builder.enumType('CertificateState', {
  description: 'Whether there is something to serve.',
  values: described(certificateStates, {
    PENDING: 'It is being obtained.',
    READY: 'It can be served. A failed renewal leaves it so; see failure.',
    FAILED: 'Obtaining it was given up; see failure.',
  }),
});

builder.node(CertificateRef, {
  description:
    'What sites are served with over HTTPS. A new one takes effect with the redeploy of the service proxy, a renewed one at once.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  // One that was removed is found by nobody.
  loadManyWithoutCache: async (ids, { loaders }) =>
    (await loadEach(loaders.certificate, ids)).map((row) => (row?.deletedAt === null ? row : undefined)),
  fields: (t) => ({
    environment: t.field({
      type: EnvironmentRef,
      description: 'Where it belongs.',
      resolve: (row, _args, { loaders }) => loaded(loaders.environment.load(row.environmentId)),
    }),
    name: t.exposeString('name', { description: 'Name for people.' }),
    source: t.expose('source', { type: SourceEnum, description: 'Where it comes from.' }),
    state: t.expose('state', { type: StateEnum, description: 'Whether there is something to serve.' }),
    hosts: t.stringList({
      description: 'Names it covers, or is to cover while it is pending.',
      resolve: (row) => row.hosts,
    }),
    fingerprint: t.exposeString('fingerprint', {
      nullable: true,
      description: 'SHA-256 of the leaf, hexadecimal; null while there is none.',
    }),
    issuer: t.exposeString('issuer', { nullable: true, description: 'Who signed it.' }),
    notBefore: t.expose('notBefore', {
      type: 'DateTime',
      nullable: true,
      description: 'From when it is valid.',
    }),
    notAfter: t.expose('notAfter', { type: 'DateTime', nullable: true, description: 'When it expires.' }),
    expiresSoon: t.boolean({
      description: `Whether it expires within ${expiresSoonDays} days.`,
      resolve: ({ notAfter }) => notAfter !== null && expiresSoon({ notAfter }, new Date()),
    }),
    failure: t.exposeString('failure', {
      nullable: true,
      description: 'Why the last try to obtain or renew it failed; null when it did not.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was added.' }),
  }),
});

builder.objectField(EnvironmentRef, 'certificates', (t) =>
  t.connection(
    {
      type: CertificateRef,
      description: 'Its certificates, oldest first.',
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          return {
            request,
            load: (ids) => certificatesPage(context.control, ids, request),
            keyOf: ({ id }) => id,
          };
        }),
    },
    { name: 'CertificateConnection', description: 'A page of certificates.' },
    { name: 'CertificateEdge', description: 'One certificate in its list.' },
  ),
);

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      certificate: t.field({
        type: CertificateRef,
        nullable: true,
        description: 'The certificate as it is now; null once it is removed.',
        resolve: async ({ ids }, _args, { loaders }) => {
          const row = await loaders.certificate.load(ids.certificateId ?? '');
          return row === undefined || row.deletedAt !== null ? null : row;
        },
      }),
      environment: t.field({
        type: EnvironmentRef,
        description: 'The environment it belongs to.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.environment.load(ids.environmentId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'uploadCertificate',
  description:
    'Adds a certificate that somebody brings. It takes effect with the redeploy of the service proxy, and one that is to follow it is another one. INVALID when the key does not fit, the chain is incomplete or out of order, it has expired or is too weak. LIMIT past 200. Needs the scope `deploy`.',
  input: builder.inputType('UploadCertificateInput', {
    description: 'A certificate with its key.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Where it is added.' }),
      name: t.string({ description: 'Name for people, 1 to 80 characters.' }),
      chain: t.string({
        description: 'Certificates in PEM, the leaf first, each signed by the next; at most 64 KiB.',
      }),
      privateKey: t.string({ description: "The leaf's key in PEM, without a password." }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: payload('UploadCertificatePayload', 'The new certificate.'),
  run: (room, caller, input) =>
    control.uploadCertificate(room, caller, {
      ...input,
      environmentId: environmentIdOf(input.environmentId),
    }),
});

mutation({
  name: 'requestCertificate',
  description:
    'Adds a certificate that the platform makes or obtains: SELF_SIGNED at once, for sandboxes; ACME afterwards, seen by events. With its chain and key one has at most 15 KiB, which is what a service proxy takes over while it runs; a longer one from the authority is a failure. CONFLICT when the installation has no authority, or another environment has a site of one of the hosts or of a domain that covers it; INVALID for hosts below the domain of the platform that belong to another environment. Needs the scope `deploy`.',
  input: builder.inputType('RequestCertificateInput', {
    description: 'A certificate to make or obtain.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Where it is added.' }),
      name: t.string({ description: 'Name for people, 1 to 80 characters.' }),
      source: t.field({ type: SourceEnum, description: 'ACME or SELF_SIGNED.' }),
      hosts: t.stringList({
        description:
          'Host names to cover, 1 to 100 and at most 5,000 characters together, without wildcards. For ACME each must lead to this environment.',
      }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: payload('RequestCertificatePayload', 'The new certificate.'),
  run: (room, caller, input) =>
    control.requestCertificate(room, caller, {
      ...input,
      source: control.checkSource(input.source),
      environmentId: environmentIdOf(input.environmentId),
    }),
});

mutation({
  name: 'deleteCertificate',
  description: 'Removes a certificate. CONFLICT while sites are served with it. Needs the scope `deploy`.',
  input: builder.inputType('DeleteCertificateInput', {
    description: 'A certificate to remove.',
    fields: (t) => ({ certificateId: t.id({ description: 'Which certificate.' }) }),
  }),
  payload: payload('DeleteCertificatePayload', 'The certificate is removed.'),
  run: (room, caller, input) =>
    control.deleteCertificate(room, caller, {
      certificateId: localId('Certificate', input.certificateId, ['input', 'certificateId']),
    }),
});

function environmentIdOf(globalId: string): string {
  return localId('Environment', globalId, ['input', 'environmentId']);
}
