import { superviseService } from '@certmill/fleet';

await superviseService('status', { argv: process.argv.slice(2), environment: process.env });
