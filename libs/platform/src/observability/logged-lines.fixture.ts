import { pino, type Logger } from 'pino';

export interface LoggedLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A logger whose lines are kept, from `debug` on. */
export function aLogger(): { readonly logger: Logger; readonly lines: readonly LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const write = (line: string): void => {
    lines.push(JSON.parse(line) as LoggedLine);
  };
  return { logger: pino({ level: 'debug' }, { write }), lines };
}

export const levels = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;
