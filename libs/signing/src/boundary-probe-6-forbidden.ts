import type * as imported from '@certmill/trust';
export type Imported = keyof typeof imported;
