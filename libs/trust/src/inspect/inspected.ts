import type { LintFinding } from '../lint/lint-rule.js';
import type { View } from './view.js';

export const inspectedKinds = [
  'certificate',
  'certification-request',
  'crl',
  'ocsp-response',
  'ocsp-request',
  'public-key',
] as const;

export type InspectedKind = (typeof inspectedKinds)[number];

/** One object of a file, read. */
export interface Inspected {
  readonly kind: InspectedKind;
  /** A view of the bytes that were given. */
  readonly der: Uint8Array;
  readonly view: { readonly [field: string]: View | undefined };
  /** Rules that it breaks. */
  readonly findings: readonly LintFinding[];
}

/** One object among those that stand in an input. */
export interface PlacedObject {
  readonly position: number;
  readonly kind: InspectedKind;
  readonly der: Uint8Array;
}
