// The payload of every mutation that changes a service.
import { builder } from './builder.ts';
import { loaded } from './ids.ts';
import type { Payload } from './mutation.ts';
import { ServiceRef } from './refs.ts';

export function servicePayload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      service: t.field({
        type: ServiceRef,
        description: 'The service as it is now; see its pendingChanges.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.service.load(ids.serviceId ?? '')),
      }),
    }),
  });
}
