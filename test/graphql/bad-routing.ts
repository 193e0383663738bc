// What the mutations of sites and certificates must refuse.
import { day, make } from '../certificates/make.ts';
import { bringCertificate } from '../support/certificate.ts';
import { type BadInput, badKeys, badNames, long } from './bad-input.ts';

const v = 'ValidationError';
const conflict = 'ConflictError';
const notFound = 'NotFoundError';

const hosts: readonly string[] = [
  ...['', '.', 'localhost', 'shop', '10.0.0.1', 'shop..example.org', 'shop.example.org.', '-a.example.org'],
  ...['a_b.example.org', '*.example.org', 'https://a.example.org', 'a.example.org:80', 'a.example.org/b'],
  ...['ä.example.org', 'a b.example.org', 'a.example.org\n', 'a\0.example.org', '..example.org'],
  ...[`${long(64)}.example.org`, `${`${long(60)}.`.repeat(5)}org`],
  // Of other environments, though nobody may have them yet.
  ...['berth.test', 'a.berth.test', '.berth.test', '.a.berth.test', 'x.elsewhere.berth.test'],
];

const limits: readonly (readonly [field: string, value: number])[] = [
  ...[0, 1_023, 1.5, 10 * 2 ** 30 + 1, -1].map((value) => ['bodyBytes', value] as const),
  ...[0, 61].map((value) => ['connectSeconds', value] as const),
  ...[0, 3_601].map((value) => ['sendSeconds', value] as const),
  ...[0, 3_601].map((value) => ['readSeconds', value] as const),
];

const origins: readonly string[] = [
  ...['', '*', 'null', 'app.example.org', 'ftp://app.example.org', 'https://app.example.org/'],
  ...['https://App.example.org', 'https://a:b@app.example.org', 'https://app.example.org\n', 'a\0'],
  `https://${'a.'.repeat(130)}test`,
];

/** Fields that a new site and a changed one have in common. */
function fieldCases(input: (more: object) => BadInput[2]): BadInput[] {
  const good = 'https://app.example.org';
  return [
    ...limits.map(
      ([field, value]): BadInput => [v, `limits.${field}`, input({ limits: { [field]: value } })],
    ),
    ...origins.map((origin): BadInput => [v, 'corsOrigins.0', input({ corsOrigins: [origin] })]),
    [v, 'corsOrigins.2', input({ corsOrigins: [good, good, 'nothing'] })],
    [
      'LimitError',
      'corsOrigins',
      input({ corsOrigins: Array.from({ length: 51 }, (_, n) => `${good}:${n}`) }),
    ],
    [notFound, 'serviceId', (o) => ({ ...input({})(o), serviceId: o.elsewhere.Service })],
    [v, 'serviceId', (o) => ({ ...input({})(o), serviceId: o.cache })],
    [notFound, 'certificateId', (o) => ({ ...input({})(o), certificateId: o.elsewhere.Certificate })],
  ];
}

const site = (host: string, more: object = {}): BadInput[2] => {
  return (o) => ({ environmentId: o.Environment, host, serviceId: o.Service, ...more });
};

const expired = await make({ name: 'Old', hosts: ['a.example.org'], from: day(-3650), to: day(-3000) });
const weak = await make({ name: 'Weak', kind: 'RSA-1024', hosts: ['a.example.org'], from: new Date(0) });
const nameless = await make({ name: 'a.example.org', from: new Date(0) });
const good = await bringCertificate(['a.example.org']);
const other = await bringCertificate(['a.example.org']);
const [leaf = '', root = ''] = good.chain.split(/(?<=-----END CERTIFICATE-----\n)/);

/** The field and what of an upload is wrong. */
const uploads: readonly (readonly [field: string, wrong: object])[] = [
  ['chain', { chain: '' }],
  ['chain', { chain: 'no certificate' }],
  ['chain', { chain: good.privateKey }],
  ['chain', { chain: leaf }],
  // Out of order: the key is not that of the first one.
  ['privateKey', { chain: root + leaf }],
  ['chain', { chain: leaf + other.chain }],
  ['chain', { chain: `${good.chain}${' '.repeat(65 * 1024)}` }],
  ['chain', { chain: root.repeat(11) }],
  ['chain', { chain: expired.pem, privateKey: expired.keyPem }],
  ['chain', { chain: nameless.pem, privateKey: nameless.keyPem }],
  ['privateKey', { chain: weak.pem, privateKey: weak.keyPem }],
  ['privateKey', { privateKey: '' }],
  ['privateKey', { privateKey: 'no key' }],
  ['privateKey', { privateKey: other.privateKey }],
  ['privateKey', { privateKey: good.chain }],
  ['privateKey', { privateKey: good.privateKey + other.privateKey }],
];

