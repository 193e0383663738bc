CREATE TABLE "edges" (
	"pod_id" uuid PRIMARY KEY,
	"applied" jsonb NOT NULL,
	"seen_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "environments" ADD COLUMN "edge_slot" integer;--> statement-breakpoint
CREATE UNIQUE INDEX "environments_edge_slot" ON "environments" ("pod_id","edge_slot") WHERE "deleted_at" is null;--> statement-breakpoint
ALTER TABLE "edges" ADD CONSTRAINT "edges_pod_id_pods_id_fkey" FOREIGN KEY ("pod_id") REFERENCES "pods"("id");