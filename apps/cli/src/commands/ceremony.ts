import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { ceremonyApproveCommand } from './ceremony-approve.js';
import { ceremonyCheckCommand } from './ceremony-check.js';
import { ceremonyNewCommand } from './ceremony-new.js';
import { ceremonyRunCommand } from './ceremony-run.js';
import { ceremonyVerifyCommand, ceremonyWitnessCommand } from './ceremony-witness.js';

export function ceremonyCommand(terminal: Terminal): Command {
  return new Command('ceremony')
    .description('key ceremonies: written, approved, rehearsed, carried out, witnessed')
    .addCommand(ceremonyNewCommand(terminal))
    .addCommand(ceremonyCheckCommand(terminal))
    .addCommand(ceremonyApproveCommand(terminal))
    .addCommand(ceremonyRunCommand(terminal))
    .addCommand(ceremonyWitnessCommand(terminal))
    .addCommand(ceremonyVerifyCommand(terminal));
}
