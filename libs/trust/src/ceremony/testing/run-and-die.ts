// Runs a ceremony and dies at a point of it, as by `kill -9`: node run-and-die.js PLAN.json
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { runCeremony } from '../run-ceremony.js';
import { aRun, custodiansWith } from './play.js';

export interface Plan {
  readonly data: string;
  readonly ceremony: Parameters<typeof aRun>[1];
  readonly approvals: ReturnType<typeof aRun>['approvals'];
  readonly custodianKey: string;
  /** Such as `staged 1`; empty: it lives. */
  readonly dieAt: string;
}

const [, , file = ''] = process.argv;
const plan = JSON.parse(readFileSync(file, 'utf8')) as Plan;
await runCeremony(
  aRun(plan.data, plan.ceremony, {
    approvals: plan.approvals,
    custody: custodiansWith(createPrivateKey(plan.custodianKey)),
    tell: (progress) => {
      const at = progress.kind === 'begun' ? 'begun' : `${progress.kind} ${String(progress.step)}`;
      if (at === plan.dieAt) process.kill(process.pid, 'SIGKILL');
    },
  }),
);
