DROP INDEX "challenges_environment";--> statement-breakpoint
ALTER TABLE "challenges" DROP CONSTRAINT "challenges_pkey";--> statement-breakpoint
ALTER TABLE "challenges" ADD PRIMARY KEY ("environment_id","token");