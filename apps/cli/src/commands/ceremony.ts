import { Command } from 'commander';
import { recordCommand, type RecordedCommand } from '../audit/record-command.js';
import type { Terminal } from '../terminal/terminal.js';
import { ceremonyApproveCommand } from './ceremony-approve.js';
import { ceremonyCheckCommand } from './ceremony-check.js';
import { ceremonyNewCommand } from './ceremony-new.js';
import { ceremonyRunCommand } from './ceremony-run.js';
import { ceremonyVerifyCommand, ceremonyWitnessCommand } from './ceremony-witness.js';

/** Its transcript says what happened; the trail, that it did. */
const recordedRun: RecordedCommand = {
  files: ['file'],
  isChange: ({ dryRun }) => dryRun !== true,
};

export function ceremonyCommand(terminal: Terminal): Command {
  return new Command('ceremony')
    .description('key ceremonies: written, approved, rehearsed, carried out, witnessed')
    .addCommand(ceremonyNewCommand(terminal))
    .addCommand(ceremonyCheckCommand(terminal))
    .addCommand(ceremonyApproveCommand(terminal))
    .addCommand(recordCommand(terminal, ceremonyRunCommand(terminal), recordedRun))
    .addCommand(ceremonyWitnessCommand(terminal))
    .addCommand(ceremonyVerifyCommand(terminal));
}
