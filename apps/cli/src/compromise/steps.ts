import type { CompromiseStep } from '@certmill/trust/compromise';
import type { NotingStep } from './step-context.js';
import { awaitCrls } from './steps/await-crls.js';
import { closeOldIssuer } from './steps/close-old-issuer.js';
import { drainOldIssuer } from './steps/drain-old-issuer.js';
import { makeNewIssuer } from './steps/make-new-issuer.js';
import { publishParentCrl } from './steps/publish-parent-crl.js';
import { reissuePopulation } from './steps/reissue-population.js';
import { revokeOldCa } from './steps/revoke-old-ca.js';
import { revokePopulation } from './steps/revoke-population.js';

interface DescribedStep {
  readonly does: string;
  readonly run: NotingStep;
  /** How somebody goes on where it fails. */
  readonly advice: string;
}

/** What each step of a run does. Their order is the plan's. */
export const steps: Readonly<Record<CompromiseStep, DescribedStep>> = {
  successor: {
    does: 'make the new issuer',
    run: makeNewIssuer,
    advice:
      "make it by hand with 'certmill ca issue' and name it with --to, if it is not made here",
  },
  close: {
    does: 'take nothing more under the old issuer',
    run: closeOldIssuer,
    advice: 'the folder may be closed while servers still take uploads',
  },
  drain: {
    does: 'wait for what is on its way, and close the orders',
    run: drainOldIssuer,
    advice: "what cannot end are dead letters: settle them with 'certmill dead-letters'",
  },
  reissue: {
    does: 'issue the population once more',
    run: reissuePopulation,
    advice:
      'where the server has a section issuers in its configuration, the new issuer has to stand there',
  },
  revoke: {
    does: 'revoke the population',
    run: revokePopulation,
    advice: "what is revoked stays so: 'certmill mass list' shows how far it is",
  },
  crls: {
    does: 'wait for the CRLs of the old issuer',
    run: awaitCrls,
    advice: 'who makes CRLs says why there are none: see the runbook crl-old',
  },
  'revoke-ca': {
    does: 'revoke the old CA',
    run: revokeOldCa,
    advice: 'everything before it is done',
  },
  'parent-crl': {
    does: 'make the CRL of the CA above, and serve it',
    run: publishParentCrl,
    advice:
      'the CA is recorded as revoked here, and nobody else knows until the CRL is served; ' +
      "one that is not taken in by itself is with 'certmill crl import', which has --as and --released",
  },
};
