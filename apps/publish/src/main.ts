import { superviseService } from '@certmill/fleet';

await superviseService('publish', { argv: process.argv.slice(2), environment: process.env });
