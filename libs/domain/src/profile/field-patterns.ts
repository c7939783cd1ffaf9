import { isCertmillError } from '../faults.js';
import type { Contradiction } from '../yaml/parse-yaml.js';
import { compileSteps } from './compile-steps.js';
import { ValuePattern } from './value-pattern.js';

/** A variable field of a profile that has a pattern. */
export interface PatternField {
  /** Of the field in the file. */
  readonly path: readonly (string | number)[];
  readonly pattern: string;
  /** Of its values, in characters. */
  readonly maxLength: number;
  readonly example?: string | undefined;
}

/** For all patterns of a profile: some 50 ms at the worst. */
const maxCompileSteps = 50_000;

/** For the values of one request, as long as they may be: some 100 ms at the worst. */
const maxPatternSteps = 500_000;

/**
 * What is wrong with the patterns of a profile. None is compiled where together they take too long to compile; else each
 * once, until values take too long to match.
 */
export function patternFaults(fields: readonly PatternField[]): readonly Contradiction[] {
  const ofAll = fields.map((field) => ({ field, steps: compileSteps(field.pattern) }));
  if (sumOf(ofAll) > maxCompileSteps) {
    const { field, steps } = largestOf(ofAll);
    const reason =
      `the patterns take ${String(sumOf(ofAll))} steps to compile, at most ${String(maxCompileSteps)} ` +
      `are allowed: this one ${String(steps)}; repeat less in it`;
    return [{ path: [...field.path, 'pattern'], reason }];
  }
  const found: Contradiction[] = [];
  const compiled: FieldSteps[] = [];
  for (const field of fields) {
    const pattern = compiledOf(field);
    if (!(pattern instanceof ValuePattern)) {
      found.push(pattern);
      continue;
    }
    compiled.push({ field, steps: pattern.size * field.maxLength });
    if (sumOf(compiled) > maxPatternSteps) return [...found, slowFault(largestOf(compiled))];
    found.push(...exampleFaults(pattern, field));
  }
  return found;
}

interface FieldSteps {
  readonly field: PatternField;
  readonly steps: number;
}

function sumOf(fields: readonly FieldSteps[]): number {
  return fields.reduce((sum, { steps }) => sum + steps, 0);
}

function largestOf(fields: readonly FieldSteps[]): FieldSteps {
  return fields.reduce((largest, each) => (each.steps > largest.steps ? each : largest));
}

function compiledOf({ path, pattern }: PatternField): ValuePattern | Contradiction {
  try {
    return new ValuePattern(pattern);
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return { path: [...path, 'pattern'], reason: error.message };
  }
}

function slowFault({ field, steps }: FieldSteps): Contradiction {
  const { path, maxLength } = field;
  const reason =
    `the patterns take more than ${String(maxPatternSteps)} steps for the longest values of all fields: ` +
    `this one ${String(steps / maxLength)} for each of ${String(maxLength)} characters; ` +
    'give a lower maxLength, or simpler patterns';
  return { path: [...path, 'pattern'], reason };
}

/** A longer example is no value of the field, and would take longer to match than any. */
function exampleFaults(
  pattern: ValuePattern,
  { path, example, maxLength }: PatternField,
): readonly Contradiction[] {
  if (example === undefined) return [];
  const at = [...path, 'example'];
  if (Array.from(example).length > maxLength) {
    return [{ path: at, reason: `the example has more than ${String(maxLength)} characters` }];
  }
  if (pattern.matches(example)) return [];
  return [{ path: at, reason: "the example does not match 'pattern'" }];
}
