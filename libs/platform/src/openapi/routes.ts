import { z } from 'zod';
import { mediaTypeOfFormat } from '../http/download-formats.js';
import {
  demandedCrlsSchema,
  newCredentialSchema,
  newMassOperationSchema,
  newOrderSchema,
  newProfileSchema,
  newTenantSchema,
  revocationSchema,
  revocationsSchema,
} from '../http/bodies.js';
import {
  auditQuerySchema,
  batchListQuerySchema,
  calendarQuerySchema,
  certificatesQuerySchema,
  deviceQuerySchema,
  findQuerySchema,
  followQuerySchema,
  massDeviceQuerySchema,
  massResultQuerySchema,
  pageQuerySchema,
  resultsQuerySchema,
  uploadQuerySchema,
} from '../http/queries.js';
import { streamedMediaTypes } from '../http/streamed-body.js';
import { submittedJsonSchema } from '../http/submitted-request.js';
import type { RouteDescription } from './describe.js';
import {
  auditEntrySchema,
  batchSchema,
  calendarSchema,
  certificateSchema,
  changedCertificateSchema,
  changesSchema,
  credentialSchema,
  crlStateSchema,
  demandedCrlsViewSchema,
  issuerSchema,
  deadLetterSchema,
  enrolledSchema,
  massDeviceSchema,
  massResultSchema,
  massOperationSchema,
  newKeySchema,
  orderSchema,
  pageOf,
  profileSchema,
  settledSchema,
} from './views.js';

const orderId = { orderId: 'Order id' };
const batchId = { batchId: 'Batch id, 26 hex digits' };
const deadLetter = { ...batchId, chunk: 'Number of the chunk in its batch, from 0' };
const tenant = { tenant: 'Tenant' };
const operationId = { operationId: 'Name of the operation' };
const operationAnswer = { 200: { description: 'The operation', schema: massOperationSchema } };
const ndjsonOnly = ['application/x-ndjson'];
const certificateTypes = [
  'application/pem-certificate-chain',
  'application/pkix-cert',
  'application/json',
];

/** Of calls that use approvals up. */
const approved =
  'Where the installation has a quorum, approvals of exactly this call come with it, and are used up by ' +
  'it; else: 403, APPROVAL_REQUIRED, with the operation that is to be approved in `proposed`.';

const busy = { 429: { description: 'Too many at once; again after Retry-After' } };

