import type * as imported from '@certmill/ports';
export type Imported = keyof typeof imported;
