// Execution by GraphQL's reference implementation instead of yoga's: its errors about variables name the variable and the
// place in it. They get the code and the HTTP status of a client's mistake.
import { type ExecutionArgs, type ExecutionResult, GraphQLError, subscribe } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { costOf } from '../graphql/cost.ts';
import { executeOperation } from '../graphql/execute.ts';

export function useReferenceExecution(): Plugin {
  return {
    onExecute({ setExecuteFn }) {
      setExecuteFn(async (args) => tellCost(args, blameVariables(await executeOperation(args))));
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(async (args) => {
        const result = await subscribe(args);
        return isAsyncIterable(result) ? result : blameVariables(result);
      });
    },
  };
}

/** How much of the allowed cost the operation took, so that clients see a refusal coming. */
function tellCost(args: ExecutionArgs, result: ExecutionResult): ExecutionResult {
  if (!('data' in result)) return result;
  const cost = costOf(args);
  return cost === undefined ? result : { ...result, extensions: { ...result.extensions, cost } };
}

/** Without `data` nothing was executed: operation or variables were wrong. What a source throws as it begins has a path. */
function blameVariables(result: ExecutionResult): ExecutionResult {
  if ('data' in result || result.errors === undefined) return result;
  return {
    errors: result.errors.map((error) => {
      if (error.path !== undefined || error.extensions.code !== undefined) return error;
      const { message, nodes, source, positions } = error;
      const extensions = { code: 'BAD_USER_INPUT', http: { status: 400, spec: true } };
      return new GraphQLError(message, { nodes, source, positions, extensions });
    }),
  };
}
