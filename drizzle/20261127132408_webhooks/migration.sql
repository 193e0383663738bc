CREATE TABLE "webhook_attempts" (
	"delivery_id" uuid,
	"number" integer,
	"started_at" timestamp(6) with time zone NOT NULL,
	"duration_ms" integer NOT NULL,
	"status" integer,
	"answer" text NOT NULL,
	"error" text,
	CONSTRAINT "webhook_attempts_pkey" PRIMARY KEY("delivery_id","number")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" uuid PRIMARY KEY,
	"webhook_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"event_type" text NOT NULL,
	"state" text DEFAULT 'PENDING' NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "webhook_secrets" (
	"id" uuid PRIMARY KEY,
	"webhook_id" uuid NOT NULL,
	"key_id" text NOT NULL,
	"wrapped_key" bytea NOT NULL,
	"sealed" bytea NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"valid_until" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"id" uuid PRIMARY KEY,
	"environment_id" uuid NOT NULL,
	"url" text NOT NULL,
	"description" text NOT NULL,
	"event_types" jsonb,
	"enabled" boolean DEFAULT true NOT NULL,
	"disabled_reason" text,
	"disabled_at" timestamp(6) with time zone,
	"seq" bigint NOT NULL,
	"failing_since" timestamp(6) with time zone,
	"revision" integer DEFAULT 1 NOT NULL,
	"due_at" timestamp(6) with time zone,
	"holder" integer,
	"claim" integer DEFAULT 0 NOT NULL,
	"held_until" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_deliveries_event" ON "webhook_deliveries" ("webhook_id","seq");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" ("webhook_id","due_at","seq") WHERE "due_at" is not null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_ended" ON "webhook_deliveries" ("ended_at") WHERE "ended_at" is not null;--> statement-breakpoint
CREATE INDEX "webhook_secrets_webhook" ON "webhook_secrets" ("webhook_id");--> statement-breakpoint
CREATE INDEX "webhooks_environment" ON "webhooks" ("environment_id","id");--> statement-breakpoint
CREATE INDEX "webhooks_active" ON "webhooks" ("due_at") WHERE "enabled" and "deleted_at" is null;--> statement-breakpoint
ALTER TABLE "webhook_attempts" ADD CONSTRAINT "webhook_attempts_delivery_id_webhook_deliveries_id_fkey" FOREIGN KEY ("delivery_id") REFERENCES "webhook_deliveries"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_id_webhooks_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id");--> statement-breakpoint
ALTER TABLE "webhook_secrets" ADD CONSTRAINT "webhook_secrets_webhook_id_webhooks_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id");--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_environment_id_environments_id_fkey" FOREIGN KEY ("environment_id") REFERENCES "environments"("id");