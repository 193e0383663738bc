// Which test files begin first: those that take minutes, so that none of them is left alone at the end. Those that compute
// come beside those that mostly wait, so that two of a kind don't make each other late.
import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folder = new URL('.', import.meta.url).pathname;
const longest = [
  'orchestrator/crash',
  'simulation/odd-seeds',
  'simulation/even-seeds',
  'orchestrator/engine-faults',
  'orchestrator/changed-mind',
  'crash/standstill',
  'orchestrator/edge-faults',
  'crash/rolling',
  'orchestrator/proxy-faults',
  'orchestrator/certificates',
  'orchestrator/deaths',
].map((name) => `${folder}${name}.test.ts`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = longest.filter((file) => !existsSync(file));
    if (gone.length > 0) throw new Error(`There is no ${gone.join(', ')}: see test/longest-first.ts.`);
    const others = (await super.sort(files)).filter(({ moduleId }) => !longest.includes(moduleId));
    const first = longest.flatMap((file) => files.filter(({ moduleId }) => moduleId === file));
    return [...first, ...others];
  }
}
