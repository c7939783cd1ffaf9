import type * as imported from 'node:crypto';
export type Imported = keyof typeof imported;
