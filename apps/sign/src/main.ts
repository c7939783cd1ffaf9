import { superviseService } from '@certmill/fleet';

await superviseService('sign', { argv: process.argv.slice(2), environment: process.env });
