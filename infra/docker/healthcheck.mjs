// Asks the server in this container whether it runs; its certificate names another host than localhost.
import { get } from 'node:https';

get('https://127.0.0.1:8460/healthz', { rejectUnauthorized: false }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
}).on('error', () => process.exit(1));
