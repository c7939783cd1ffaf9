import { CommanderError, type Command } from 'commander';
import { isCertmillError, isDiskFull } from '@certmill/domain';
import { exitCodes, type ExitCode } from './exit-codes.js';
import type { Terminal } from './terminal.js';

/** Runs the command line and tells of a failure in one coded line. Never rejects. */
export async function run(
  program: Command,
  terminal: Terminal,
  argv: readonly string[],
): Promise<ExitCode> {
  try {
    await program.parseAsync([...argv]);
    return terminal.exitCode;
  } catch (error) {
    terminal.restore();
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    if (terminal.signal.aborted && isStop(error)) {
      terminal.reportFailure('INTERRUPTED', messageOf(error));
      return exitCodes.interrupted;
    }
    // Usage errors come before any action runs.
    if (error instanceof CommanderError && argv.includes('--json')) terminal.useJson();
    // `certmill` alone shows its help, which says it all.
    if (!(error instanceof CommanderError && error.code === 'commander.help')) {
      terminal.reportFailure(shownCodeOf(error), messageOf(error));
    }
    if (isOn(terminal.env['CERTMILL_DEBUG']) && error instanceof Error) showCauses(terminal, error);
    return exitCodes.couldNotRun;
  } finally {
    terminal.end();
  }
}

function isStop(error: unknown): boolean {
  if (isCertmillError(error)) return error.code === 'FAULT_STOPPING';
  return error instanceof Error && error.name === 'AbortError';
}

function shownCodeOf(error: unknown): string {
  if (error instanceof CommanderError) return 'USAGE';
  if (error instanceof Error && 'shownCode' in error && typeof error.shownCode === 'string') {
    return error.shownCode;
  }
  if (isCertmillError(error)) return error.code;
  return isDiskFull(error) ? 'FAULT_DISK_FULL' : 'UNEXPECTED';
}

function messageOf(error: unknown): string {
  if (error instanceof CommanderError) {
    return oneLine(error.message.replace(/^error: /, ''));
  }
  // Of a file with several faults each reason keeps its line.
  if (isCertmillError(error)) return error.message.trim().replaceAll('\n', '\n  ');
  return error instanceof Error ? oneLine(error.message) : 'something that is no error was thrown';
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

function showCauses(terminal: Terminal, error: Error): void {
  terminal.note(error.stack ?? error.message);
  if (error.cause instanceof Error) {
    terminal.note('caused by');
    showCauses(terminal, error.cause);
  }
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0';
}
