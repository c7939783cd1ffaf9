import type { Command } from 'commander';
import { recordCommand } from '../audit/record-command.js';
import { guardWithQuorum, type SensitiveCommand } from '../ceremony/quorum-gate.js';
import type { Terminal } from '../terminal/terminal.js';
import { caCommand } from './ca/ca.js';

/** Whatever makes an issuer, or uses the key of a CA. */
const sensitive: Readonly<Record<string, SensitiveCommand>> = {
  init: { kind: 'issuer-creation', folders: ['root'] },
  import: { kind: 'issuer-creation', files: ['key', 'chain'] },
  issue: { kind: 'issuer-creation', files: ['slot'], folders: ['parentData'] },
  complete: { kind: 'issuer-creation', files: ['chain'] },
  rekey: { kind: 'issuer-creation', folders: ['parentData', 'into'] },
  root: { kind: 'root-use', files: ['slot', 'revokedBefore'] },
  sign: { kind: 'root-use', files: ['request'] },
  renew: { kind: 'root-use', folders: ['parentData'] },
  cross: { kind: 'root-use', folders: ['parentData'] },
  crl: { kind: 'root-use' },
  delegate: { kind: 'root-use', files: ['request'] },
  revoke: { kind: 'mass-revocation', files: ['certificate'] },
  compromise: {
    kind: 'mass-revocation',
    files: ['slot'],
    folders: ['parentData'],
    isResumable: true,
    circumstances: [
      ...['server', 'keyFile', 'caFile', 'clientCert', 'clientKey', 'patience', 'timeout'],
      ...['parentData', 'parentCrl', 'next', 'leaveBehind', 'dryRun'],
    ],
    isSensitive: ({ dryRun }) => dryRun !== true,
  },
};

/** Certifies nothing: what comes of it is for `complete`. */
const recordedOnly: readonly string[] = ['request'];

/** `certmill ca`, in the audit trail, and under the quorum of an installation that has one. */
export function guardedCaCommand(terminal: Terminal): Command {
  const group = caCommand(terminal);
  for (const command of group.commands) {
    const found = Object.hasOwn(sensitive, command.name()) ? sensitive[command.name()] : undefined;
    // First: what was not approved was not begun.
    if (found !== undefined) guardWithQuorum(terminal, command, found);
    if (found !== undefined || recordedOnly.includes(command.name())) {
      recordCommand(terminal, command, { ...found, isChange: ({ dryRun }) => dryRun !== true });
    }
  }
  return group;
}
