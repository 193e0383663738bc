// A runtime that notes the name of each call before it passes it on.
import type { Runtime } from '../../src/runtime/runtime.ts';

export function counting(calls: string[]): (runtime: Runtime) => Runtime {
  return (runtime) => {
    const names = Object.keys(runtime) as (keyof Runtime)[];
    const wrapped = names.map((name) => {
      const call = runtime[name] as (...args: readonly unknown[]) => unknown;
      const counting = (...args: readonly unknown[]) => {
        calls.push(name);
        return call(...args);
      };
      return [name, counting];
    });
    return Object.fromEntries(wrapped);
  };
}
