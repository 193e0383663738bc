// Commands run inside a container that runs already.
import { describe, expect, it } from 'vitest';
import { keptOutputBytes } from '../../src/runtime/runtime.ts';
import { runToEnd, specOf, until, type World } from './world.ts';

export const commands = {
  variable: 'echo $GIVEN',
  bytes: "printf '\\377\\376 and more'",
  megabytes: 'head -c 3000000 /dev/zero | tr "\\0" x',
  hangs: 'sleep 3',
  leavesAnother: 'sleep 30 & echo gone',
} as const;

const sh = (script: string) => ['sh', '-c', script];

async function startIdle(world: World): Promise<string> {
  const spec = specOf(world, 'sleep 60', { environment: { GIVEN: 'known' } });
  return (await world.runtime.startContainer(spec)).id;
}

export function insideContract(world: () => World): void {
  describe('a command inside', () => {
    it.each([0, 1, 2, 3, 77])(
      'ends with its code (%i), and both of its outputs are told',
      async (exitCode) => {
        const id = await startIdle(world());
        const command = sh(`echo said; echo warned >&2; exit ${exitCode}`);
        const run = await world().runtime.runInside(id, command, 10_000);
        expect(run).toEqual({ end: 'EXITED', exitCode, stdout: 'said\n', stderr: 'warned\n' });
      },
    );

    it('has the variables of its container', async () => {
      const run = await world().runtime.runInside(await startIdle(world()), sh(commands.variable), 10_000);
      expect(run.stdout).toBe('known\n');
    });

    it('that prints bytes which are no text is told with marks in their place', async () => {
      const run = await world().runtime.runInside(await startIdle(world()), sh(commands.bytes), 10_000);
      expect(run).toMatchObject({ exitCode: 0, stdout: '\ufffd\ufffd and more' });
    });

    it('that prints megabytes ends, and the first of them are kept', async () => {
      const run = await world().runtime.runInside(await startIdle(world()), sh(commands.megabytes), 20_000);
      expect(run).toMatchObject({ end: 'EXITED', exitCode: 0 });
      expect(run.stdout).toBe('x'.repeat(keptOutputBytes));
    });

    it('that goes on beyond its time is not begun again before it has ended, another is', async () => {
      const { runtime } = world();
      const id = await startIdle(world());
      expect(await runtime.runInside(id, sh(commands.hangs), 500)).toMatchObject({ end: 'TIME_UP' });
      expect(await runtime.runInside(id, sh(commands.hangs), 500)).toMatchObject({ end: 'STILL_RUNNING' });
      expect(await runtime.runInside(id, sh('exit 0'), 10_000)).toMatchObject({ end: 'EXITED' });
      await until(
        'it is begun again',
        () => runtime.runInside(id, sh(commands.hangs), 100),
        ({ end }) => end === 'TIME_UP',
      );
    });

    it('whose child keeps its output open has ended all the same', async () => {
      const run = await world().runtime.runInside(
        await startIdle(world()),
        sh(commands.leavesAnother),
        2_000,
      );
      expect(run).toMatchObject({ end: 'EXITED', exitCode: 0, stdout: 'gone\n' });
    });

    it('that its image does not have ends with a code that is none of the four', async () => {
      const run = await world().runtime.runInside(await startIdle(world()), ['/no/such/program'], 10_000);
      expect(run.end).toBe('EXITED');
      expect(run.exitCode).toBeGreaterThan(3);
    });

    it('has nowhere to run where nothing runs', async () => {
      const { runtime } = world();
      const { id } = await runToEnd(world(), 'exit 0');
      expect(await runtime.runInside(id, sh('exit 0'), 5_000)).toMatchObject({ end: 'NOT_RUNNING' });
      expect(await runtime.runInside('0'.repeat(64), sh('exit 0'), 5_000)).toMatchObject({
        end: 'NOT_RUNNING',
      });
    });
  });
}
