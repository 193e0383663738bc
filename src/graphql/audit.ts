// Audit rows as clients see them.
import type { AuditRow } from '../control/loading.ts';
import { builder } from './builder.ts';

export const AuditRef = builder.objectRef<AuditRow>('AuditRow').implement({
  description: 'One accepted mutation, or one reading of a secret: who, from where, what, on what.',
  fields: (t) => ({
    number: t.int({ description: 'Its number in the chain of its organization.', resolve: (row) => row.seq }),
    action: t.exposeString('action', { description: 'Name of the mutation, or readVariable.' }),
    actor: t.exposeString('actor', { description: 'Name of the token it was done with.' }),
    address: t.exposeString('address', {
      nullable: true,
      description: 'Network address the request came from.',
    }),
    subjectType: t.exposeString('subjectType', { description: 'Type of what it was done to.' }),
    subjectId: t.exposeString('subjectId', { description: 'Bare id of what it was done to.' }),
    before: t.exposeString('before', {
      nullable: true,
      description: 'What stood before, never a secret value.',
    }),
    after: t.exposeString('after', { nullable: true, description: 'What stands now, never a secret value.' }),
    occurredAt: t.expose('occurredAt', { type: 'DateTime', description: 'When.' }),
    hash: t.exposeString('hash', {
      description: 'SHA-256 over this row and the hash before it, hexadecimal.',
    }),
  }),
});
