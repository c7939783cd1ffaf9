import { Command } from 'commander';
import type { Terminal } from '../../terminal/terminal.js';
import { compromiseCommand } from './ca-compromise.js';
import { completeCommand } from './ca-complete.js';
import { crlCommand } from './ca-crl.js';
import { crossCommand } from './ca-cross.js';
import { delegateCommand } from './ca-delegate.js';
import { exportCommand } from './ca-export.js';
import { importCommand } from './ca-import.js';
import { initCommand } from './ca-init.js';
import { issueCommand } from './ca-issue.js';
import { rekeyCommand } from './ca-rekey.js';
import { renewCommand } from './ca-renew.js';
import { requestCommand } from './ca-request.js';
import { revokeCommand } from './ca-revoke.js';
import { revokedCommand } from './ca-revoked.js';
import { rootCommand } from './ca-root.js';
import { showCommand } from './ca-show.js';
import { signCommand } from './ca-sign.js';

export function caCommand(terminal: Terminal): Command {
  return new Command('ca')
    .description('certification authorities of a data folder')
    .addCommand(initCommand(terminal))
    .addCommand(rootCommand(terminal))
    .addCommand(issueCommand(terminal))
    .addCommand(requestCommand(terminal))
    .addCommand(signCommand(terminal))
    .addCommand(completeCommand(terminal))
    .addCommand(importCommand(terminal))
    .addCommand(renewCommand(terminal))
    .addCommand(rekeyCommand(terminal))
    .addCommand(crossCommand(terminal))
    .addCommand(revokeCommand(terminal))
    .addCommand(revokedCommand(terminal))
    .addCommand(crlCommand(terminal))
    .addCommand(compromiseCommand(terminal))
    .addCommand(delegateCommand(terminal))
    .addCommand(exportCommand(terminal))
    .addCommand(showCommand(terminal));
}
