import type * as imported from '@certmill/adapter-mongo';
export type Imported = keyof typeof imported;
