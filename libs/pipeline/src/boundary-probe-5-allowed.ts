import type * as imported from '@certmill/der';
export type Imported = keyof typeof imported;
