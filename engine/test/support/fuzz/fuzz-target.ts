/** A listening server, and valid sessions with it. */
export interface FuzzTarget {
  readonly name: string;
  readonly port: number;
  /** Each in its parts, in order: what is damaged, dropped, repeated and put elsewhere. */
  readonly sessions: readonly (readonly Uint8Array[])[];
  /** Connections that the server still has. */
  connections(): number;
  /** How often what has happened, by a short name: shows how deep the sessions get. */
  outcomes(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}
