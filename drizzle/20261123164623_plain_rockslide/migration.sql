CREATE TABLE "duties" (
	"name" text PRIMARY KEY,
	"holder" integer NOT NULL,
	"held_until" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "redeploys" ADD COLUMN "previous_id" uuid;