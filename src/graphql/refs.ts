// The object types that refer to each other, by their rows. Their fields stand in the file of each noun.
import type * as rows from '../control/loading.ts';
import type * as webhooks from '../control/webhook-loading.ts';
import { builder } from './builder.ts';

export const EnvironmentRef = builder.objectRef<rows.EnvironmentRow>('Environment');
export const ServiceRef = builder.objectRef<rows.ServiceRow>('Service');
export const JobRef = builder.objectRef<rows.ShownJob>('Job');
export const RedeployRef = builder.objectRef<rows.RedeployRow>('Redeploy');
export const ReleaseRef = builder.objectRef<rows.ReleaseRow>('Release');
export const PodRef = builder.objectRef<rows.PodRow>('Pod');
export const TokenRef = builder.objectRef<rows.TokenRow>('Token');
export const VariableRef = builder.objectRef<rows.VariableRow>('Variable');
export const SiteRef = builder.objectRef<rows.SiteRow>('Site');
export const CertificateRef = builder.objectRef<rows.CertificateRow>('Certificate');
export const CheckRef = builder.objectRef<rows.CheckRow>('Check');
export const CheckResultRef = builder.objectRef<rows.ResultRow>('CheckResult');
export const IncidentRef = builder.objectRef<rows.IncidentRow>('Incident');
export const MaintenanceWindowRef = builder.objectRef<rows.MaintenanceWindowRow>('MaintenanceWindow');
export const TicketRef = builder.objectRef<rows.TicketRow>('SupportTicket');
export const WebhookRef = builder.objectRef<webhooks.WebhookRow>('Webhook');
export const WebhookDeliveryRef = builder.objectRef<webhooks.DeliveryRow>('WebhookDelivery');
