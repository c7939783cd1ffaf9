import type { Lane } from '@certmill/domain';

/** Every topic, spelled once (DESIGN 5). A misspelt topic is for ever: a test pins this list. */
export const topics = {
  requestsReceived: {
    bulk: 'certmill.requests.received.v1.bulk',
    interactive: 'certmill.requests.received.v1.interactive',
  },
  requestsValidated: {
    bulk: 'certmill.requests.validated.v1.bulk',
    interactive: 'certmill.requests.validated.v1.interactive',
  },
  certificatesIssued: {
    bulk: 'certmill.certificates.issued.v1.bulk',
    interactive: 'certmill.certificates.issued.v1.interactive',
  },
  certificatesPublished: 'certmill.certificates.published.v1',
  certificatesRevoked: 'certmill.certificates.revoked.v1',
} as const;

export const lanes: readonly Lane[] = ['bulk', 'interactive'];

/** Consumer groups, one per role. */
export const groups = {
  validate: 'certmill-validate',
  sign: 'certmill-sign',
  publish: 'certmill-publish',
  notify: 'certmill-notify',
} as const;

/** Where a group puts records that it cannot process. */
export function deadLetterTopicOf(topic: string, group: string): string {
  return `${topic}.${group}.dlq`;
}
