// What the access test must know of each root field: how to ask for it, what it is about, which scope it needs. Mutations
// are asked with an input that a rule refuses once the caller has passed, so that being let in changes nothing.
import type { Furnished } from '../support/furnish.ts';

export interface RootField {
  /** The object's kind within an environment; undefined where the field is about none. */
  readonly about?:
    | ('Environment' | 'Service' | 'Redeploy' | 'Job' | 'Token' | 'Pod')
    | ('Site' | 'Certificate' | 'SupportTicket' | 'Check' | 'Incident' | 'MaintenanceWindow')
    | ('Webhook' | 'WebhookDelivery');
  /** Besides `read`, which every field but the viewer needs. */
  readonly needs?: 'deploy' | 'admin' | 'operator';
  /** A query for something invisible answers with null instead of an error. */
  readonly nullable?: true;
  readonly document: string;
  readonly variables?: (o: Furnished) => object;
}

const tooLong = 'x'.repeat(2_000);

const mutation = (name: string) =>
  `mutation ($input: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) {
    ${name}(input: $input) { __typename ... on UserError { code message path } } }`;

function change(
  name: string,
  needs: 'deploy' | 'admin' | 'operator',
  about: RootField['about'],
  input: (o: Furnished) => object,
): [string, RootField] {
  const field = { needs, document: mutation(name), variables: (o: Furnished) => ({ input: input(o) }) };
  return [name, about === undefined ? field : { ...field, about }];
}

export const mutations: Readonly<Record<string, RootField>> = Object.fromEntries([
  change('createEnvironment', 'admin', undefined, () => ({ name: '', kind: 'SANDBOX' })),
  change('renameEnvironment', 'admin', 'Environment', (o) => ({ environmentId: o.Environment, name: '' })),
  change('deleteEnvironment', 'admin', 'Environment', (o) => ({ environmentId: o.Environment, confirm: '' })),
  change('createService', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, type: 'CODE', label: 'Not a label' },
  })),
  change('updateService', 'deploy', 'Service', (o) => ({ serviceId: o.Service })),
  change('stopService', 'deploy', 'Service', (o) => ({ serviceId: o.spare })),
  change('deleteService', 'admin', 'Service', (o) => ({ serviceId: o.Service, confirm: '' })),
  change('deployWorker', 'deploy', 'Service', (o) => ({ serviceId: o.Service, target: 'none', count: 1 })),
  change('scaleWorker', 'deploy', 'Service', (o) => ({ serviceId: o.Service, target: 'none', count: 1 })),
  change('removeWorker', 'deploy', 'Service', (o) => ({ serviceId: o.Service, target: 'none' })),
  change('setVariables', 'deploy', 'Service', (o) => ({ serviceId: o.Service, variables: [] })),
  change('unsetVariables', 'deploy', 'Service', (o) => ({ serviceId: o.Service, names: [] })),
  change('redeployService', 'deploy', 'Service', (o) => ({ serviceId: o.Service, note: tooLong })),
  change('cancelRedeploy', 'deploy', 'Redeploy', (o) => ({ redeployId: o.Redeploy })),
  change('runTask', 'deploy', 'Service', (o) => ({ serviceId: o.Service, command: [] })),
  change('stopJob', 'deploy', 'Job', (o) => ({ jobId: o.endedJob })),
  change('startJob', 'deploy', 'Job', (o) => ({ jobId: o.Job })),
  change('createSite', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, host: 'new.example.org', serviceId: o.Service },
    limits: { bodyBytes: 0 },
  })),
  change('updateSite', 'deploy', 'Site', (o) => ({ siteId: o.Site })),
  change('deleteSite', 'deploy', 'Site', (o) => ({ siteId: o.ownSite })),
  change('uploadCertificate', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, name: 'New', chain: '', privateKey: '' },
  })),
  change('requestCertificate', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, name: 'New', source: 'SELF_SIGNED', hosts: [] },
  })),
  change('deleteCertificate', 'deploy', 'Certificate', (o) => ({ certificateId: o.Certificate })),
  change('enableMaintenance', 'deploy', 'Service', (o) => ({ serviceId: o.cache })),
  change('disableMaintenance', 'deploy', 'Service', (o) => ({ serviceId: o.cache })),
  change('openSupportTicket', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, kind: 'REDEPLOY', text: 'Please' },
  })),
  change('resolveSupportTicket', 'operator', 'SupportTicket', (o) => ({
    ...{ ticketId: o.SupportTicket, accept: false, answer: '' },
  })),
  change('withdrawSupportTicket', 'deploy', 'SupportTicket', (o) => ({ ticketId: o.endedTicket })),
  change('createCheck', 'deploy', 'Service', (o) => ({ serviceId: o.Service, name: '', http: {} })),
  change('updateCheck', 'deploy', 'Check', (o) => ({ checkId: o.Check })),
  change('deleteCheck', 'deploy', 'Check', (o) => ({ checkId: o.builtInCheck })),
  change('runCheck', 'deploy', 'Check', (o) => ({ checkId: o.Check })),
  change('acknowledgeIncident', 'deploy', 'Incident', (o) => ({ incidentId: o.endedIncident })),
  change('planMaintenance', 'deploy', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, startsAt: '2020-01-02T00:00:00Z', endsAt: '2020-01-01T00:00:00Z' },
  })),
  change('endMaintenance', 'deploy', 'MaintenanceWindow', (o) => ({ windowId: o.endedWindow })),
  change('createWebhook', 'admin', 'Environment', (o) => ({ environmentId: o.Environment, url: '' })),
  change('updateWebhook', 'admin', 'Webhook', (o) => ({ webhookId: o.Webhook })),
  change('deleteWebhook', 'admin', 'Webhook', (o) => ({ webhookId: o.Webhook, expectedRevision: 99 })),
  change('rotateWebhookSecret', 'admin', 'Webhook', (o) => ({ webhookId: o.Webhook, overlapSeconds: -1 })),
  change('replayWebhook', 'admin', 'Webhook', (o) => ({ webhookId: o.Webhook, after: '' })),
  change('resendWebhookDelivery', 'admin', 'WebhookDelivery', (o) => ({ deliveryId: o.heldDelivery })),
  change('createToken', 'admin', 'Environment', (o) => ({
    ...{ environmentId: o.Environment, name: 'made', scopes: ['READ'] },
  })),
  change('revokeToken', 'admin', 'Token', (o) => ({ tokenId: o.Token })),
]);