/** Every route of DESIGN 9 in words and schemas. */
export const routes = {
  createOrder: {
    summary: 'Open an order',
    description: 'The same order again is success; another one under its id is a 409.',
    json: newOrderSchema,
    answers: { 201: { description: 'The order', schema: orderSchema } },
  },
  listOrders: {
    summary: 'List orders, newest first',
    query: pageQuerySchema,
    answers: { 200: { description: 'A page of orders', schema: pageOf(orderSchema) } },
  },
  showCalendar: {
    summary: 'What runs out when: CAs, and certificates of devices by month',
    query: calendarQuerySchema,
    answers: { 200: { description: 'The calendar', schema: calendarSchema } },
  },
  showIssuer: {
    summary: 'Whether an issuer takes orders and uploads',
    description:
      'takesUploads: under orders that are open. refusal says why it takes no orders: it is revoked, has ended, has a ' +
      'successor or was given up. 404 where it does not serve the tenant, as far as this server knows.',
    params: { issuer: 'Issuing CA' },
    answers: { 200: { description: 'The issuer', schema: issuerSchema } },
  },
  showCrls: {
    summary: "How far an issuer's CRLs are behind what was revoked",
    description:
      'behind: shards in which something changed that no CRL in force has, full or delta; missing: shards ' +
      'without a CRL. In full and delta, behind is of that kind alone: who asks for no deltas has what the ' +
      'full CRLs have. changes: how often the status of a certificate changed, and how many of those CRLs ' +
      'have. thisUpdate is of the oldest full CRL, nextUpdate of the one that ends first.',
    params: { issuer: 'Issuing CA' },
    answers: { 200: { description: 'Its CRLs', schema: crlStateSchema } },
  },
  demandCrls: {
    summary: "Have an issuer's CRLs made now",
    description:
      'A new CRL of each shard, with what was revoked before the call; without a body: full ones. Asked ' +
      'again before they are made it adds nothing. Where they are shows the same path. 409 where the issuer ' +
      'has ended, or deltas are asked for and none are made.',
    params: { issuer: 'Issuing CA' },
    json: demandedCrlsSchema,
    answers: { 202: { description: 'What is to be made', schema: demandedCrlsViewSchema } },
  },
  showOrder: {
    summary: 'Show an order',
    params: orderId,
    answers: { 200: { description: 'The order', schema: orderSchema } },
  },
  closeOrder: {
    summary: 'Close an order',
    description:
      'It takes no further batches. Requests that are not decided yet are rejected (ORDER_CLOSED), the others end. ' +
      'Closing it again changes nothing.',
    params: orderId,
    answers: { 200: { description: 'The order', schema: orderSchema } },
  },
  importDevices: {
    summary: 'Put an allow-list in force',
    description:
      'Replaces the list before as a whole; a bad row refuses the import and changes nothing, and so do ' +
      'more devices than the server is configured for: 413. Too many imports at once: 429.',
    params: orderId,
    streams: ['text/csv', 'application/x-ndjson'],
    answers: {
      200: { description: 'Devices on the list', schema: z.object({ devices: z.int().min(0) }) },
      ...busy,
    },
  },
  uploadBatch: {
    summary: 'Upload a batch of requests',
    description:
      'Answers when every request is durable. One that broke is resumed with the same Idempotency-Key ' +
      'and firstIndex = nextIndex. Other requests under the same key are a 409. Content-Encoding may be ' +
      'gzip or zstd.',
    params: orderId,
    query: uploadQuerySchema,
    idempotencyKey: 'required',
    streams: streamedMediaTypes,
    answers: {
      202: { description: 'The batch; Location leads to it', schema: batchSchema },
      ...busy,
    },
  },
  listBatches: {
    summary: 'List the batches of an order, newest first',
    params: orderId,
    query: batchListQuerySchema,
    answers: { 200: { description: 'A page of batches', schema: pageOf(batchSchema) } },
  },
  showBatch: {
    summary: 'Show counters, state, rate and time left of a batch',
    params: batchId,
    answers: { 200: { description: 'The batch', schema: batchSchema } },
  },
  cancelBatch: {
    summary: 'Cancel what is not signed yet',
    params: batchId,
    answers: { 202: { description: 'The batch', schema: batchSchema } },
  },
  batchEvents: {
    summary: 'Follow the progress of a batch',
    description:
      'Server-sent events `progress` (at most four a second), then `complete`; `stopping` where the ' +
      'server stops first. Each holds the whole batch, so reconnecting misses nothing.',
    params: batchId,
    answers: { 200: { description: 'Events', mediaTypes: ['text/event-stream'] }, ...busy },
  },
  batchCertificates: {
    summary: 'Download the certificates of a batch',
    description:
      'In the order of their indexes; the format comes from ?format= or Accept. Without follow, what ' +
      'has ended so far (certmill-batch-state says whether that is all); with it, until the batch is complete. ' +
      'Of a complete batch, dead letters are passed over: what comes of them is shown once they are settled.',
    params: batchId,
    query: certificatesQuerySchema,
    answers: {
      200: { description: 'Certificates', mediaTypes: Object.values(mediaTypeOfFormat) },
      ...busy,
    },
  },
  batchRejections: {
    summary: 'Download the rejections of a batch',
    params: batchId,
    query: resultsQuerySchema,
    answers: { 200: { description: 'One line per rejection', mediaTypes: ndjsonOnly }, ...busy },
  },
  batchManifest: {
    summary: 'Download the signed manifest of a complete batch',
    description:
      'One line per certificate with its SHA-256, then a JWS over their digest and the counters. 409 where ' +
      'the batch is not complete or has dead letters.',
    params: batchId,
    query: followQuerySchema,
    answers: { 200: { description: 'The manifest', mediaTypes: ndjsonOnly }, ...busy },
  },
  listDeadLetters: {
    summary: 'List the chunks of a batch that could not be processed',
    description:
      'Each with the fault, the stage that failed and when. `retried` ones are in flight again; ' +
      'a chunk that has ended is listed no more.',
    params: batchId,
    query: pageQuerySchema,
    answers: { 200: { description: 'A page of dead letters', schema: pageOf(deadLetterSchema) } },
  },
  retryDeadLetter: {
    summary: 'Send a dead letter through the pipeline once more',
    description:
      'Twice does no harm. The outcome is `ended` where the chunk has ended meanwhile; a chunk in ' +
      'flight that is no dead letter is a 409, as is one whose record is not kept any more.',
    params: deadLetter,
    answers: { 200: { description: 'What became of it', schema: settledSchema } },
  },
  dropDeadLetter: {
    summary: 'End a dead letter without certificates',
    description:
      'Each of its requests that was not rejected gets PROCESSING_FAILED and counts as rejected; its ' +
      'claim and its quota are given back. Twice does no harm.',
    params: deadLetter,
    answers: { 200: { description: 'What became of it', schema: settledSchema } },
  },
  enroll: {
    summary: 'Issue one certificate within the call',
    description:
      'Interactive lane. A rejection is a problem with its code; past the deadline a 202 leads to the batch.',
    params: orderId,
    query: deviceQuerySchema,
    idempotencyKey: 'optional',
    json: submittedJsonSchema,
    streams: ['application/pkcs10', 'application/x-pem-file'],
    answers: {
      201: { description: 'The certificate', mediaTypes: certificateTypes, schema: enrolledSchema },
      202: {
        description: 'Still in work; Location leads to the batch',
        schema: z.object({ batchId: z.string() }),
      },
      ...busy,
    },
  },
  showCertificate: {
    summary: 'Show a certificate by its serial number',
    params: { serialNumber: 'Serial number, 40 hex digits' },
    answers: {
      200: {
        description: 'The certificate',
        mediaTypes: certificateTypes,
        schema: certificateSchema,
      },
    },
  },
  findCertificates: {
    summary: 'Find the certificates of a key or a device, newest first',
    query: findQuerySchema,
    answers: {
      200: {
        description: 'At most 100 certificates',
        schema: z.object({ items: z.array(certificateSchema) }),
      },
    },
  },
  revokeCertificate: {
    summary: 'Revoke a certificate, or put it on hold',
    description:
      'The reason is one of RFC 5280 5.3.1; certificateHold can be released. Again with the same reason ' +
      'changes nothing; one that is revoked for good keeps its reason: 409. Only keyCompromise takes the place ' +
      'of another one, with the time of the first, and blocks the key; pending are other requests with the key ' +
      'then, which were accepted before and may still be issued.',
    params: { serialNumber: 'Serial number, 40 hex digits' },
    json: revocationSchema,
    answers: { 200: { description: 'What became of it', schema: changedCertificateSchema } },
  },
  releaseCertificate: {
    summary: 'Release a certificate from hold',
    description: 'Twice does no harm. One that was never on hold, or is revoked for good: 409.',
    params: { serialNumber: 'Serial number, 40 hex digits' },
    answers: { 200: { description: 'What became of it', schema: changedCertificateSchema } },
  },
  revokeCertificates: {
    summary: 'Revoke, hold or release many certificates',
    description:
      'Those of a batch, an order, an issuer, or named ones. A call that broke is sent again: what is ' +
      'done already is unchanged then. The first 1,000 items are told one by one. pending counts requests of the ' +
      'selection that were accepted and may still be issued, and with keyCompromise others with the same keys; ' +
      'items name their batches, devices or UDIDs. Send the call again when they have ended, or begin an ' +
      'operation, which waits for them. ' +
      approved +
      ' One certificate that is named needs none.',
    json: revocationsSchema,
    answers: { 200: { description: 'What became of them', schema: changesSchema } },
  },
  beginOperation: {
    summary: 'Revoke a population, or issue it once more, in the background',
    description:
      'The selection is frozen now: what is received later is not in it. The same again is success; another ' +
      'one under its name is a 409. A reissue takes the stored requests, so keys stay, into an order of the ' +
      "operation's name whose certificates take the place of what the devices hold. A renewal opens such " +
      'an order for the devices, whose new requests are then uploaded to it. With dryRun it ' +
      'only tells what would become of the certificates. ' +
      approved,
    json: newMassOperationSchema,
    answers: { 202: { description: 'The operation', schema: massOperationSchema }, ...busy },
  },
  listOperations: {
    summary: 'List mass operations, newest first',
    query: pageQuerySchema,
    answers: { 200: { description: 'A page of them', schema: pageOf(massOperationSchema) } },
  },
  showOperation: {
    summary: 'Show state, counts, rate and time left of a mass operation',
    params: operationId,
    answers: operationAnswer,
  },
  listOperationDevices: {
    summary: 'List the devices of a reissue or renewal: renewed, outstanding or passed over',
    description:
      'By the certificates of the frozen selection, as they are now. A page may have fewer than asked for, ' +
      'or none, with more behind it: go on while there is a `next`.',
    params: operationId,
    query: massDeviceQuerySchema,
    answers: { 200: { description: 'A page of them', schema: pageOf(massDeviceSchema) }, ...busy },
  },
  listOperationResults: {
    summary: 'List the certificates that a mass operation has looked at, with what became of each',
    description:
      'Those changed, unchanged, refused, skipped and submitted are as many as the counts say; of those that a ' +
      'reissue submitted what came of it, once it has ended. The reason is the code of a rejection, or why it was ' +
      'refused or passed over. A page may have fewer than asked for, or none, with more behind it: go on while ' +
      'there is a `next`.',
    params: operationId,
    query: massResultQuerySchema,
    answers: { 200: { description: 'A page of them', schema: pageOf(massResultSchema) } },
  },
  pauseOperation: {
    summary: 'Pause a mass operation after the step in hand',
    params: operationId,
    answers: operationAnswer,
  },
  resumeOperation: {
    summary: 'Go on with a mass operation that was paused or has failed',
    params: operationId,
    answers: operationAnswer,
  },
  cancelOperation: {
    summary: 'End a mass operation where it is',
    description:
      'What is revoked stays revoked; what is uploaded and not signed yet is not issued.',
    params: operationId,
    answers: operationAnswer,
  },
  listAudit: {
    summary: 'Read the audit trail, oldest first',
    description:
      "For admins and auditors of the operator's tenant. Each entry has the SHA-256 of itself and the one before.",
    query: auditQuerySchema,
    answers: {
      200: { description: 'Entries', schema: z.object({ items: z.array(auditEntrySchema) }) },
    },
  },
  listProfiles: {
    summary: 'List profiles by name, then by version',
    query: pageQuerySchema,
    answers: { 200: { description: 'A page of 100 at most', schema: pageOf(profileSchema) } },
  },
  showProfile: {
    summary: 'Show the highest version of a profile',
    params: { name: 'Profile name' },
    answers: {
      200: {
        description: 'The profile',
        schema: profileSchema.extend({ profile: z.unknown() }),
      },
    },
  },
  addProfile: {
    summary: 'Add a profile version',
    description: `${approved} They come in JSON, beside the file.`,
    json: newProfileSchema,
    streams: ['application/yaml'],
    answers: { 201: { description: 'The profile', schema: profileSchema }, ...busy },
  },
  createTenant: {
    summary: 'Open a tenant',
    json: newTenantSchema,
    answers: { 201: { description: 'The tenant', schema: z.object({ tenant: z.string() }) } },
  },
  addCredential: {
    summary: 'Make an API key; it is shown this once',
    params: tenant,
    json: newCredentialSchema,
    answers: { 201: { description: 'The key', schema: newKeySchema } },
  },
  listCredentials: {
    summary: 'List the credentials of a tenant',
    params: tenant,
    answers: {
      200: {
        description: 'Credentials, without keys',
        schema: z.object({ items: z.array(credentialSchema) }),
      },
    },
  },
  removeCredential: {
    summary: 'Remove a credential; it ends at once',
    params: { ...tenant, keyHash: 'SHA-256 of the key, hex' },
    answers: { 204: { description: 'Removed' } },
  },
  getCrl: {
    summary: 'Fetch a CRL of an issuer',
    description:
      'What cRLDistributionPoints and freshestCRL of its certificates name; with ETag, Last-Modified and ' +
      'Cache-Control.',
    isOpen: true,
    params: {
      issuer: 'Name of the issuer',
      file: '`<shard>.crl`, `<shard>.delta.crl`, or `ca.crl`: of the CA certificates that it has signed',
    },
    answers: {
      200: { description: 'A CertificateList, DER', mediaTypes: ['application/pkix-crl'] },
      304: { description: 'The client has it' },
      ...busy,
    },
  },
  getCaCertificate: {
    summary: 'Fetch the certificate of a CA',
    description: 'What id-ad-caIssuers of its certificates names.',
    isOpen: true,
    params: { file: '`<name>.cer`' },
    answers: {
      200: { description: 'A certificate, DER', mediaTypes: ['application/pkix-cert'] },
      304: { description: 'The client has it' },
      ...busy,
    },
  },
  health: {
    summary: 'The process runs',
    isOpen: true,
    answers: { 200: { description: 'Ok', schema: z.object({ status: z.string() }) } },
  },
  ready: {
    summary: 'Every stage takes work',
    isOpen: true,
    answers: {
      200: { description: 'Ready', schema: z.object({ status: z.string() }) },
      503: {
        description: 'A stage halted: its name and the code of its fault',
        mediaTypes: ['application/json'],
      },
    },
  },
  metrics: {
    summary: 'Prometheus metrics',
    isOpen: true,
    answers: { 200: { description: 'Metrics', mediaTypes: ['text/plain'] } },
  },
} as const satisfies Readonly<Record<string, RouteDescription>>;
