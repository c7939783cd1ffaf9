import type * as imported from '@certmill/domain';
export type Imported = keyof typeof imported;
