// Bad input gets a typed error that names the field, and changes nothing: not a row of any table.
import { GraphQLID, getNamedType, isInputObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteService } from '../../src/control/delete-service.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { updateService } from '../../src/control/update-service.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { newId } from '../../src/ids.ts';
import type { Caller } from '../../src/model/callers.ts';
import { type Api, globalId, openApi } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';
import { furnish } from '../support/furnish.ts';
import { window } from './bad-checks.ts';
import type { Objects } from './bad-input.ts';
import { badInputs } from './bad-inputs.ts';
import { mutations } from './root-fields.ts';

const codes: Readonly<Record<string, string>> = {
  ValidationError: 'INVALID',
  ConflictError: 'CONFLICT',
  LimitError: 'LIMIT',
  NotFoundError: 'NOT_FOUND',
  ForbiddenError: 'FORBIDDEN',
  StalePlanError: 'STALE',
  NotRedeployableError: 'NOT_REDEPLOYABLE',
};

const kindOf: Readonly<Record<string, string>> = {
  Ticket: 'SupportTicket',
  Window: 'MaintenanceWindow',
  Delivery: 'WebhookDelivery',
};

let api: Api;
let ordinary: Caller;
let objects: Objects;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
  const { control, admin } = api;
  const made = await furnish(control, admin, 'own');
  const doomed = await furnish(control, admin, 'doomed');
  await deleteEnvironment(control, admin, { environmentId: localId(doomed.Environment), confirm: 'doomed' });
  const customized = await furnish(control, admin, 'customized');
  await updateService(control, admin, { serviceId: localId(customized.Service), redeployable: false });
  const elsewhere = await furnish(control, admin, 'elsewhere');
  const doomedService = elsewhere.spare;
  await deleteService(control, admin, { serviceId: localId(doomedService), confirm: 'spare' });
  objects = { ...made, elsewhere, doomed, doomedService, customized: customized.Service };
  ordinary = (await api.world.addToken({ scopes: ['read', 'deploy', 'admin'] })).caller;
});

afterAll(() => api.close());

function localId(id: string): string {
  return Buffer.from(id, 'base64url').toString().split(':')[1] ?? '';
}

function mutationFields() {
  return buildSchema().getMutationType()?.getFields() ?? {};
}

test('every mutation has a list of what it refuses', () => {
  expect(Object.keys(badInputs).sort()).toEqual(Object.keys(mutationFields()).sort());
});

async function refused(name: string, input: object, caller: Caller) {
  const { document = '' } = mutations[name] ?? {};
  const answer = await api.run(document, { input }, caller);
  expect(answer.errors).toEqual([]);
  const { __typename, code, path, message } = answer.data[name];
  return { type: __typename, code, path: path?.join('.'), message };
}

for (const [name, cases] of Object.entries(badInputs))
  describe(name, () => {
    test('refuses each with its type, code and path, and changes nothing', async () => {
      const before = await api.dump();
      for (const [type, field, input, who] of cases) {
        const given = input(objects);
        const shown = JSON.stringify(given).slice(0, 200);
        const path = field === '-' ? '' : ['input', ...(field === '' ? [] : [field])].join('.');
        const seen = await refused(name, given, who === 'ordinary' ? ordinary : api.admin);
        expect({ shown, ...seen, message: '' }).toEqual({
          shown,
          type,
          code: codes[type],
          path,
          message: '',
        });
        expect(seen.message).toMatch(/\S.*\.$/s);
      }
      expect(await api.dump()).toBe(before);
    });

    test('tells ids that are none, of another type, and of nothing by the field', async () => {
      const argument = mutationFields()[name]?.args[0];
      const type = argument && getNamedType(argument.type);
      if (!isInputObjectType(type)) throw new Error(`${name} takes no input`);
      const ids = Object.values(type.getFields()).filter(
        (field) => getNamedType(field.type) === GraphQLID && field.name.endsWith('Id'),
      );
      const { input: base } = (mutations[name]?.variables?.(objects) ?? {}) as { input: object };
      const before = await api.dump();
      for (const { name: field } of ids) {
        const named = field.charAt(0).toUpperCase() + field.slice(1, -2);
        const kind = kindOf[named] ?? named;
        const bad = ['', 'no id', '%', globalId('Pod', newId()), globalId('', newId())];
        for (const id of [...bad, 'x'.repeat(10_000)]) {
          const seen = await refused(name, { ...base, [field]: id }, api.admin);
          expect({ id, ...seen }).toMatchObject({ id, code: 'INVALID', path: `input.${field}` });
        }
        for (const id of [newId(), "'; drop table jobs; --", '\0', newId().toUpperCase()]) {
          const seen = await refused(name, { ...base, [field]: globalId(kind, id) }, api.admin);
          expect({ id, ...seen }).toMatchObject({ id, code: 'NOT_FOUND', path: `input.${field}` });
        }
      }
      expect(await api.dump()).toBe(before);
    });
  });

