CREATE TABLE "check_results" (
	"environment_id" uuid,
	"seq" bigint,
	"check_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"state" text NOT NULL,
	"attempt" integer NOT NULL,
	"hard" boolean NOT NULL,
	"flapping" boolean NOT NULL,
	"maintenance" boolean NOT NULL,
	"source" text NOT NULL,
	"output" text NOT NULL,
	"metrics" jsonb NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	"duration_ms" double precision NOT NULL,
	"recorded_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "check_results_pkey" PRIMARY KEY("environment_id","seq")
);
--> statement-breakpoint
CREATE TABLE "checks" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"type" text NOT NULL,
	"name" text NOT NULL,
	"port" integer,
	"settings" jsonb NOT NULL,
	"thresholds" jsonb NOT NULL,
	"interval_seconds" integer NOT NULL,
	"timeout_seconds" integer NOT NULL,
	"attempts" integer NOT NULL,
	"depends_on" jsonb DEFAULT '[]' NOT NULL,
	"built_in" boolean DEFAULT false NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp(6) with time zone,
	"run_requested_at" timestamp(6) with time zone,
	"state" text DEFAULT 'PENDING' NOT NULL,
	"since" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"hard" boolean DEFAULT true NOT NULL,
	"flapping" boolean DEFAULT false NOT NULL,
	"history" text DEFAULT '' NOT NULL,
	"latest_seq" bigint
);
--> statement-breakpoint
CREATE TABLE "incidents" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"check_id" uuid NOT NULL,
	"state" text DEFAULT 'OPEN' NOT NULL,
	"worst" text NOT NULL,
	"output" text NOT NULL,
	"opened_at" timestamp(6) with time zone NOT NULL,
	"acknowledged_at" timestamp(6) with time zone,
	"acknowledged_by" text,
	"note" text,
	"resolved_at" timestamp(6) with time zone,
	"resolution" text
);
--> statement-breakpoint
CREATE TABLE "maintenance_windows" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"service_id" uuid,
	"starts_at" timestamp(6) with time zone NOT NULL,
	"ends_at" timestamp(6) with time zone NOT NULL,
	"note" text,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "result_streams" (
	"environment_id" uuid PRIMARY KEY,
	"epoch" text NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"first_seq" bigint DEFAULT 1 NOT NULL,
	"taken_epoch" text,
	"taken_seq" bigint DEFAULT 0 NOT NULL,
	"configuration_revision" integer DEFAULT 0 NOT NULL,
	"configuration_digest" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE INDEX "check_results_check" ON "check_results" ("check_id","seq");--> statement-breakpoint
CREATE INDEX "check_results_time" ON "check_results" ("check_id","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "checks_name" ON "checks" ("service_id","name") WHERE "deleted_at" is null;--> statement-breakpoint
CREATE INDEX "checks_environment" ON "checks" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "checks_service" ON "checks" ("service_id","id");--> statement-breakpoint
CREATE INDEX "checks_run_requested" ON "checks" ("run_requested_at") WHERE "run_requested_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "incidents_open" ON "incidents" ("check_id") WHERE "state" <> 'RESOLVED';--> statement-breakpoint
CREATE INDEX "incidents_environment" ON "incidents" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "incidents_check" ON "incidents" ("check_id","id");--> statement-breakpoint
CREATE INDEX "maintenance_windows_environment" ON "maintenance_windows" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "maintenance_windows_end" ON "maintenance_windows" ("environment_id","ends_at");--> statement-breakpoint
ALTER TABLE "checks" ADD CONSTRAINT "checks_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "checks" ADD CONSTRAINT "checks_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "incidents" ADD CONSTRAINT "incidents_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "incidents" ADD CONSTRAINT "incidents_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
ALTER TABLE "incidents" ADD CONSTRAINT "incidents_check_id_checks_id_fkey" FOREIGN KEY ("check_id") REFERENCES "checks"("id");--> statement-breakpoint
ALTER TABLE "maintenance_windows" ADD CONSTRAINT "maintenance_windows_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");--> statement-breakpoint
ALTER TABLE "maintenance_windows" ADD CONSTRAINT "maintenance_windows_service_id_services_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id");--> statement-breakpoint
INSERT INTO "result_streams" ("environment_id", "epoch") SELECT "id", substr(gen_random_uuid()::text, 25) FROM "environments";
