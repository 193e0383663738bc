// A process that adds numbered results as fast as it can and says on its standard output up to which number they are kept.
import { setImmediate } from 'node:timers/promises';
import { openResults } from '../../../src/agents/monitoring/results.ts';

const results = await openResults({
  folder: process.argv[2] ?? '',
  warn: (sentence) => console.error(sentence),
});
let said = results.lastSeq();
for (let number = said + 1; ; number++) {
  results.add({
    checkId: 'c',
    startedAt: '',
    durationMs: 1,
    state: 'OK',
    output: String(number),
    metrics: [],
  });
  // Not farther ahead of the disk than a commit or two, as checks would be.
  do await setImmediate();
  while (number - results.lastSeq() > 20);
  if (results.lastSeq() > said) {
    said = results.lastSeq();
    console.log(said);
  }
}