test('the same key with another input is a conflict and changes nothing', async () => {
  const brought = await bringCertificate(['keyed.example.org']);
  const expiresAt = (year: number) => `${year}-01-01T00:00:00Z`;
  const inputs: Record<string, [object, object]> = {
    createEnvironment: [
      { name: 'A', kind: 'SANDBOX' },
      { name: 'B', kind: 'SANDBOX' },
    ],
    createService: [1, 2].map((number) => ({
      ...{ environmentId: objects.Environment, type: 'CODE', label: `keyed-${number}` },
    })) as [object, object],
    redeployService: [{ serviceId: objects.Service }, { serviceId: objects.Service, note: 'other' }],
    runTask: [1, 2].map((n) => ({ serviceId: objects.Service, command: ['echo', `${n}`] })) as [
      object,
      object,
    ],
    createSite: [1, 2].map((n) => ({
      ...{ environmentId: objects.Environment, host: `keyed-${n}.example.org`, serviceId: objects.Service },
    })) as [object, object],
    uploadCertificate: [1, 2].map((n) => ({
      ...{ environmentId: objects.Environment, name: `Keyed ${n}`, ...brought },
    })) as [object, object],
    requestCertificate: [1, 2].map((n) => ({
      ...{ environmentId: objects.Environment, name: 'Keyed', source: 'SELF_SIGNED' },
      hosts: [`keyed-${n}.example.org`],
    })) as [object, object],
    openSupportTicket: ['Please', 'Please do'].map((text) => ({
      ...{ environmentId: objects.Environment, kind: 'OTHER', text },
    })) as [object, object],
    createCheck: [1, 2].map((n) => ({ serviceId: objects.Service, name: `keyed ${n}`, tcp: {} })) as [
      object,
      object,
    ],
    createWebhook: [1, 2].map((n) => ({
      ...{ environmentId: objects.Environment, url: `https://keyed-${n}.example.org/` },
    })) as [object, object],
    rotateWebhookSecret: [1, 2].map((n) => ({ webhookId: objects.Webhook, overlapSeconds: n })) as [
      object,
      object,
    ],
    planMaintenance: [window(objects), { ...window(objects), note: 'other' }],
    createToken: [2100, 2101].map((year) => ({
      ...{ name: 'keyed', scopes: ['READ'], expiresAt: expiresAt(year) },
    })) as [object, object],
  };
  const keyed = Object.values(mutationFields()).filter(({ args: [input] }) => {
    const type = input && getNamedType(input.type);
    return isInputObjectType(type) && 'idempotencyKey' in type.getFields();
  });
  expect(Object.keys(inputs).sort()).toEqual(keyed.map(({ name }) => name).sort());
  for (const [name, [first, second]] of Object.entries(inputs)) {
    const idempotencyKey = `key of ${name}`;
    expect(await refused(name, { ...first, idempotencyKey }, api.admin)).toMatchObject({ code: undefined });
    const before = await api.dump();
    const seen = await refused(name, { ...second, idempotencyKey }, api.admin);
    expect(seen).toMatchObject({ code: 'CONFLICT', path: 'input.idempotencyKey' });
    expect(await refused(name, { ...first, idempotencyKey }, api.admin)).toMatchObject({ code: undefined });
    expect(await api.dump()).toBe(before);
  }
});
