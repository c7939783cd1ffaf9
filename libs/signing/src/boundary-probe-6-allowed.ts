import type * as imported from '@certmill/pipeline';
export type Imported = keyof typeof imported;
