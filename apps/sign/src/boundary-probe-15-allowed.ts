import type * as imported from '@certmill/fleet';
export type Imported = keyof typeof imported;
