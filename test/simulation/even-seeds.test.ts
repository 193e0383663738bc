// The orchestrator's own code on an engine in memory, by a simulated clock, with the real Postgres: half of the seeds.
import { testPart } from './seeds.ts';

testPart(0);
