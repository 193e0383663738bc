CREATE TABLE "certificates" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"name" text NOT NULL,
	"source" text NOT NULL,
	"state" text NOT NULL,
	"hosts" jsonb NOT NULL,
	"secret_id" uuid,
	"fingerprint" text,
	"issuer" text,
	"not_before" timestamp(6) with time zone,
	"not_after" timestamp(6) with time zone,
	"failure" text,
	"tries" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "challenges" (
	"token" text PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"answer" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sites" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"host" text NOT NULL,
	"service_id" uuid,
	"certificate_id" uuid,
	"limits" jsonb NOT NULL,
	"cors_origins" jsonb NOT NULL,
	"own" boolean DEFAULT false NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "tickets" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid,
	"kind" text NOT NULL,
	"state" text DEFAULT 'OPEN' NOT NULL,
	"text" text NOT NULL,
	"overlap_seconds" integer,
	"answer" text,
	"redeploy_id" uuid,
	"opened_by" text NOT NULL,
	"opened_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"resolved_by" text,
	"resolved_at" timestamp(6) with time zone
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "rotation" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "drain_until" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "applied" jsonb;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "overlap_seconds" integer;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "health_check" jsonb;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "maintenance" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "certificates_environment" ON "certificates" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "certificates_due" ON "certificates" ("due_at") WHERE "due_at" is not null;--> statement-breakpoint
CREATE INDEX "challenges_environment" ON "challenges" ("environment_id");--> statement-breakpoint
CREATE UNIQUE INDEX "sites_host" ON "sites" ("host") WHERE "deleted_at" is null;--> statement-breakpoint
CREATE INDEX "sites_environment" ON "sites" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "tickets_environment" ON "tickets" ("environment_id","id");--> statement-breakpoint
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_secret_id_secrets_id_fkey" FOREIGN KEY ("secret_id") REFERENCES "secrets"("id");--> statement-breakpoint
ALTER TABLE "challenges" ADD CONSTRAINT "challenges_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "sites" ADD CONSTRAINT "sites_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "sites" ADD CONSTRAINT "sites_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "sites" ADD CONSTRAINT "sites_certificate_id_certificates_id_fkey" FOREIGN KEY ("certificate_id") REFERENCES "certificates"("id");--> statement-breakpoint
ALTER TABLE "tickets" ADD CONSTRAINT "tickets_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "tickets" ADD CONSTRAINT "tickets_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "tickets" ADD CONSTRAINT "tickets_redeploy_id_redeploys_id_fkey" FOREIGN KEY ("redeploy_id") REFERENCES "redeploys"("id");