export const badRouting: Readonly<Record<string, readonly BadInput[]>> = {
  createSite: [
    ...hosts.map((host): BadInput => [v, 'host', site(host)]),
    ...fieldCases((more) => site('new.example.org', more)),
    [v, 'certificateId', (o) => ({ ...site('new.example.org')(o), certificateId: o.Certificate })],
    [v, 'certificateId', (o) => ({ ...site('.shop.own.example')(o), certificateId: o.Certificate })],
    // Taken: in this environment, in another, and whatever the case.
    ...['shop.own.example', 'shop.elsewhere.example', 'SHOP.own.Example', 'own.berth.test'].map(
      (host): BadInput => [conflict, 'host', site(host)],
    ),
    [
      conflict,
      'serviceId',
      (o) => ({
        environmentId: o.elsewhere.Environment,
        host: 'new.example.org',
        serviceId: o.doomedService,
      }),
    ],
    [
      conflict,
      'environmentId',
      (o) => ({ ...site('new.example.org')(o), environmentId: o.doomed.Environment }),
    ],
    ...badKeys((o, idempotencyKey) => ({ ...site('new.example.org')(o), idempotencyKey })),
  ],
  updateSite: [
    ...fieldCases((more) => (o) => ({ siteId: o.Site, ...more })),
    [v, '', (o) => ({ siteId: o.Site })],
    [v, '', (o) => ({ siteId: o.Site, limits: null, corsOrigins: null, serviceId: null })],
    [v, 'certificateId', (o) => ({ siteId: o.ownSite, certificateId: o.Certificate })],
    ['StalePlanError', 'expectedRevision', (o) => ({ siteId: o.Site, corsOrigins: [], expectedRevision: 0 })],
    // It went with its environment.
    [conflict, 'siteId', (o) => ({ siteId: o.doomed.Site, corsOrigins: [] })],
  ],
  deleteSite: [
    [conflict, 'siteId', (o) => ({ siteId: o.ownSite })],
    [conflict, 'siteId', (o) => ({ siteId: o.doomed.Site })],
  ],
  uploadCertificate: [
    ...badNames((o, name) => ({ environmentId: o.Environment, name, ...good })),
    ...uploads.map(
      ([field, wrong]): BadInput => [
        v,
        field,
        (o) => ({ environmentId: o.Environment, name: 'New', ...good, ...wrong }),
      ],
    ),
    [conflict, 'environmentId', (o) => ({ environmentId: o.doomed.Environment, name: 'New', ...good })],
    ...badKeys((o, idempotencyKey) => ({
      ...{ environmentId: o.Environment, name: 'New', ...good, idempotencyKey },
    })),
  ],
  requestCertificate: [
    ...badNames((o, name) => ({ ...requested(o.Environment), name })),
    [v, 'source', (o) => ({ ...requested(o.Environment), source: 'UPLOADED' })],
    [conflict, 'source', (o) => ({ ...requested(o.Environment), source: 'ACME' })],
    [v, 'hosts', (o) => ({ ...requested(o.Environment), hosts: [] })],
    [
      v,
      'hosts',
      (o) => ({
        ...requested(o.Environment),
        hosts: Array.from({ length: 101 }, (_, n) => `a${n}.example.org`),
      }),
    ],
    ...['', 'localhost', '*.example.org', '.example.org', '10.0.0.1', 'a\0.example.org'].map(
      (host): BadInput => [
        v,
        'hosts.2',
        (o) => ({ ...requested(o.Environment), hosts: ['a.example.org', 'a.example.org', host] }),
      ],
    ),
    [conflict, 'environmentId', (o) => requested(o.doomed.Environment)],
    ...badKeys((o, idempotencyKey) => ({ ...requested(o.Environment), idempotencyKey })),
  ],
  deleteCertificate: [
    [conflict, 'certificateId', (o) => ({ certificateId: o.Certificate })],
    [conflict, 'certificateId', (o) => ({ certificateId: o.doomed.Certificate })],
  ],
};

function requested(environmentId: string) {
  return { environmentId, name: 'New', source: 'SELF_SIGNED', hosts: ['a.example.org'] };
}
