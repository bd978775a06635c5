/** A key service of somebody else, asked by CPIX. */
export interface CpixKeyService {
  readonly kind: 'cpix';
  readonly url: string;
  /** In front of the ids that contents are named by to the service. */
  readonly contentIdPrefix: string;
  /** A header that it wants, whose value is in the secret store under this name; `hint` tells values apart for people. */
  readonly authorization: {
    readonly header: string;
    readonly secret: string;
    readonly hint: string;
  } | null;
  /**
   * Whom it encrypts keys for: a certificate (DER in base64) whose private key is in the secret store, and its SHA-256
   * fingerprint. Absent: keys come in the clear.
   */
  readonly encryption?: {
    readonly certificate: string;
    readonly secret: string;
    readonly hint: string;
  };
}
