import { superviseService } from '@certmill/fleet';

await superviseService('ingest', { argv: process.argv.slice(2), environment: process.env });
