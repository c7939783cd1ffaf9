import type * as imported from '@certmill/native';
export type Imported = keyof typeof imported;
