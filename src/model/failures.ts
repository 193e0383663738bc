// Why a redeploy failed, with what a person needs to mend it. The words are made where the failure was seen and kept.

export type FailureCause =
  | { readonly kind: 'IMAGE_UNAVAILABLE'; readonly reference: string; readonly message: string }
  | {
      readonly kind: 'CONTAINER_EXITED';
      readonly jobId: string;
      readonly exitCode: number | null;
      readonly outOfMemory: boolean;
      readonly lastLines: readonly string[];
      readonly message: string;
    }
  | {
      readonly kind: 'HEALTH_CHECK_FAILED';
      readonly jobId: string;
      readonly check: string;
      readonly attempts: number;
      readonly lastOutput: string;
      readonly lastLines: readonly string[];
      readonly message: string;
    }
  | {
      readonly kind: 'CONFIGURATION_REFUSED';
      readonly lastLines: readonly string[];
      readonly message: string;
    }
  | { readonly kind: 'DEADLINE_EXCEEDED'; readonly phase: string; readonly message: string }
  | { readonly kind: 'ENGINE_UNAVAILABLE'; readonly message: string }
  | { readonly kind: 'CANCELED'; readonly message: string };

/** How many of a failing job's last lines of output its cause keeps, and how long each may be. */
export const keptLines = 20;
export const keptLineLength = 500;
