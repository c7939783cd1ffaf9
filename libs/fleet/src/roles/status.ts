import { IssuedNumbers, LivePlaces, type AnswerPorts } from '@certmill/pipeline';
import {
  logIssuerFaults,
  observeStatus,
  replyToStatusCall,
  Repository,
  startStatusHttp,
} from '@certmill/platform';
import { openStores } from '../connections/open-store.js';
import { openTrust } from '../keys/trust-folder.js';
import { presignedFor } from '../presigning.js';
import { keepResponders, openResponders } from '../responders.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';
import { watchDelegates } from '../watch-delegates.js';

/**
 * The validation authority: tells the status of certificates, and CRLs and CA certificates. It needs the
 * issuers' certificates and the serial keys, and holds no key, unless the folder of responders is
 * configured.
 */
export async function openStatus(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, logger, metrics, parts } = context;
  const trust = await openTrust(config);
  trust.catalogue.tellFaults(logIssuerFaults(logger));
  metrics.trust.ends('ca_crl', () => trust.cas.firstCaCrlEndMs());
  watchDelegates(context, trust);
  const stores = await openStores(context);
  const { store } = stores;
  const serialKeys = new Map(trust.serialKeys.map((key) => [key.id, key]));
  const responders = openResponders(context, trust, store);
  // Nobody may have asked yet when one ends.
  if (responders !== undefined) parts.push(keepResponders(context, trust, responders.folder));
  const signer = responders?.pool;
  const ports: AnswerPorts = {
    issuers: trust.authorities,
    clock,
    serialKeys,
    ...presignedFor(context, stores),
    ...(signer === undefined
      ? {}
      : {
          live: {
            signer,
            statuses: {
              batches: store,
              certificates: store,
              issued: new IssuedNumbers(store),
              serialKeys,
              caStatus: (...asked) => trust.authorities.caStatus(...asked),
            },
            places: new LivePlaces(),
            lifetimeSeconds: config.ocsp.answerSeconds,
            nonce: config.ocsp.nonce,
          },
        }),
  };
  const observer = observeStatus(logger, metrics);
  trust.authorities.tellFaults((error) => observer.fault(error));
  const replying = {
    limits: config.status,
    observer,
    repository: new Repository({ ...trust.cas, crls: store, clock }),
  };
  const http = await startStatusHttp({
    config: config.status,
    echoesNonces: ports.live?.nonce === 'echo',
    reply: (call, signal) => replyToStatusCall(ports, call, clock.nowMs(), replying, signal),
    onLost: (error) => context.fail(error),
  });
  parts.push(http);
  metrics.status.threads(http.answersOfThreads);
  return { url: http.url };
}
