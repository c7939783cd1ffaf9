import type { CeremonyFile, InputView } from '@certmill/trust/ceremony';
import { type StepInput, spokenFingerprint } from './ceremony-inputs.js';
import { describeStep } from './describe-step.js';

/** The steps of a ceremony with what their files hold, for those who approve it. */
export function stepLines(
  { steps }: CeremonyFile,
  inputs: readonly StepInput[],
): readonly string[] {
  return steps.flatMap((step, index) => [
    `${String(index + 1)}. ${describeStep(step)}`,
    ...inputs
      .filter((input) => input.step === index + 1)
      .flatMap(({ file, view }) => inputLines(file, view).map((line) => `   ${line}`)),
  ]);
}

function inputLines(file: string, view: InputView): readonly string[] {
  switch (view.kind) {
    case 'request':
      return [
        `${file} asks for ${view.subject}, with a key of type ${view.keyType} of SHA-256`,
        spokenFingerprint(view.keySha256),
        ...view.extensions.map(
          ({ name, oid, value }) =>
            `it asks for ${name} ${JSON.stringify(value)}: ` +
            (view.taken.includes(oid) ? 'it gets that' : 'that decides nothing'),
        ),
      ];
    case 'certificate':
      return [
        `${file} is a certificate`,
        ...Object.entries(view.facts).map(([name, value]) => `${name} ${String(value)}`),
      ];
    case 'revoked keys':
      return [
        `${file} has ${String(view.keys.length)} revoked keys`,
        ...view.keys.map(
          ({ subject, reason, keySha256 }) =>
            `${subject}, ${reason}, key of SHA-256 ${spokenFingerprint(keySha256)}`,
        ),
      ];
    case 'backup':
      return [
        `${file} is the ${view.purpose}; ${String(view.threshold)} of ` +
          `${view.custodians.join(', ')} open it`,
      ];
  }
}
