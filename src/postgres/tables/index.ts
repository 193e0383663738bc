// All tables, for migrations.
export * from './access.ts';
export * from './checks.ts';
export * from './duties.ts';
export * from './edges.ts';
export * from './environments.ts';
export * from './events.ts';
export * from './jobs.ts';
export * from './organizations.ts';
export * from './redeploys.ts';
export * from './replicas.ts';
export * from './secrets.ts';
export * from './services.ts';
export * from './sites.ts';
export * from './tickets.ts';
export * from './webhooks.ts';
