import type * as imported from '@certmill/packed';
export type Imported = keyof typeof imported;
