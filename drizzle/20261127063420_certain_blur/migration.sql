ALTER TABLE "services" ALTER COLUMN "strategy" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "services" ALTER COLUMN "strategy" DROP NOT NULL;--> statement-breakpoint
UPDATE "services" SET "strategy" = null;
