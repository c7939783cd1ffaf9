import type * as imported from '@nestjs/common';
export type Imported = keyof typeof imported;
