/** What the shell gets. A command that throws ends with `couldNotRun`. */
export const exitCodes = {
  /** Done; every request was issued. */
  ok: 0,
  /** It could not run (usage, configuration, server away), or requests are dead letters. */
  couldNotRun: 1,
  /** It ran to its end and some requests were rejected. */
  someRejected: 2,
  /** What it was to verify fits together, but nothing says that it is not forged. */
  notProved: 2,
  /** Stopped by SIGINT or SIGTERM before its end. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
