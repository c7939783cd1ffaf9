/** What the scenarios use of k6 v1 (its own types are a package of their own). */

declare module 'k6' {
  export function check<T>(
    value: T,
    checks: Readonly<Record<string, (value: T) => boolean>>,
  ): boolean;
  export function sleep(seconds: number): void;
}

declare module 'k6/data' {
  interface SharedArrayConstructor {
    new <T>(name: string, make: () => T[]): readonly T[];
  }
  export const SharedArray: SharedArrayConstructor;
}

declare module 'k6/execution' {
  interface Execution {
    readonly scenario: { readonly iterationInTest: number };
    readonly vu: { readonly idInTest: number };
    readonly test: { abort(reason: string): never };
  }
  const execution: Execution;
  export { execution as default };
}

declare module 'k6/experimental/fs' {
  export interface File {
    stat(): Promise<{ readonly size: number }>;
    seek(offset: number, whence: number): Promise<number>;
    read(into: Uint8Array): Promise<number | null>;
  }
  export function open(path: string): Promise<File>;
  export const SeekMode: { readonly Start: number };
}

declare module 'k6/http' {
  export interface Answer {
    readonly status: number;
    readonly body: string | null;
    readonly timings: { readonly duration: number };
    json(): unknown;
  }
  export interface Parameters {
    readonly headers?: Readonly<Record<string, string>>;
    /** `name` keeps addresses with ids in them together in the metrics. */
    readonly tags?: Readonly<Record<string, string>>;
    readonly timeout?: string;
  }
  interface Http {
    request(
      method: string,
      url: string,
      body: string | ArrayBuffer | null,
      parameters: Parameters,
    ): Answer;
  }
  const http: Http;
  export { http as default };
}

declare module 'k6/metrics' {
  interface Metric {
    add(value: number): void;
  }
  export const Counter: new (name: string) => Metric;
  export const Trend: new (name: string, isTime?: boolean) => Metric;
}

/** Of the start of a script only: the text of a file. */
declare function open(path: string): string;
declare const __ENV: Readonly<Record<string, string | undefined>>;