const node = (type: string) => ({
  nullable: true as const,
  document: 'query ($id: ID!) { it: node(id: $id) { __typename id } }',
  variables: (o: Furnished) => ({ id: o[type as keyof Furnished] }),
});

export const queries: Readonly<Record<string, RootField>> = {
  viewer: { document: '{ it: viewer { name } }' },
  catalogue: { document: '{ it: catalogue { runtimes { runtime } } }' },
  installation: { document: '{ it: installation { version } }' },
  environments: { document: '{ it: environments(first: 100) { nodes { namespace } } }' },
  environment: {
    ...{ about: 'Environment', nullable: true, variables: ({ namespace }) => ({ namespace }) },
    document: 'query ($namespace: String!) { it: environment(namespace: $namespace) { id } }',
  },
  service: {
    ...{ about: 'Service', nullable: true, variables: ({ namespace }) => ({ namespace }) },
    document: 'query ($namespace: String!) { it: service(namespace: $namespace, label: "web") { id } }',
  },
  node: { about: 'Environment', ...node('Environment') },
  nodes: {
    ...{ about: 'Environment', variables: (o) => ({ ids: [o.Environment, o.Service] }) },
    document: 'query ($ids: [ID!]!) { them: nodes(ids: $ids) { id } }',
    nullable: true,
  },
  events: {
    ...{ about: 'Environment', variables: (o) => ({ id: o.Environment }) },
    document: 'query ($id: ID!) { it: events(environmentId: $id, first: 1) { endCursor } }',
  },
  checkResults: {
    ...{ about: 'Environment', variables: (o) => ({ id: o.Environment }) },
    document: 'query ($id: ID!) { it: checkResults(environmentId: $id, first: 1) { endCursor } }',
  },
  redeployPlan: {
    ...{ about: 'Service', variables: (o) => ({ id: o.Service }) },
    document: 'query ($id: ID!) { it: redeployPlan(serviceId: $id) { planHash } }',
  },
};

/** Each type that `node` can load. */
export const nodes: Readonly<Record<string, RootField>> = {
  Environment: { about: 'Environment', ...node('Environment') },
  Service: { about: 'Service', ...node('Service') },
  Redeploy: { about: 'Redeploy', ...node('Redeploy') },
  Job: { about: 'Job', ...node('Job') },
  Release: { about: 'Service', ...node('Release') },
  Variable: { about: 'Service', ...node('Variable') },
  Site: { about: 'Site', ...node('Site') },
  Certificate: { about: 'Certificate', ...node('Certificate') },
  SupportTicket: { about: 'SupportTicket', ...node('SupportTicket') },
  Check: { about: 'Check', ...node('Check') },
  Incident: { about: 'Incident', ...node('Incident') },
  MaintenanceWindow: { about: 'MaintenanceWindow', ...node('MaintenanceWindow') },
  Webhook: { about: 'Webhook', needs: 'admin', ...node('Webhook') },
  WebhookDelivery: { about: 'WebhookDelivery', needs: 'admin', ...node('WebhookDelivery') },
  Token: { about: 'Token', needs: 'admin', ...node('Token') },
  // Where things run is no secret of an organization.
  Pod: { about: 'Pod', document: '{ it: installation { version } }' },
};

const watching = (field: string, args: string) =>
  `subscription ($id: ID!, $in: ID) { it: ${field}(${args}) { __typename } }`;

export const subscriptions: Readonly<Record<string, RootField>> = {
  environment: {
    ...{ about: 'Environment', variables: (o) => ({ id: o.Environment }) },
    document: 'subscription ($id: ID!) { it: environment(id: $id) { id } }',
  },
  service: {
    ...{ about: 'Service', variables: (o) => ({ id: o.Service }) },
    document: 'subscription ($id: ID!) { it: service(id: $id) { id } }',
  },
  environmentEvents: {
    ...{ about: 'Environment', variables: (o) => ({ id: o.Environment }) },
    document: watching('environmentEvents', 'environmentId: $id').replace(', $in: ID', ''),
  },
  checkResults: {
    ...{ about: 'Environment', variables: (o) => ({ id: o.Environment }) },
    document: watching('checkResults', 'environmentId: $id').replace(', $in: ID', ''),
  },
  redeployProgress: {
    ...{ about: 'Redeploy', variables: (o) => ({ id: o.Redeploy }) },
    document: watching('redeployProgress', 'redeployId: $id').replace(', $in: ID', ''),
  },
  logs: {
    ...{ about: 'Job', variables: (o) => ({ id: o.endedJob, in: o.Environment }) },
    document: watching('logs', 'environmentId: $in, filter: { jobId: $id }').replace('$in: ID', '$in: ID!'),
  },
  buildLog: {
    ...{ about: 'Job', variables: (o) => ({ id: o.build }) },
    document: watching('buildLog', 'jobId: $id').replace(', $in: ID', ''),
  },
};
