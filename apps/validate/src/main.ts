import { superviseService } from '@certmill/fleet';

await superviseService('validate', { argv: process.argv.slice(2), environment: process.env });
