// Parts of kafkajs 2.2.4 that are mended here, as far as they are touched.

declare module 'kafkajs/src/consumer/consumerGroup.js' {
  class ConsumerGroup {
    readonly cluster: { refreshMetadata(): Promise<void> };
    /** Rejects with what it cannot mend. */
    recoverFromFetch(error: unknown): Promise<void>;
  }
  export = ConsumerGroup;
}

declare module 'kafkajs/src/consumer/fetchManager.js' {
  import type { Logger } from 'kafkajs';

  interface FetchManager {
    start(): Promise<void>;
    stop(): Promise<void>;
  }
  const createFetchManager: (options: {
    readonly logger: Logger;
    readonly getNodeIds: () => number[];
    readonly fetch: (nodeId: number) => Promise<readonly unknown[]>;
    readonly handler: (batch: unknown) => Promise<void>;
  }) => FetchManager;
  export = createFetchManager;
}

declare module 'kafkajs/src/consumer/runner.js' {
  class Runner {
    readonly running: boolean;
    readonly fetchManager: { stop(): Promise<void> };
    fetch(nodeId: number): Promise<readonly unknown[]>;
  }
  export = Runner;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    readonly pending: readonly unknown[];
    /** Milliseconds since the epoch; -1 where the broker has never throttled. */
    readonly throttledUntil: number;
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}

declare module 'kafkajs/src/network/connection.js' {
  import type { ISocketFactory, Logger } from 'kafkajs';

  namespace Connection {
    interface ConnectionOptions {
      readonly host: string;
      readonly port: number;
      readonly logger: Logger;
      readonly socketFactory: ISocketFactory;
      readonly connectionTimeout: number;
      readonly requestTimeout: number;
    }
  }
  class Connection {
    readonly host: string;
    readonly port: number;
    readonly connectionTimeout: number;
    constructor(options: Connection.ConnectionOptions);
    connect(): Promise<boolean>;
    disconnect(): Promise<boolean>;
  }
  export = Connection;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  class Encoder {
    static nextPowerOfTwo(value: number): number;
    buf: Buffer;
    offset: number;
    readonly buffer: Buffer;
    ensureAvailable(length: number): void;
  }
  export = Encoder;
}

declare module 'kafkajs/src/protocol/requests/produce/index.js' {
  import type { Message } from 'kafkajs';

  namespace produce {
    interface ProduceArguments {
      readonly acks: number;
      readonly timeout: number;
      readonly compression?: number | undefined;
      readonly transactionalId?: string | null | undefined;
      readonly producerId?: unknown;
      readonly producerEpoch?: number | undefined;
      readonly topicData: readonly {
        readonly topic: string;
        readonly partitions: readonly {
          readonly partition: number;
          readonly firstSequence?: number | undefined;
          readonly messages: readonly Message[];
        }[];
      }[];
    }
    /** What kafkajs asks of an Encoder that it copies. */
    interface Encoded {
      readonly buf: Buffer;
      readonly buffer: Buffer;
    }
    interface ProduceRequest {
      readonly request: { readonly encode: () => Promise<Encoded> };
    }
    type MakeProduceRequest = (given: ProduceArguments) => ProduceRequest;
  }
  const produce: {
    protocol: (of: { readonly version: number }) => produce.MakeProduceRequest;
  };
  export = produce;
}
