CREATE TABLE "audit" (
	"organization_id" uuid,
	"seq" bigint,
	"environment_id" uuid,
	"token_id" uuid NOT NULL,
	"actor" text NOT NULL,
	"address" text,
	"action" text NOT NULL,
	"subject_type" text NOT NULL,
	"subject_id" text NOT NULL,
	"outcome" text NOT NULL,
	"before" text,
	"after" text,
	"occurred_at" timestamp(6) with time zone NOT NULL,
	"previous_hash" text NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "audit_pkey" PRIMARY KEY("organization_id","seq")
);
--> statement-breakpoint
CREATE TABLE "audit_heads" (
	"organization_id" uuid PRIMARY KEY,
	"seq" bigint DEFAULT 0 NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"organization_id" uuid NOT NULL,
	"token_id" uuid,
	"mutation" text,
	"key" text,
	"body_digest" text NOT NULL,
	"result" jsonb,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("token_id","mutation","key")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" uuid PRIMARY KEY,
	"organization_id" uuid NOT NULL,
	"environment_id" uuid,
	"name" text NOT NULL,
	"hash" text NOT NULL UNIQUE,
	"scopes" text[] NOT NULL,
	"operator" boolean DEFAULT false NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp(6) with time zone,
	"last_used_at" timestamp(6) with time zone,
	"revoked_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "environments" (
	"id" uuid PRIMARY KEY,
	"organization_id" uuid NOT NULL,
	"pod_id" uuid NOT NULL,
	"name" text NOT NULL,
	"namespace" text NOT NULL,
	"kind" text NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deletion_requested_at" timestamp(6) with time zone,
	"deleted_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "event_streams" (
	"environment_id" uuid PRIMARY KEY,
	"epoch" text NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"first_seq" bigint DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "events" (
	"environment_id" uuid,
	"seq" bigint,
	"type" text NOT NULL,
	"data" jsonb NOT NULL,
	"message" text NOT NULL,
	"service_id" uuid,
	"redeploy_id" uuid,
	"job_id" uuid,
	"occurred_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "events_pkey" PRIMARY KEY("environment_id","seq")
);
--> statement-breakpoint
CREATE TABLE "job_lines" (
	"job_id" uuid,
	"seq" integer,
	"time_nanos" bigint NOT NULL,
	"stream" text NOT NULL,
	"text" text NOT NULL,
	CONSTRAINT "job_lines_pkey" PRIMARY KEY("job_id","seq")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"redeploy_id" uuid,
	"restored_by" uuid,
	"replaced_by" uuid,
	"release_id" uuid,
	"type" text NOT NULL,
	"target" text,
	"command" jsonb,
	"commit" text,
	"requested_by" text,
	"state" text NOT NULL,
	"health" text,
	"spec" jsonb,
	"image" text NOT NULL,
	"container_id" text,
	"address" text,
	"exit_code" integer,
	"out_of_memory" boolean DEFAULT false NOT NULL,
	"reason" text,
	"check_attempts" integer DEFAULT 0 NOT NULL,
	"check_output" text,
	"stop_requested" boolean DEFAULT false NOT NULL,
	"cleaned" boolean DEFAULT false NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(6) with time zone,
	"stopped_at" timestamp(6) with time zone,
	"attempt" integer DEFAULT 0 NOT NULL,
	"list_key" text GENERATED ALWAYS AS ((case when state in ('SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING') then '1' else '0' end) || id::text) STORED NOT NULL
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"name" text PRIMARY KEY,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "organizations" (
	"id" uuid PRIMARY KEY,
	"name" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "pods" (
	"id" uuid PRIMARY KEY,
	"name" text NOT NULL UNIQUE,
	"kind" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "redeploys" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"reason" text NOT NULL,
	"strategy" text NOT NULL,
	"state" text NOT NULL,
	"note" text,
	"spec" jsonb NOT NULL,
	"changes" jsonb NOT NULL,
	"phases" jsonb DEFAULT '[]' NOT NULL,
	"image_id" text,
	"cause" jsonb,
	"cancel_requested" boolean DEFAULT false NOT NULL,
	"requested_by" text NOT NULL,
	"requested_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(6) with time zone,
	"ended_at" timestamp(6) with time zone,
	"deadline_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "releases" (
	"id" uuid PRIMARY KEY,
	"service_id" uuid NOT NULL,
	"commit" text NOT NULL,
	"subject" text NOT NULL,
	"image_id" text NOT NULL,
	"language" text NOT NULL,
	"commands" jsonb NOT NULL,
	"build_job_id" uuid NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "replicas" (
	"number" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "replicas_number_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"host" text NOT NULL,
	"started_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "secrets" (
	"id" uuid PRIMARY KEY,
	"service_id" uuid NOT NULL,
	"name" text NOT NULL,
	"key_id" text NOT NULL,
	"wrapped_key" bytea NOT NULL,
	"sealed" bytea NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "variables" (
	"service_id" uuid,
	"name" text,
	"source" text NOT NULL,
	"secret_id" uuid NOT NULL,
	"digest" text NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_by" text NOT NULL,
	CONSTRAINT "variables_pkey" PRIMARY KEY("service_id","name")
);
--> statement-breakpoint
CREATE TABLE "services" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"type" text NOT NULL,
	"runtime" text,
	"version" text,
	"label" text NOT NULL,
	"dns_name" text NOT NULL,
	"size" jsonb NOT NULL,
	"scale" integer NOT NULL,
	"worker_limit" integer DEFAULT 0 NOT NULL,
	"redeployable" boolean DEFAULT true NOT NULL,
	"strategy" text DEFAULT 'RECREATE' NOT NULL,
	"roll_back" boolean DEFAULT true NOT NULL,
	"has_volume" boolean DEFAULT false NOT NULL,
	"release_id" uuid,
	"credentials_id" uuid,
	"stopped" boolean DEFAULT false NOT NULL,
	"failing_since" timestamp(6) with time zone,
	"budget_from" timestamp(6) with time zone,
	"running_redeploy_id" uuid,
	"running_spec" jsonb,
	"running_image_id" text,
	"revision" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deletion_requested_at" timestamp(6) with time zone,
	"deleted_at" timestamp(6) with time zone,
	"due_at" timestamp(6) with time zone,
	"attention" bigint DEFAULT 0 NOT NULL,
	"lease_holder" integer,
	"lease_epoch" bigint DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "volumes" (
	"name" text PRIMARY KEY,
	"service_id" uuid NOT NULL,
	"remove_at" timestamp(6) with time zone,
	"removed_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "worker_targets" (
	"service_id" uuid,
	"target" text,
	"count" integer NOT NULL,
	CONSTRAINT "worker_targets_pkey" PRIMARY KEY("service_id","target")
);
--> statement-breakpoint
CREATE INDEX "audit_environment" ON "audit" ("environment_id","seq");--> statement-breakpoint
CREATE INDEX "idempotency_age" ON "idempotency_keys" ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "environments_namespace" ON "environments" ("namespace") WHERE "deleted_at" is null;--> statement-breakpoint
CREATE INDEX "environments_organization" ON "environments" ("organization_id","id");--> statement-breakpoint
CREATE INDEX "environments_deleting" ON "environments" ("id") WHERE "deletion_requested_at" is not null and "deleted_at" is null;--> statement-breakpoint
CREATE INDEX "events_redeploy" ON "events" ("redeploy_id","seq");--> statement-breakpoint
CREATE INDEX "jobs_service" ON "jobs" ("service_id","list_key");--> statement-breakpoint
CREATE INDEX "jobs_redeploy" ON "jobs" ("redeploy_id");--> statement-breakpoint
CREATE INDEX "jobs_restored" ON "jobs" ("restored_by") WHERE "restored_by" is not null;--> statement-breakpoint
CREATE INDEX "jobs_replaced" ON "jobs" ("replaced_by") WHERE "replaced_by" is not null;--> statement-breakpoint
CREATE INDEX "jobs_alive" ON "jobs" ("service_id") WHERE "state" in ('SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING') or not "cleaned";--> statement-breakpoint
CREATE INDEX "jobs_building" ON "jobs" ("id") WHERE "type" = 'BUILD' and "state" in ('SCHEDULED', 'STARTING', 'RUNNING');--> statement-breakpoint
CREATE UNIQUE INDEX "redeploys_open" ON "redeploys" ("service_id") WHERE "state" in ('QUEUED', 'RUNNING');--> statement-breakpoint
CREATE INDEX "redeploys_service" ON "redeploys" ("service_id","id");--> statement-breakpoint
CREATE INDEX "redeploys_environment" ON "redeploys" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "releases_service" ON "releases" ("service_id","id");--> statement-breakpoint
CREATE INDEX "secrets_service" ON "secrets" ("service_id","name");--> statement-breakpoint
CREATE UNIQUE INDEX "services_label" ON "services" ("environment_id","label") WHERE "deleted_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "services_dns_name" ON "services" ("environment_id","dns_name") WHERE "deleted_at" is null;--> statement-breakpoint
CREATE INDEX "services_environment" ON "services" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "services_due" ON "services" ("due_at") WHERE "due_at" is not null;--> statement-breakpoint
CREATE INDEX "volumes_due" ON "volumes" ("remove_at") WHERE "removed_at" is null;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_organization_id_organizations_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id");--> statement-breakpoint
ALTER TABLE "environments" ADD CONSTRAINT "environments_organization_id_organizations_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id");--> statement-breakpoint
ALTER TABLE "environments" ADD CONSTRAINT "environments_pod_id_pods_id_fkey" FOREIGN KEY ("pod_id") REFERENCES "pods"("id");--> statement-breakpoint
ALTER TABLE "job_lines" ADD CONSTRAINT "job_lines_job_id_jobs_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id");--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_redeploy_id_redeploys_id_fkey" FOREIGN KEY ("redeploy_id") REFERENCES "redeploys"("id");--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_restored_by_redeploys_id_fkey" FOREIGN KEY ("restored_by") REFERENCES "redeploys"("id");--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_replaced_by_redeploys_id_fkey" FOREIGN KEY ("replaced_by") REFERENCES "redeploys"("id");--> statement-breakpoint
ALTER TABLE "redeploys" ADD CONSTRAINT "redeploys_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "redeploys" ADD CONSTRAINT "redeploys_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "releases" ADD CONSTRAINT "releases_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "secrets" ADD CONSTRAINT "secrets_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "variables" ADD CONSTRAINT "variables_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "variables" ADD CONSTRAINT "variables_secret_id_secrets_id_fkey" FOREIGN KEY ("secret_id") REFERENCES "secrets"("id");--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "volumes" ADD CONSTRAINT "volumes_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "worker_targets" ADD CONSTRAINT "worker_targets_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");