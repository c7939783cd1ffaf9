import type * as imported from '@certmill/events';
export type Imported = keyof typeof imported;
