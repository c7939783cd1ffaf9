// Leaving an issuer as one resumable run; apart, for it brings zod along.
export {
  assertSameWish,
  compromiseSteps,
  planCompromise,
  reissueOperationOf,
  revokeOperationOf,
  type CompromisePlan,
  type CompromiseStep,
  type CompromiseWish,
  type SuccessorWish,
} from './compromise/plan.js';
export {
  compromiseFileOf,
  compromisesFolderName,
  readCompromise,
  withCompromise,
  writeCompromise,
  type CompromiseRun,
  type StepFacts,
  type StepRecord,
} from './compromise/run-record.js';
export { factsOf, runSteps, stepsLeft, type Note, type StepDoer } from './compromise/run-steps.js';
export { assertSuccessor, makeSuccessor, type SuccessorOutcome } from './compromise/successor.js';
export {
  certificatesOfCa,
  type CertificateOfCa,
  type CertificatesOfCa,
  type Signer,
} from './compromise/ca-certificates.js';
export { reasonInCrl, readCarriedCrl, type CarriedCrl } from './compromise/carried-crl.js';
export { listingServed, type ServedListing } from './compromise/served-crls.js';
