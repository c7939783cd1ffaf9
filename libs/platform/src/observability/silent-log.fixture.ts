import type { EventLog } from '@certmill/ports';

/** Takes everything and delivers nothing. */
export const silentLog: EventLog = {
  append: () => Promise.resolve(),
  subscribe: () => Promise.resolve({ stop: () => Promise.resolve() }),
  readDeadLetter: () => Promise.resolve(undefined),
  lag: () => Promise.resolve(0),
};
