// Asks the process in this container whether it runs. The standalone server speaks TLS, and its certificate
// names another host than localhost.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

const url = process.env.CERTMILL_HEALTH_URL ?? 'http://127.0.0.1:8461/healthz';
const get = url.startsWith('https:') ? getHttps : getHttp;

get(url, { rejectUnauthorized: false, timeout: 2_000 }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
})
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
