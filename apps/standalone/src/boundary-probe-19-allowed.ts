import type * as imported from '@certmill/platform';
export type Imported = keyof typeof imported;
